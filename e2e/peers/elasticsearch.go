package peers

import (
	"bytes"
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

// Elastic is an Elasticsearch server that can be stopped and started again with
// the data it had.
type Elastic struct {
	// URL is its address, http://127.0.0.1:PORT.
	URL  string
	dir  string
	port int
	proc *proc.Process
}

// StartElastic runs an Elasticsearch that all tests of a package share. The
// caller closes it after the last of them.
func StartElastic(t testing.TB) *Elastic {
	t.Helper()
	Find(t, Elasticsearch)
	// Not t.TempDir: it outlives this test, and the user that Elasticsearch runs
	// as must be able to reach it.
	dir, err := os.MkdirTemp("", "syslane-elasticsearch-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	port := proc.FreePort(t)
	e := &Elastic{URL: fmt.Sprintf("http://127.0.0.1:%d", port), dir: dir, port: port}
	if err := e.start(); err != nil {
		e.Close()
		t.Fatal(err)
	}
	return e
}

func (e *Elastic) start() error {
	p, err := proc.Run(proc.Config{
		Name: "elasticsearch",
		Args: []string{"bash", script("elasticsearch.sh"), fmt.Sprint(e.port), filepath.Join(e.dir, "home")},
		Log:  filepath.Join(e.dir, "output.log"),
	})
	if err != nil {
		return err
	}
	e.proc = p
	err = await.Nil(startLimit, func() error {
		if err := p.Exited(); err != nil {
			return await.Hopeless(err)
		}
		return e.do("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s", nil, nil)
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
	if err := e.do("POST", "/"+index+"/_refresh", nil, nil); err != nil {
		return 0, err
	}
	var answer struct{ Count int }
	err := e.do("GET", "/"+index+"/_count", nil, &answer)
	return answer.Count, err
}

// IsDataStream tells a data stream from an index.
func (e *Elastic) IsDataStream(name string) (bool, error) {
	var answer struct {
		DataStreams []struct{ Name string } `json:"data_streams"`
	}
	err := e.do("GET", "/_resolve/index/"+name, nil, &answer)
	return len(answer.DataStreams) > 0, err
}

// Each calls f with the _id and the source of every document of an index or data
// stream.
func (e *Elastic) Each(index string, f func(id string, source json.RawMessage) error) error {
	if err := e.do("POST", "/"+index+"/_refresh", nil, nil); err != nil {
		return err
	}
	var pit struct{ ID string }
	if err := e.do("POST", "/"+index+"/_pit?keep_alive=2m", nil, &pit); err != nil {
		return err
	}
	defer e.do("DELETE", "/_pit", map[string]any{"id": pit.ID}, nil)
	query := map[string]any{
		"size": page, "track_total_hits": false, "sort": []any{"_shard_doc"},
		"pit": map[string]any{"id": pit.ID, "keep_alive": "2m"},
	}
	for {
		var answer struct {
			Hits struct {
				Hits []struct {
					ID     string          `json:"_id"`
					Source json.RawMessage `json:"_source"`
					Sort   []any           `json:"sort"`
				}
			}
		}
		if err := e.do("POST", "/_search", query, &answer); err != nil {
			return err
		}
		hits := answer.Hits.Hits
		for _, h := range hits {
			if err := f(h.ID, h.Source); err != nil {
				return err
			}
		}
		if len(hits) < page {
			return nil
		}
		query["search_after"] = hits[len(hits)-1].Sort
	}
}

// do sends a request and decodes the answer into out unless it is nil.
func (e *Elastic) do(method, path string, body, out any) error {
	var octets []byte
	if body != nil {
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
	client := http.Client{Timeout: time.Minute}
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
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}
