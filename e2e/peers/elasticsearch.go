package peers

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
)

// startLimit is how long Elasticsearch may take to become healthy; it takes six
// seconds on an idle machine.
const startLimit = 3 * time.Minute

// page is how many documents one search answers.
const page = 5000

// Elastic is an Elasticsearch or OpenSearch server that can be stopped and started
// again with the data it had.
type Elastic struct {
	// URL is its address, http://127.0.0.1:PORT, or https where it is secured.
	URL   string
	dir   string
	args  []string
	env   []string
	proc  *proc.Process
	place proc.Place

	tls                *tls.Config
	username, password string
}

// StartElastic runs an Elasticsearch that all tests of a package share. The
// caller closes it after the last of them. settings are further lines of
// elasticsearch.yml.
func StartElastic(t testing.TB, settings ...string) *Elastic {
	t.Helper()
	Find(t, Elasticsearch)
	return launch(t, &Elastic{env: []string{"ELASTICSEARCH_SETTINGS=" + strings.Join(settings, "\n")}}, "elasticsearch.sh")
}

// StartElasticAt is StartElastic somewhere else, where it listens on every address
// of the place.
func StartElasticAt(t testing.TB, at proc.Place, settings ...string) *Elastic {
	t.Helper()
	Find(t, Elasticsearch)
	settings = append(settings, "http.bind_host: 0.0.0.0")
	return launch(t, &Elastic{place: at, env: []string{"ELASTICSEARCH_SETTINGS=" + strings.Join(settings, "\n")}}, "elasticsearch.sh")
}

// StartSecureElastic runs an Elasticsearch with a certificate of ca, which takes
// requests of users and of API keys only, from those who show a certificate of ca
// themselves. Its own methods are those of a superuser.
func StartSecureElastic(t testing.TB, ca *CA) *Elastic {
	t.Helper()
	Find(t, Elasticsearch)
	cert, key := ca.Issue(t, "elasticsearch.example.org")
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	clientCert, clientKey := ca.Issue(t, "tests.example.org")
	shown, err := tls.LoadX509KeyPair(clientCert, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	e := &Elastic{
		tls:      &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{shown}},
		username: "admin", password: "admin-of-tests",
	}
	return launch(t, e, "elasticsearch.sh", cert, key, ca.File)
}

// StartOpenSearch runs an OpenSearch, as StartElastic does an Elasticsearch.
func StartOpenSearch(t testing.TB) *Elastic {
	t.Helper()
	Find(t, OpenSearch)
	return launch(t, &Elastic{}, "opensearch.sh")
}

