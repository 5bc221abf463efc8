package chaos

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

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
