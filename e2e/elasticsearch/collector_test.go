package elasticsearch

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// arrival is how long messages may take to get anywhere on a busy machine.
const arrival = 4 * time.Minute

// line is TCP → relay → collector → server. What the relay has taken the collector
// takes by the link, also after a kill, so that all of it has to arrive.
type line struct {
	relay, collector *syslane.Node
	link, hosts      string
	set              numbered.Set
}

// startLine starts relay and collector; output is the rest of the output's table.
func startLine(t *testing.T, count int, output string) *line {
	t.Helper()
	l := &line{link: proc.FreeAddr(t), hosts: proc.FreeAddr(t), set: numbered.New(count)}
	l.collector = syslane.Start(t, "collector", l.collectorConfig(output))
	l.relay = syslane.Start(t, "relay", fmt.Sprintf(`
[[input]]
type = "tcp"
listen = %q
[[output]]
type = "relp"
targets = [%q]
`, l.hosts, l.link))
	return l
}

func (l *line) collectorConfig(output string) string {
	return fmt.Sprintf(`
[[input]]
type = "relp"
listen = %q
[[output]]
type = "elasticsearch"
name = "es"
backoff_init = "20ms"
backoff_max = "500ms"
retry_min = "20ms"
retry_max = "200ms"
%s
`, l.link, output)
}

// send hands all messages to the relay.
func (l *line) send(t *testing.T) {
	t.Helper()
	l.sendPart(t, 0, l.set.Count)
}

// sendPart hands the messages with the numbers from from up to to to the relay.
func (l *line) sendPart(t *testing.T, from, to int) {
	t.Helper()
	conn, err := net.Dial("tcp", l.hosts)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	lines := bytes.SplitAfter(l.set.Lines(), []byte("\n"))
	if _, err := conn.Write(bytes.Join(lines[from:to], nil)); err != nil {
		t.Fatal(err)
	}
}

// delivered waits until the part of the messages is delivered.
func (l *line) delivered(t *testing.T, part float64) {
	t.Helper()
	l.collector.WaitFor(t, arrival, part*float64(l.set.Count), "syslane_output_delivered_messages_total", "output", "es")
}

// bounce kills the collector and starts it again.
func (l *line) bounce(t *testing.T) {
	t.Helper()
	l.collector.Kill()
	l.collector.Restart(t)
}

// exactlyOnce waits until everything is delivered, and compares what the server
// has with what was sent.
func (l *line) exactlyOnce(t *testing.T, es *peers.Elastic, index string) {
	t.Helper()
	l.delivered(t, 1)
	l.collector.Balance(t)
	c := numbered.NewChecker(l.set, numbered.RFC5424)
	if err := es.Each(index, func(id string, source json.RawMessage) error {
		if d, err := numbered.Decode(source); err == nil && d.Event.ID != id {
			return fmt.Errorf("the document with event.id %q has the _id %q", d.Event.ID, id)
		}
		return c.Add(source)
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.ExactlyOnce(); err != nil {
		t.Error(err)
	}
	if stream, err := es.IsDataStream(index); err != nil || !stream {
		t.Errorf("%s is a data stream: %v, %v", index, stream, err)
	}
	l.relay.Shutdown(t)
	l.collector.Shutdown(t)
}

// troubled is a proxy before a server that cuts every third answer to a bulk
// request, when the server has taken the documents.
type troubled struct {
	*httptest.Server
	// cut counts the answers cut, full the items that a full queue turned away.
	cut, full atomic.Int64
	bulks     atomic.Int64
}

func newTroubled(t *testing.T, server string) *troubled {
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	p := &troubled{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ModifyResponse = func(r *http.Response) error {
		if !strings.HasSuffix(r.Request.URL.Path, "_bulk") {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		r.Body.Close()
		p.full.Add(int64(bytes.Count(body, []byte("es_rejected_execution_exception"))))
		r.Body = io.NopCloser(bytes.NewReader(body))
		if p.bulks.Add(1)%3 == 0 {
			p.cut.Add(1)
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), brokenReader{}))
		}
		return nil
	}
	p.Server = httptest.NewServer(proxy)
	t.Cleanup(p.Close)
	return p
}

// The whole misery at once: 200,000 messages, a proxy that cuts every third
// answer, a thread pool that is full with three requests, collector and server
// killed in turn, and a block on the index for a while.
func TestEachMessageIsOneDocumentThroughKillsCutAnswersFullQueuesAndABlock(t *testing.T) {
	// A server that does not watch its disk takes blocks like the one below off once,
	// when it looks at its nodes the first time: not while this test runs.
	es := peers.StartElastic(t, "thread_pool.write.size: 1", "thread_pool.write.queue_size: 2", "cluster.info.update.interval: 1h")
	defer es.Close()
	proxy := newTroubled(t, es.URL)
	const stream = "logs-syslane_misery-e2e"
	l := startLine(t, 200_000, fmt.Sprintf(`
hosts = [%q]
data_stream = { dataset = "syslane_misery", namespace = "e2e" }
workers = 6
bulk_max_docs = 1000
`, proxy.URL))
	l.send(t)
	l.delivered(t, 0.1)
	l.bounce(t)
	l.delivered(t, 0.2)
	es.Kill()
	es.Start(t)
	l.delivered(t, 0.4)
	// As a full disk does: what the server sets at the flood stage.
	block := func(value any) {
		t.Helper()
		if err := es.Do("PUT", "/"+stream+"/_settings", map[string]any{"index.blocks.read_only_allow_delete": value}, nil); err != nil {
			t.Fatal(err)
		}
	}
	block(true)
	l.failing(t, "an index that is blocked")
	l.bounce(t) // and it is held across a start as well
	l.failing(t, "an index that is blocked")
	block(nil)
	l.delivered(t, 0.7)
	l.bounce(t)
	l.exactlyOnce(t, es, stream)
	t.Logf("%d bulk requests, %d answers cut, %d documents turned away by the full queue", proxy.bulks.Load(), proxy.cut.Load(), proxy.full.Load())
	if proxy.cut.Load() < 20 || proxy.full.Load() == 0 {
		t.Error("there was no misery")
	}
}

// failing waits until the output takes nothing.
func (l *line) failing(t *testing.T, at string) {
	t.Helper()
	await.Until(t, arrival, "the output to hold at "+at, func() error {
		m, err := l.collector.Metrics()
		if err != nil {
			return err
		}
		if m.Sum("syslane_output_up", "output", "es") != 0 || m.Sum("syslane_output_retained_messages", "output", "es") == 0 {
			return fmt.Errorf("it takes messages")
		}
		return nil
	})
}

// apiKey makes an API key, and returns its id and both forms of it.
func apiKey(t *testing.T, es *peers.Elastic, roles map[string]any) (id, encoded, pair string) {
	t.Helper()
	var answer struct {
		ID  string
		Key string `json:"api_key"`
	}
	if err := es.Do("POST", "/_security/api_key", map[string]any{"name": "syslane", "role_descriptors": roles}, &answer); err != nil {
		t.Fatal(err)
	}
	pair = answer.ID + ":" + answer.Key
	return answer.ID, base64.StdEncoding.EncodeToString([]byte(pair)), pair
}

// asked wants "syslane check --online" to say what a pattern does of an output, with an
// exit status.
func asked(t *testing.T, output string, status int, pattern string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "collector.toml")
	text := fmt.Sprintf("state = %q\n[[output]]\ntype = \"elasticsearch\"\n%s", filepath.Join(t.TempDir(), "state"), output)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(syslane.Binary(t), "check", "--online", file)
	said, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != status || !regexp.MustCompile(pattern).Match(said) {
		t.Errorf("check --online: %v\n%swant %q", err, said, pattern)
	}
}

