package elasticsearch

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
)

// An outage leaves a backlog of 200,000 messages. Those that come when it is over
// are found while the backlog is still being delivered, also across a kill, and
// each makes one document.
func TestNewMessagesAreFoundWhileTheBacklogOfAnOutageDrains(t *testing.T) {
	es := server(t)
	target, err := url.Parse(es.URL)
	if err != nil {
		t.Fatal(err)
	}
	const backlog, fresh, rounds = 200_000, 250, 3
	dataset := "syslane_catchup" + run
	stream, front := "logs-"+dataset+"-e2e", proc.FreeAddr(t)
	l := startLine(t, backlog+rounds*fresh, fmt.Sprintf(`
hosts = ["http://%s"]
data_stream = { dataset = %q, namespace = "e2e" }
workers = 1
`, front, dataset))
	l.sendPart(t, 0, backlog)
	l.collector.WaitFor(t, arrival, backlog, "syslane_log_stored_messages_total")
	l.failing(t, "a server that is not there")

	listener, err := net.Listen("tcp", front)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	back := &http.Server{Handler: proxy}
	go back.Serve(listener)
	defer back.Close()
	retained := func() float64 {
		m, err := l.collector.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		return m.Sum("syslane_output_retained_messages", "output", "es")
	}
	between := 0
	for round := range rounds {
		l.delivered(t, 0.05*float64(round+1))
		if round == 1 {
			l.bounce(t)
		}
		from := backlog + round*fresh
		sent := time.Now()
		l.sendPart(t, from, from+fresh)
		await.Until(t, arrival, "what was sent after the outage", func() error {
			if err := es.Do("POST", "/"+stream+"/_refresh", nil, nil); err != nil {
				return err
			}
			var answer struct{ Count int }
			query := fmt.Sprintf("@timestamp:[%q TO %q]", l.set.At(from).Time.Format(time.RFC3339Nano), l.set.At(from+fresh-1).Time.Format(time.RFC3339Nano))
			if err := es.Do("GET", "/"+stream+"/_count?q="+url.QueryEscape(query), nil, &answer); err != nil {
				return err
			}
			if answer.Count != fresh {
				return fmt.Errorf("%d of %d are there", answer.Count, fresh)
			}
			return nil
		})
		left := retained()
		t.Logf("found after %v, with %.0f of the backlog to come", time.Since(sent).Round(time.Millisecond), left)
		if left > 0 {
			between++
		}
	}
	if between == 0 {
		t.Error("new messages were found behind the backlog only")
	}
	l.exactlyOnce(t, es, stream)
}
