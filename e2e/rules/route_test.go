package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// arrival is how long messages may take to get where they have to.
const arrival = 2 * time.Minute

func TestMain(m *testing.M) { syslane.Main(m) }

// collect starts a collector and returns it with the address of its RELP input.
func collect(t *testing.T) (*syslane.Node, string) {
	t.Helper()
	listen := proc.FreeAddr(t)
	return syslane.Start(t, "collector", fmt.Sprintf("[[input]]\ntype = \"relp\"\nlisten = %q\n", listen)), listen
}

// numbersIn returns the numbers of the messages in a collector's log, each of
// which must be there once.
func numbersIn(t *testing.T, n *syslane.Node) map[int]bool {
	t.Helper()
	numbers := make(map[int]bool)
	n.Each(t, func(document []byte) error {
		d, err := numbered.Decode(document)
		if err != nil {
			return err
		}
		number, err := numbered.Number(d.Message)
		if err != nil {
			return err
		}
		if numbers[number] {
			return fmt.Errorf("message %d is there twice", number)
		}
		numbers[number] = true
		return nil
	})
	return numbers
}

func routed(n int, m numbered.Message) (archive, pager bool) {
	switch {
	case m.Facility == 2: // dropped
		return false, false
	case m.Severity <= 2:
		return true, true
	}
	return m.App != "app-3", m.App == "app-3"
}

// Two collectors take what is for each, over the link; the relay is killed in the
// middle, comes back with its outputs in another order, and nothing is aimed at
// another output than before, lost, or there twice.
func TestRoutesReachTheirOutputsAcrossCrashesAndOutputsInAnotherOrder(t *testing.T) {
	archive, archiveAddr := collect(t)
	pager, pagerAddr := collect(t)
	listen := proc.FreeAddr(t)
	output := func(name, addr string) string {
		return fmt.Sprintf("[[output]]\ntype = \"relp\"\nname = %q\ntargets = [%q]\n", name, addr)
	}
	first, second := output("archive", archiveAddr), output("pager", pagerAddr)
	rest := fmt.Sprintf(`
[[input]]
type = "tcp"
listen = %q
[[route]]
name = "mail"
match = 'facility == mail'
drop = true
[[route]]
match = 'severity <= crit'
to = ["pager"]
continue = true
[[route]]
match = 'app == "app-3" and severity > crit'
to = ["pager"]
[[route]]
to = ["archive"]
`, listen)
	relay := syslane.Start(t, "relay", first+second+rest)
	const count = 40_000
	set := numbered.New(count)
	lines := set.Lines()
	// What is for the archive waits, so that the kill is in the middle.
	archive.Freeze()
	syslane.Send(t, listen, lines)
	pager.WaitFor(t, arrival, 1, "syslane_log_stored_messages_total")
	relay.Balance(t)
	if m, err := relay.Metrics(); err != nil || m.Sum("syslane_output_retained_messages", "output", "archive") == 0 {
		t.Errorf("nothing waits for the archive: %v", err)
	}
	relay.Kill()
	archive.Thaw()
	relay.Reconfigure(t, second+first+rest)
	relay.Restart(t)
	relay.WaitUntilDrained(t, arrival)

	wantArchive, wantPager := make(map[int]bool), make(map[int]bool)
	for n := range count {
		toArchive, toPager := routed(n, set.At(n))
		if toArchive {
			wantArchive[n] = true
		}
		if toPager {
			wantPager[n] = true
		}
	}
	f := func(node *syslane.Node, name string, want map[int]bool) {
		t.Helper()
		await.Until(t, arrival, "what is for the "+name, func() error {
			if got := len(numbersIn(t, node)); got < len(want) {
				return fmt.Errorf("%d of %d messages are there", got, len(want))
			}
			return nil
		})
		got := numbersIn(t, node)
		for n := range got {
			if !want[n] {
				t.Fatalf("message %d came to the %s", n, name)
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d messages came to the %s, want %d", len(got), name, len(want))
		}
		node.Balance(t)
	}
	f(archive, "archive", wantArchive)
	f(pager, "pager", wantPager)
	relay.Balance(t)
	relay.Shutdown(t)
}