func TestServerWithTLSAndAPIKeysGetsEachMessageOnceAndNothingIsDroppedWhileItRefuses(t *testing.T) {
	ca := peers.NewCA(t)
	certFile, keyFile := ca.Issue(t, "collector.example.org")
	wrongCert, wrongKey := peers.NewCA(t).Issue(t, "collector.example.org")
	es := peers.StartSecureElastic(t, ca)
	defer es.Close()
	// No more than docs/ELASTICSEARCH.md says is needed.
	index := func(privileges ...string) map[string]any {
		return map[string]any{"syslane": map[string]any{
			"cluster": []string{"monitor", "manage_index_templates"},
			"indices": []any{map[string]any{"names": []string{"logs-syslane_secure-*"}, "privileges": privileges}},
		}}
	}
	all := index("auto_configure", "create_doc", "read", "view_index_metadata")
	id, encoded, _ := apiKey(t, es, all)
	output := func(key string) string {
		return fmt.Sprintf(`
hosts = [%q]
api_key = %q
data_stream = { dataset = "syslane_secure", namespace = "e2e" }
bulk_max_docs = 500
[output.tls]
ca_file = %q
cert_file = %q
key_file = %q
`, es.URL, key, ca.File, certFile, keyFile)
	}
	l := startLine(t, 50_000, output(encoded))
	l.send(t)
	l.delivered(t, 0.1)
	asked(t, output(encoded), 0, `note: output.hosts: .*: elasticsearch`)
	asked(t, strings.Replace(output(encoded), "ca_file", "# ca_file", 1), 1, `unknown authority; set tls.ca_file`)
	asked(t, strings.NewReplacer("cert_file", "# cert_file", "key_file", "# key_file").Replace(output(encoded)), 1,
		`set tls.cert_file and tls.key_file`)
	asked(t, strings.NewReplacer(certFile, wrongCert, keyFile, wrongKey).Replace(output(encoded)), 1,
		`does not take the certificate in tls.cert_file`)

	// Its rights are taken away (403), and given back.
	set := func(roles map[string]any) {
		t.Helper()
		if err := es.Do("PUT", "/_security/api_key/"+id, map[string]any{"role_descriptors": roles}, nil); err != nil {
			t.Fatal(err)
		}
	}
	set(index("monitor"))
	l.failing(t, "missing privileges")
	asked(t, output(encoded), 1, `the credentials lack auto_configure and create_doc on logs-syslane_secure-e2e`)
	set(all)
	l.delivered(t, 0.4)
	l.bounce(t)
	l.delivered(t, 0.6)

	// The key ends (401), and the collector gets another, in the other form.
	if err := es.Do("DELETE", "/_security/api_key", map[string]any{"ids": []string{id}}, nil); err != nil {
		t.Fatal(err)
	}
	l.failing(t, "a key that is no longer valid")
	asked(t, output(encoded), 1, `answered 401 Unauthorized`)
	l.collector.Shutdown(t)
	_, _, pair := apiKey(t, es, all)
	l.collector.Reconfigure(t, l.collectorConfig(output(pair)))
	l.collector.Restart(t)
	l.exactlyOnce(t, es, "logs-syslane_secure-e2e")
}
