package chaos

import (
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
)

// resume fails the test for each collector that gives Elasticsearch nothing within
// recovery, though all faults have ended and messages come in.
func resume(t testing.TB, c *cluster, since time.Time) {
	t.Helper()
	delivered := func(n *node) (float64, error) {
		m, err := n.syslane().Metrics()
		return m.Sum("syslane_output_delivered_messages_total", "output", "elasticsearch"), err
	}
	var all sync.WaitGroup
	for _, n := range c.collectors {
		all.Go(func() {
			first := -1.0
			err := await.Nil(time.Until(since.Add(recovery)), func() error {
				now, err := delivered(n)
				switch {
				case err != nil:
					return err
				case first < 0:
					first = now
				case now > first:
					return nil
				}
				return fmt.Errorf("it has %.0f of it", now)
			})
			if err != nil {
				t.Errorf("within %v of the last fault Elasticsearch gets nothing from %s: %v", recovery, n.name, err)
				return
			}
			t.Logf("%s gave Elasticsearch messages %v after the last fault", n.name, time.Since(since).Round(100*time.Millisecond))
		})
	}
	all.Wait()
}

// silent is how long an agent's newest message may take, in the calm after the faults,
// before nothing of the agent is said to arrive at all.
const silent = 10 * time.Second

// listen fails the test for each agent of which nothing arrives now though it is given
// rate messages a second, and keeps what tells whose fault that is: the connections on
// both ends, and in what the agent's threads are.
func listen(t testing.TB, c *cluster, seen *observer, rate int) {
	t.Helper()
	for _, a := range c.agents {
		given, heard := a.given.Load(), seen.heard(a.name)
		if given-heard < int64(rate)*int64(silent/time.Second) {
			continue
		}
		t.Errorf("%s: nothing after number %d of %d arrives, though all faults have ended", a.name, heard, given)
		for _, h := range c.hosts() {
			if h == a.host || c.nodeAt(h) != nil && strings.HasPrefix(h.name, "relay") {
				t.Logf("connections at %s:\n%s", h.name, output("ip", "netns", "exec", h.namespace(), "ss", "-tanpoie"))
			}
		}
		t.Logf("threads of %s:\n%s", a.name, output("sh", "-c", fmt.Sprintf(
			"for t in /proc/%d/task/*; do echo; cat $t/comm; cat $t/wchan; echo; cat $t/stack; done", a.proc().PID())))
	}
}

// output is what a command prints, and how it ends where it fails.
func output(command ...string) string {
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v", out, err)
	}
	return string(out)
}
