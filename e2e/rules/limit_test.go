package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// One host sends far more than it may; what was held back is in the account, and
// told by an event of the relay itself.
func TestALimitHoldsOneHostBackAndTellsOfIt(t *testing.T) {
	collector, addr := collect(t)
	listen := proc.FreeAddr(t)
	relay := syslane.Start(t, "relay", fmt.Sprintf(`
[[input]]
type = "tcp"
listen = %q
[[output]]
type = "relp"
targets = [%q]
[[limit]]
name = "chatty"
match = 'host == "host-03.example.org"'
by = ["host"]
rate = 0.001
burst = 100
`, listen, addr))
	const count = 7000 // of which each of seven hosts sends a thousand
	syslane.Send(t, listen, numbered.New(count).Lines())
	relay.Balance(t)
	m, err := relay.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Sum("syslane_input_limited_messages_total", "rule", "chatty"); got != 900 {
		t.Errorf("%v messages are counted as held back, want 900", got)
	}
	relay.Shutdown(t) // which tells what was not told yet
	relay.Restart(t)
	relay.WaitUntilDrained(t, arrival)
	await.Until(t, arrival, "what passed, and the event that tells of the rest", func() error {
		passed, told := 0, 0
		collector.Each(t, func(document []byte) error {
			switch text := string(document); {
			case strings.Contains(text, `"limit@32473":{"rule":"chatty","count":"900","keys":"1",`):
				told++
			case strings.Contains(text, "message number="):
				passed++
			default:
				return fmt.Errorf("a foreign document: %s", document)
			}
			return nil
		})
		if passed != count-900 || told != 1 {
			return fmt.Errorf("%d passed, told %d times", passed, told)
		}
		return nil
	})
	relay.Shutdown(t)
}