// launch starts e by a script, which is given a port, a folder and args.
func launch(t testing.TB, e *Elastic, by string, args ...string) *Elastic {
	t.Helper()
	// Not t.TempDir: it outlives this test, and the user that Elasticsearch runs
	// as must be able to reach it.
	dir, err := os.MkdirTemp("", "syslane-elasticsearch-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	scheme := "http"
	if e.tls != nil {
		scheme = "https"
	}
	port := proc.FreePort(t)
	e.dir, e.URL = dir, fmt.Sprintf("%s://127.0.0.1:%d", scheme, port)
	e.args = append([]string{"bash", script(by), fmt.Sprint(port), filepath.Join(dir, "home")}, args...)
	if err := e.start(); err != nil {
		e.Close()
		t.Fatal(err)
	}
	return e
}

func (e *Elastic) start() error {
	p, err := proc.Run(proc.Config{Name: "elasticsearch", Args: e.args, Env: e.env, Log: filepath.Join(e.dir, "output.log"), Place: e.place})
	if err != nil {
		return err
	}
	e.proc = p
	err = await.Nil(startLimit, func() error {
		if err := p.Exited(); err != nil {
			return await.Hopeless(err)
		}
		return e.Do("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s", nil, nil)
	})
	if err != nil {
		return fmt.Errorf("elasticsearch does not become healthy: %w\n%s", err, p.Tail())
	}
	return nil
}

// Stop shuts the server down as an operator does. It keeps its data.
func (e *Elastic) Stop(t testing.TB) {
	t.Helper()
	// A JVM ends with 143 on SIGTERM: only a server that had to be killed is
	// worth a word.
	if err := e.proc.Stop(time.Minute); err != nil && strings.Contains(err.Error(), "did not end") {
		t.Log(err)
	}
}

// Kill ends the server as a crash does. It keeps what it has acknowledged.
func (e *Elastic) Kill() { e.proc.Kill() }

// Start brings the server back after Stop or Kill.
func (e *Elastic) Start(t testing.TB) {
	t.Helper()
	if err := e.start(); err != nil {
		t.Fatal(err)
	}
}

// Process is the server that runs now.
func (e *Elastic) Process() *proc.Process { return e.proc }

// Running tells whether the server was started and has not ended.
func (e *Elastic) Running() bool { return e.proc != nil && e.proc.Exited() == nil }

// Close ends the server and removes its data.
func (e *Elastic) Close() {
	if e.proc != nil {
		e.proc.Kill()
	}
	os.RemoveAll(e.dir)
}

// Count returns how many documents an index or data stream has, after a refresh.
func (e *Elastic) Count(index string) (int, error) {
	if err := e.Do("POST", "/"+index+"/_refresh", nil, nil); err != nil {
		return 0, err
	}
	var answer struct{ Count int }
	err := e.Do("GET", "/"+index+"/_count", nil, &answer)
	return answer.Count, err
}

// IsDataStream tells a data stream from an index.
func (e *Elastic) IsDataStream(name string) (bool, error) {
	var answer struct {
		DataStreams []struct{ Name string } `json:"data_streams"`
	}
	err := e.Do("GET", "/_resolve/index/"+name, nil, &answer)
	return len(answer.DataStreams) > 0, err
}

// Each calls f with the _id and the source of every document of an index or data
// stream.
func (e *Elastic) Each(index string, f func(id string, source json.RawMessage) error) error {
	if err := e.Do("POST", "/"+index+"/_refresh", nil, nil); err != nil {
		return err
	}
	type answer struct {
		ScrollID string `json:"_scroll_id"`
		Hits     struct {
			Hits []struct {
				ID     string          `json:"_id"`
				Source json.RawMessage `json:"_source"`
			}
		}
	}
	var got answer
	query := map[string]any{"size": page, "sort": []any{"_doc"}}
	if err := e.Do("POST", "/"+index+"/_search?scroll=2m", query, &got); err != nil {
		return err
	}
	defer e.Do("DELETE", "/_search/scroll", map[string]any{"scroll_id": got.ScrollID}, nil)
	for len(got.Hits.Hits) > 0 {
		for _, h := range got.Hits.Hits {
			if err := f(h.ID, h.Source); err != nil {
				return err
			}
		}
		next := map[string]any{"scroll": "2m", "scroll_id": got.ScrollID}
		got = answer{}
		if err := e.Do("POST", "/_search/scroll", next, &got); err != nil {
			return err
		}
	}
	return nil
}

// Do sends a request and decodes the answer into out unless it is nil. body is
// sent as JSON, or as it is where it is octets.
func (e *Elastic) Do(method, path string, body, out any) error {
	octets, asIs := body.([]byte)
	if body != nil && !asIs {
		var err error
		if octets, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequest(method, e.URL+path, bytes.NewReader(octets))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if e.username != "" {
		req.SetBasicAuth(e.username, e.password)
	}
	transport := &http.Transport{TLSClientConfig: e.tls, DisableKeepAlives: true, DialContext: e.place.Dial}
	client := http.Client{Timeout: time.Minute, Transport: transport}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return fmt.Errorf("elasticsearch: %s %s: %s: %s", method, path, resp.Status, text)
	}
	if out == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
