package soak

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// length is how long the load lasts; make soak asks for hours.
var length = flag.Duration("length", 15*time.Second, "how long the load of TestNothingGrows… lasts")

const (
	// share of the greatest rate is what the load is.
	share = 0.5
	// judged is how long a run must be for its figures to say that nothing grows:
	// before, caches and logs fill up.
	judged = 10 * time.Minute
	// logSize is how large a log may be. It is full after minutes, so that segments are
	// deleted all the time.
	logSize = 1 << 30
	// settled is within what time all has arrived once the load has ended.
	settled = 2 * time.Minute
)

func TestMain(m *testing.M) { syslane.Main(m) }

// Half of what relay and collector take at most comes by TCP, RELP and UDP, on
// connections that last, that end and that are reset, while someone searches. Nothing
// in the processes or on the disk grows from the second quarter of the time to the last,
// and what was sent is there, once.
func TestNothingGrowsUnderLoadWithConnectionsThatComeAndGo(t *testing.T) {
	inner, tcp, udp, relp := proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t)
	log := fmt.Sprintf("[log]\nmax_size = \"%dMiB\"\nsegment_size = \"64MiB\"\n", logSize>>20)
	collector := syslane.Start(t, "collector", fmt.Sprintf("[[input]]\ntype = \"relp\"\nlisten = %q\n%s", inner, log))
	relay := syslane.Start(t, "relay", fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n[[input]]\ntype = \"udp\"\nlisten = %q\n"+
		"[[input]]\ntype = \"relp\"\nlisten = %q\n[[output]]\ntype = \"relp\"\ntargets = [%q]\n%s", tcp, udp, relp, inner, log))

	messages, err := load.NewMessages(100_000, "")
	if err != nil {
		t.Fatal(err)
	}
	s := &senders{messages: messages, tcp: tcp, udp: udp, relp: relp}
	top := s.top(t, collector, min(*length/5, 30*time.Second))
	t.Logf("relay and collector take %.0f messages a second together; the load is %.0f for %v", top, share*top, *length)

	watched := []*watch{{node: relay}, {node: collector}}
	stop := s.start(t, share*top, collector)
	began := time.Now()
	for every := max(*length/480, 250*time.Millisecond); time.Since(began) < *length; time.Sleep(every) {
		for _, w := range watched {
			w.look(t, time.Since(began))
		}
	}
	stop()

	relay.WaitUntilDrained(t, settled)
	relay.Balance(t)
	certain, most := float64(s.certain.Load()), float64(s.certain.Load()+s.doubtful.Load())
	m, err := relay.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Sum("syslane_input_received_messages_total"); got < certain || got > most {
		t.Errorf("the relay received %.0f messages; from %.0f to %.0f were sent", got, certain, most)
	}
	for _, input := range []string{"tcp", "relp"} {
		if dropped := m.Sum("syslane_input_dropped_messages_total", "input", input); dropped != 0 {
			t.Errorf("the relay dropped %.0f messages that came by %s", dropped, input)
		}
	}
	if again := m.Sum("syslane_input_redelivered_messages_total"); again != 0 {
		t.Errorf("the relay took %.0f messages for ones that were sent again", again)
	}
	stored := m.Sum("syslane_log_stored_messages_total")
	collector.WaitFor(t, settled, stored, "syslane_log_stored_messages_total")
	collector.Balance(t)
	if m, err = collector.Metrics(); err != nil {
		t.Fatal(err)
	}
	if here := m.Sum("syslane_log_stored_messages_total"); here != stored {
		t.Errorf("the collector stored %.0f messages of the relay's %.0f", here, stored)
	}
	t.Logf("%.0f messages sent, and at most %.0f more on connections that were reset or in datagrams; %d connections, %d of them reset; %d searches",
		certain, most-certain, s.connections.Load(), s.resets.Load(), s.searches.Load())
	for _, w := range watched {
		t.Logf("%s\n%s", w.node.Role, w.table())
		if *length >= judged {
			w.judge(t)
		}
	}
}
