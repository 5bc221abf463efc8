package elasticsearch

import (
	"context"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	es "github.com/elastic/go-elasticsearch/v8"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/elasticsearch"
	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

// keeping is a log for tests.
func keeping(t *testing.T) *spool.Log {
	t.Helper()
	l, err := spool.Open(spool.Config{Dir: t.TempDir(), KeepDelivered: true, Sync: spool.SyncOS, MinFree: -1, Summarize: new(skipdata.Summarizer).Append})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// appendRun appends a run of events.
func appendRun(t *testing.T, l *spool.Log, records []byte) {
	t.Helper()
	b := spool.Batch{Records: records}
	var e syslog.Event
	for rest := records; len(rest) > 0; b.Count++ {
		var record []byte
		record, rest = syslog.NextRecord(rest)
		if err := e.Decode(record, nil); err != nil {
			t.Fatal(err)
		}
		if at := e.TimeNano(); b.Count == 0 {
			b.MinTime, b.MaxTime = at, at
		} else {
			b.MinTime, b.MaxTime = min(b.MinTime, at), max(b.MaxTime, at)
		}
	}
	if b.Count > 0 {
		if _, err := l.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// mergedQueries are asked of a log with Elasticsearch and of one alone.
var mergedQueries = []string{"", "failed", "not failed", "host:web1", "severity<=err", "émile", "failed | first 60", "failed | last 60", "| sort host, -severity, id | fields id, host",
	"| count", "nothing | count", "| count by host", "failed | count by host", "not (host:web1 and app:sshd) | count by host, app", "| top 2 host", "| histogram 1s", "| histogram 2s by severity",
	"failed | histogram 3s by host", "| histogram", "| rate 5s by app", "| facets 2 host, app, severity", "/fail/ | count by app", "procid:701 | count by severity"}

// A log that holds the newer half, and of the older only what came late, answers with
// Elasticsearch as one that kept everything; what came last is not delivered yet.
func TestALogThatAsksElasticsearchAnswersAsOneThatKeptEverything(t *testing.T) {
	server := server(t)
	cfg := stream(t)
	out := open(t, cfg)
	whole, part := keeping(t), keeping(t)
	const old, late, young = 40, 10, 40
	texts := []string{"Failed password for invalid user admin", "Accepted publickey for bob", "foo.bar baz", "connection failure", "Émile is naïve", "failed"}
	base := time.Now()
	// run returns the records of some of the events.
	run := func(seam time.Time, from, to int) []byte {
		var messages []string
		for i := range old + late + young {
			at := base.Add(-20*time.Second + time.Duration(i*37)*time.Millisecond) // old
			switch {
			case i >= old+late:
				at = seam.Add(time.Duration(1+(i-old-late)*41) * time.Millisecond)
			case i >= old: // among the old ones, partly of one time with them
				at = base.Add(-20*time.Second + time.Duration((i-old)*2*37)*time.Millisecond)
			}
			messages = append(messages, fmt.Sprintf("<%d>1 %s %s %s %s - - %s", (i%3)*32+i%8, at.UTC().Format("2006-01-02T15:04:05.000Z"),
				[]string{"web1", "web2", "db1"}[i%3], []string{"sshd", "cron", "nginx", "kernel"}[i%4], []string{"-", "701"}[i%2], texts[i%len(texts)]))
		}
		var records [][]byte
		for rest := lines(t, messages...).Events; len(rest) > 0; {
			before := rest
			_, rest = syslog.NextRecord(rest)
			records = append(records, before[:len(before)-len(rest)])
		}
		return slices.Concat(records[from:to]...)
	}
	appendRun(t, part, run(base, old, old+late/2))
	segments, err := part.View().Segments()
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	seam := time.Unix(0, segments[0].Created).Add(time.Millisecond)
	join := func(from, to int) []byte { return run(seam, from, to) }
	deliver := func(from, to int) {
		t.Helper()
		b := &outputs.Batch{Stream: "log/es", First: 1, Next: 1 + uint64(to-from), Count: to - from, Events: join(from, to)}
		if rejected := write(t, out, b); len(rejected) > 0 {
			t.Fatal(rejected)
		}
	}
	deliver(0, old+late/2) // half of the late ones are there, half on their way
	deliver(old+late, old+late+young)
	appendRun(t, whole, join(0, old+late+young))
	appendRun(t, part, join(old+late, old+late+young))
	undelivered := []spool.Span{{From: part.Head(), To: math.MaxUint64}}
	appendRun(t, part, join(old+late/2, old+late))
	if n, err := server.Count(cfg.DataStream.Name()); err != nil || n != old+late/2+young {
		t.Fatal(n, err)
	}

	client, index, err := elasticsearch.Reader(cfg.Access, cfg.Target, "es")
	if err != nil {
		t.Fatal(err)
	}
	kept := search.NewLocal(whole.View())
	merged := &search.Merged{Local: search.NewLocal(part.View()), Elastic: &search.Elastic{Client: client, Index: index, Lenient: true, Page: 20}, Undelivered: func() []spool.Span { return undelivered }}
	asked := append(slices.Clone(mergedQueries),
		fmt.Sprintf("@timestamp>=%s | count by host", seam.Add(-19*time.Second).UTC().Format(time.RFC3339Nano)),
		fmt.Sprintf("@timestamp>=%s failed", seam.UTC().Format(time.RFC3339Nano)),
		"@timestamp>10m | histogram 1s by severity", "| histogram 1s by app", "severity<=err | histogram 2s")
	for _, query := range asked {
		for _, limit := range []int{0, 45} {
			for _, order := range []search.Order{search.NewestFirst, search.OldestFirst} {
				r := search.Request{Query: query, Limit: limit, Order: order}
				want, got := answers(t, kept, r), answers(t, merged, r)
				// Events of one millisecond have an order of their own in either.
				if limit == 0 && !strings.Contains(query, "|") {
					slices.Sort(want)
					slices.Sort(got)
				}
				if len(got) != len(want) || limit == 0 && !strings.Contains(query, "first") && !strings.Contains(query, "last") && !slices.Equal(got, want) {
					t.Errorf("%q, limit %d, %s first: %d and %d results\nmerged:  %q\nthe log: %q", query, limit, order, len(got), len(want), got, want)
				}
			}
		}
	}

	// What the log holds itself needs no Elasticsearch; the rest is told to be missing.
	down, err := es.NewBaseClient(es.Config{Addresses: []string{"http://127.0.0.1:1"}, DisableRetry: true})
	if err != nil {
		t.Fatal(err)
	}
	alone := *merged
	alone.Elastic = &search.Elastic{Client: down, Index: index, Timeout: 5 * time.Second}
	for _, query := range []string{"", "failed", "| count", "| histogram 1s", "| count by host", "| sort host"} {
		for _, since := range []time.Time{{}, seam} {
			r := search.Request{Query: query, Since: since}
			var got []string
			_, err := alone.Search(context.Background(), r, func(doc []byte) error { got = append(got, string(doc)); return nil })
			if since.IsZero() != search.IsIncomplete(err) || since.IsZero() && !strings.Contains(err.Error(), "could not be asked") {
				t.Errorf("%q since %s: %v", query, since, err)
			}
			if want := documentsOf(t, merged.Local, r); !slices.Equal(got, want) {
				t.Errorf("%q since %s: %d results, want the %d of the log", query, since, len(got), len(want))
			}
		}
	}

	// An index that is not there yet holds nothing.
	none := *merged
	none.Elastic = &search.Elastic{Client: client, Index: cfg.DataStream.Name() + "-never", Lenient: true}
	if got := answers(t, &none, search.Request{Query: "| count"}); !slices.Equal(got, []string{fmt.Sprintf(`{"count":%d}`, young+late/2)}) {
		t.Error(got)
	}
}

// documentsOf returns what a search finds.
func documentsOf(t *testing.T, s search.Searcher, r search.Request) (list []string) {
	t.Helper()
	if _, err := s.Search(context.Background(), r, func(doc []byte) error { list = append(list, string(doc)); return nil }); err != nil {
		t.Error(err)
	}
	return list
}

// A collector that has lost its log finds by the HTTP API what it has delivered before,
// and while Elasticsearch is away what came since, and says so.
func TestACollectorAsksElasticsearchForWhatItsLogNoLongerHolds(t *testing.T) {
	cfg := stream(t)
	listen := proc.FreeAddr(t)
	text := func(host string) string {
		return fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n[[output]]\ntype = \"elasticsearch\"\nhosts = [%q]\ndata_stream = { dataset = %q, namespace = %q }\n",
			listen, host, cfg.DataStream.Dataset, cfg.DataStream.Namespace)
	}
	c := syslane.Start(t, "collector", text(string(cfg.Hosts[0])))
	send := func(word string, delivered float64) {
		t.Helper()
		conn, err := net.Dial("tcp", listen)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			fmt.Fprintf(conn, "<13>1 %s web1 app - - - %s %d\n", time.Now().UTC().Format(time.RFC3339Nano), word, i)
		}
		conn.Close()
		c.WaitFor(t, arrival, delivered, "syslane_output_delivered_messages_total")
	}
	send("before", 10)
	c.Shutdown(t)
	if err := os.RemoveAll(filepath.Join(c.State, "log")); err != nil {
		t.Fatal(err)
	}
	c.Restart(t)
	time.Sleep(2 * time.Millisecond) // the next message is of another millisecond than the log
	send("after", 10)
	if err := server(t).Do("POST", "/"+cfg.DataStream.Name()+"/_refresh", nil, nil); err != nil {
		t.Fatal(err)
	}
	ask := func(query, want string, wantStatus int) {
		t.Helper()
		out, err := exec.Command(syslane.Binary(t), "search", "--server", "http://"+c.HTTP, "--format", "json", query).CombinedOutput()
		status := 0
		if e, ok := err.(*exec.ExitError); ok {
			status = e.ExitCode()
		}
		if status != wantStatus || !strings.Contains(string(out), want) {
			t.Errorf("%q ends with %d:\n%s", query, status, out)
		}
	}
	ask("before or after | count", `{"count":20}`, 0)
	ask("before", `"before 9"`, 0)
	ask("after", `"after 0"`, 0)
	c.Shutdown(t)
	c.Reconfigure(t, text("http://127.0.0.1:1"))
	c.Restart(t)
	ask("before or after | count", "could not be asked for", 0)
	ask("before or after", `"after 9"`, 0)
	c.Shutdown(t)
	c.Reconfigure(t, text("http://127.0.0.1:1")+"[search.elasticsearch]\nenabled = false\n")
	c.Restart(t)
	ask("before or after | count", `{"count":10}`, 0)
}
