package rules

import (
	"fmt"
	"testing"

	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// While a backlog waits the log is made smaller than it, and larger, its segments,
// codec and durability change, the outputs change places, and one gets another name.
// Each collector has every message, once.
func TestABacklogIsDrainedThoughLogAndOutputsAreConfiguredAnew(t *testing.T) {
	links := []string{proc.FreeAddr(t), proc.FreeAddr(t)}
	listen := proc.FreeAddr(t)
	input := fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n", listen)
	output := func(name string, i int) string {
		return fmt.Sprintf("[[output]]\ntype = \"relp\"\nname = %q\ntargets = [%q]\n", name, links[i])
	}
	a, b := output("a", 0), output("b", 1)
	relay := syslane.Start(t, "relay", input+a+b+"[log]\ncodec = \"none\"\nsegment_size = \"1MiB\"\n")
	const count = 40_000
	syslane.Send(t, listen, numbered.New(count).Lines())
	relay.WaitFor(t, arrival, count, "syslane_log_stored_messages_total")
	m, err := relay.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f octets wait", m.Sum("syslane_log_size_octets"))
	for _, text := range []string{
		input + a + b + "[log]\nmax_size = \"4MiB\"\ncodec = \"none\"\n",
		b + a + input + "[log]\nmax_size = \"1GiB\"\ncodec = \"zstd\"\nsegment_size = \"64KiB\"\nsync = \"interval\"\n",
		input + b + output("renamed", 0) + "[log]\nmax_size = \"8MiB\"\ncodec = \"s2\"\nsync = \"os\"\n",
		input + output("renamed", 0) + b,
	} {
		relay.Shutdown(t)
		relay.Reconfigure(t, text)
		relay.Restart(t)
		m, err := relay.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range m.Values("syslane_output_retained_messages", "output") {
			if n := m.Sum("syslane_output_retained_messages", "output", name); n != count {
				t.Errorf("%v messages wait for %s, want %d; the configuration is\n%s", n, name, count, text)
			}
		}
	}
	var collectors []*syslane.Node
	for _, link := range links {
		collectors = append(collectors, syslane.Start(t, "collector", fmt.Sprintf("[[input]]\ntype = \"relp\"\nlisten = %q\n", link)))
	}
	relay.WaitUntilDrained(t, arrival)
	relay.Balance(t)
	for i, c := range collectors {
		c.WaitFor(t, arrival, count, "syslane_log_stored_messages_total")
		if n := len(numbersIn(t, c)); n != count {
			t.Errorf("collector %d has %d messages, want %d", i, n, count)
		}
	}
	relay.Shutdown(t)
}
