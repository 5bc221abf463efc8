package chaos

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
)

// resumption is how long after the last fault a collector may give Elasticsearch
// nothing, and Elasticsearch have nothing new of an agent. It is more than recovery: just
// started, on two processors with nine machines, it may take seconds for a request.
const resumption = 90 * time.Second

// resume fails the test for each collector that gives Elasticsearch nothing within
// resumption, though all faults have ended and messages come in, and for each agent of
// which Elasticsearch has nothing new by then: a backlog does not hold up what is new.
func resume(t testing.TB, c *cluster, since time.Time) {
	t.Helper()
	var all sync.WaitGroup
	wait := func(what string, f func() error) {
		all.Go(func() {
			next := time.Now()
			err := await.Nil(time.Until(since.Add(resumption)), func() error {
				// To ask is work for a machine that has enough.
				time.Sleep(time.Until(next))
				next = time.Now().Add(time.Second)
				return f()
			})
			if err != nil {
				t.Errorf("not within %v of the last fault: %s: %v", resumption, what, err)
				return
			}
			t.Logf("%v after the last fault: %s", time.Since(since).Round(100*time.Millisecond), what)
		})
	}
	for _, n := range c.collectors {
		before := -1.0
		wait("Elasticsearch takes what "+n.name+" has", func() error {
			m, err := n.syslane().Metrics()
			if err != nil {
				return err
			}
			now := m.Sum("syslane_output_delivered_messages_total", "output", "elasticsearch")
			if before < 0 {
				before = now
			}
			if now == before {
				return fmt.Errorf("it has %.0f of it", now)
			}
			return nil
		})
	}
	for _, a := range c.agents {
		wait("Elasticsearch has new messages of "+a.name, func() error {
			var found struct{ Count int }
			err := c.elastic.Do("POST", "/"+index+"/_count", map[string]any{"query": map[string]any{"bool": map[string]any{"filter": []any{
				map[string]any{"term": map[string]any{"host.name": a.name}},
				map[string]any{"range": map[string]any{"@timestamp": map[string]any{"gte": since}}},
			}}}}, &found)
			if err == nil && found.Count == 0 {
				err = errors.New("there is none")
			}
			return err
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
