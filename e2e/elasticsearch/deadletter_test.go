package elasticsearch

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
	"github.com/syslane/syslane/outputs/elasticsearch"
)

func TestRefusedMessagesAreKeptInADataStreamOfTheirOwn(t *testing.T) {
	refusedMessagesAreKept(t, server(t), stream(t))
}

// spoil gives a data stream a template that takes no message but numbers.
func spoil(t *testing.T, es *peers.Elastic, stream string) {
	t.Helper()
	if err := es.Do("PUT", "/_index_template/syslane-"+stream, map[string]any{
		"index_patterns": []string{stream}, "priority": 501, "version": 1000, "data_stream": map[string]any{},
		"template": map[string]any{"mappings": map[string]any{"dynamic": false, "properties": map[string]any{"message": map[string]any{"type": "long"}}}},
	}, nil); err != nil {
		t.Fatal(err)
	}
}

// refusedMessagesAreKept writes into a stream whose mapping does not fit, with a dead
// letter on the same server, and then with one that takes nothing.
func refusedMessagesAreKept(t *testing.T, es *peers.Elastic, cfg elasticsearch.Config) {
	t.Helper()
	spoil(t, es, cfg.DataStream.Name())
	cfg.DeadLetterIndex = "logs-syslane.deadletter-" + cfg.DataStream.Namespace
	b := lines(t, "<13>1 - h a - - - 1", "<13>1 - h a - - - two \xff", "<13>1 - h a - - - 3", "<13>1 - h a - - - "+strings.Repeat("four ", 1<<20/5))
	for range 2 { // the second as after a crash before the cursor moved
		r := write(t, open(t, cfg), b)
		if len(r) != 2 || r[0].Index != 1 || r[1].Index != 3 || !r[0].Kept || !r[1].Kept {
			t.Fatalf("rejections %.300v", r)
		}
	}
	requests := elasticsearch.Requests(&cfg, elasticsearch.Server{Flavor: elasticsearch.FlavorElasticsearch})
	isMappedAs(t, es, cfg.DeadLetterIndex, requests[len(requests)-1].Body)
	found := 0
	if err := es.Each(cfg.DeadLetterIndex, func(id string, source json.RawMessage) error {
		found++
		var doc struct {
			Message string
			Error   struct{ Code, Message string }
			Syslane struct{ Target, Original string }
		}
		if err := json.Unmarshal(source, &doc); err != nil {
			return err
		}
		if !strings.HasPrefix(doc.Message, "<13>1 - h a - - - ") || doc.Error.Code != "400" || doc.Syslane.Target != cfg.DataStream.Name() ||
			!strings.Contains(doc.Error.Message, "failed to parse field [message]") {
			return fmt.Errorf("document %s is %.300s", id, source)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if found != 2 {
		t.Errorf("%d messages are kept, want 2", found)
	}
	for query, want := range map[string]int{
		"message:two": 1, "message:four": 1, "error.code:400": 2, "syslane.target:" + cfg.DataStream.Name(): 2,
	} {
		var answer struct{ Count int }
		body := map[string]any{"query": map[string]any{"query_string": map[string]any{"query": query}}}
		if err := es.Do("GET", "/"+cfg.DeadLetterIndex+"/_count", body, &answer); err != nil || answer.Count != want {
			t.Errorf("%s finds %d messages, want %d: %v", query, answer.Count, want, err)
		}
	}

	// It is full, or broken: the message is left to the file.
	if err := es.Do("PUT", "/"+cfg.DeadLetterIndex+"/_settings", map[string]any{"index.blocks.write": true}, nil); err != nil {
		t.Fatal(err)
	}
	b = lines(t, "<13>1 - h b - - - 5", "<13>1 - h b - - - six")
	if r := write(t, open(t, cfg), b); len(r) != 1 || r[0].Kept {
		t.Errorf("rejections %+v", r)
	}
}

// Both places at work in a collector, which keeps account of them.
func TestCollectorCountsWhatItsServerKeepsAndWhatItsFilesKeep(t *testing.T) {
	es, dataset, tcp := server(t), "syslane_refusing"+run, proc.FreeAddr(t)
	spoil(t, es, "logs-"+dataset+"-e2e")
	dead := "logs-syslane.deadletter-" + dataset
	n := syslane.Start(t, "collector", fmt.Sprintf(`
[[input]]
type = "tcp"
listen = %q
[[output]]
type = "elasticsearch"
name = "es"
hosts = [%q]
data_stream = { dataset = %q, namespace = "e2e" }
dead_letter_index = %q
backoff_init = "10ms"
`, tcp, es.URL, dataset, dead))
	send := func(lines string, refused int) {
		t.Helper()
		conn, err := net.Dial("tcp", tcp)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, lines); err != nil {
			t.Fatal(err)
		}
		n.WaitFor(t, arrival, float64(refused), "syslane_output_dead_lettered_messages_total", "output", "es")
		n.WaitUntilDrained(t, arrival)
	}
	send("<13>1 - h a - - - 1\n<13>1 - h a - - - two\n", 1)
	if err := es.Do("PUT", "/"+dead+"/_settings", map[string]any{"index.blocks.write": true}, nil); err != nil {
		t.Fatal(err)
	}
	send("<13>1 - h a - - - three\n", 2)
	n.Balance(t)
	m, err := n.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if kept := m.Sum("syslane_elasticsearch_documents_total", "output", "es", "result", "kept"); kept != 1 {
		t.Errorf("%v messages are kept by the server, want 1", kept)
	}
	if count, err := es.Count(dead); count != 1 || err != nil {
		t.Errorf("%d messages are in the index, want 1: %v", count, err)
	}
	out, err := exec.Command(syslane.Binary(t), "deadletter", "show", "es", "--dir", n.State).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out := string(out); !strings.Contains(out, "three") || strings.Contains(out, "two") {
		t.Errorf("the files hold %s", out)
	}
	n.Shutdown(t)
}
