package e2e

import (
	"fmt"
	"testing"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
)

// While Elasticsearch is away, rsyslog delivers by RELP from a disk queue, and
// relay and collector are killed in turn under that load.
func TestNothingThatRsyslogTookIsLostWhenRelayAndCollectorAreKilledAndElasticsearchIsAway(t *testing.T) {
	listen := proc.FreeAddr(t)
	l := startLine(t, dataStream("outage"), fmt.Sprintf("[[input]]\ntype = \"relp\"\nname = \"hosts\"\nlisten = %q\n", listen))
	rsyslog := peers.StartRsyslog(t, peers.RsyslogConfig{
		Modules: `module(load="omrelp")`,
		Actions: peers.ForwardRELP(listen),
	})
	l.elastic.Stop(t)

	set := numbered.New(many)
	loggen := peers.StartLoggen(t, rsyslog.Input, set.Lines(), 10_000)
	const kills = 3
	for i := range kills {
		at := float64(many * (i + 1) / (kills + 2))
		l.relay.WaitFor(t, arrival, at, "syslane_log_stored_messages_total")
		l.relay.Kill()
		l.relay.Restart(t)
		l.collector.WaitFor(t, arrival, at+many/20, "syslane_log_stored_messages_total")
		l.collector.Kill()
		l.collector.Restart(t)
	}
	if err := loggen.Wait(arrival); err != nil {
		t.Fatal(err)
	}
	// Searching needs no Elasticsearch.
	l.collector.WaitFor(t, arrival, many, "syslane_log_stored_messages_total")
	await.Until(t, arrival, "every message in the log, while Elasticsearch is away", func() error {
		return l.inLog(t, set, numbered.RFC5424).AtLeastOnce()
	})

	// Elasticsearch comes back, and goes once more in the middle of the backlog,
	// as does the collector: what was written and not yet known to be is written
	// again, under the same _id.
	l.elastic.Start(t)
	l.collector.WaitFor(t, arrival, many/5, "syslane_output_delivered_messages_total", "output", "elasticsearch")
	l.collector.Kill()
	l.collector.Restart(t)
	l.collector.WaitFor(t, arrival, many/2, "syslane_output_delivered_messages_total", "output", "elasticsearch")
	l.elastic.Kill()
	l.elastic.Start(t)
	l.drained(t)
	log, elastic := l.inLog(t, set, numbered.RFC5424), l.inElasticsearch(t, set, numbered.RFC5424)
	// What rsyslog sends again the relay knows; between relay and collector, and on
	// the way to Elasticsearch, nothing doubles either.
	if err := log.ExactlyOnce(); err != nil {
		t.Errorf("in the log: %v", err)
	}
	if err := elastic.ExactlyOnce(); err != nil {
		t.Errorf("in Elasticsearch: %v", err)
	}
	l.relay.Balance(t)
	l.collector.Balance(t)
	l.relay.Shutdown(t)
	l.collector.Shutdown(t)
}

// drained waits until relay and collector hold nothing that an output has not
// taken.
func (l *line) drained(t *testing.T) {
	t.Helper()
	l.relay.WaitUntilDrained(t, arrival)
	l.collector.WaitUntilDrained(t, arrival)
}
