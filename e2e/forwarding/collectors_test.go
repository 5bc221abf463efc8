package forwarding

import (
	"bytes"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// What is promised of a move, and how long the test waits to tell how late it is.
const (
	promised = 5 * time.Second
	soon     = 6 * promised
)

// A look at a collector takes a few milliseconds where the machine is free; what it
// takes beyond usual the machine was busy with something else. A message goes through
// as many programs as there are stages, each of which may have had to wait as long.
const (
	usual  = 100 * time.Millisecond
	stages = 3
)

// load is how many messages a second are sent.
const load = 4000

// collector is a collector behind a wire.
type collector struct {
	*syslane.Node
	wire *wire
}

// stored is how many messages its process has stored.
func (c *collector) stored() (float64, error) {
	m, err := c.Metrics()
	return m.Sum("syslane_input_stored_messages_total", "input", "link"), err
}

// gets waits until the collector has stored n more messages, and fails the test where
// that takes longer than promised by a machine that does nothing else.
func (c *collector) gets(t *testing.T, n float64, when string) {
	t.Helper()
	began := time.Now()
	before, err := c.stored()
	if err != nil {
		t.Fatal(err)
	}
	var withheld time.Duration
	last := began
	await.Until(t, soon, "messages "+when, func() error {
		now, err := c.stored()
		withheld += max(0, time.Since(last)-usual)
		last = time.Now()
		if err == nil && now < before+n {
			err = fmt.Errorf("%v of %v are there", now-before, n)
		}
		return err
	})
	took := last.Sub(began)
	t.Logf("%5.2f s until messages %s (%.2f s withheld by the machine)", took.Seconds(), when, withheld.Seconds())
	if took > promised+stages*withheld {
		t.Errorf("messages %s took %s, promised are %s", when, took, promised)
	}
}

// stream writes a set at a steady rate until it is stopped.
type stream struct {
	stop chan struct{}
	done chan int
}

func startStream(t *testing.T, addr string, set numbered.Set, rate int) *stream {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{stop: make(chan struct{}), done: make(chan int, 1)}
	lines := bytes.SplitAfter(set.Lines(), []byte("\n"))
	go func() {
		defer c.Close()
		n := 0
		defer func() { s.done <- n }()
		for tick := time.NewTicker(10 * time.Millisecond); n < set.Count; {
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
			next := min(n+rate/100, set.Count)
			if _, err := c.Write(bytes.Join(lines[n:next], nil)); err != nil {
				return
			}
			n = next
		}
	}()
	return s
}

// end stops writing and returns how many messages were written.
func (s *stream) end() int {
	close(s.stop)
	return <-s.done
}

// Three collectors, each stopped, killed, frozen and cut off in turn under load.
func TestEachOfThreeCollectorsMayFail(t *testing.T) {
	for _, mode := range []string{"failover", "balance"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			var collectors []*collector
			var targets []string
			for range 3 {
				link := proc.FreeAddr(t)
				c := &collector{
					Node: syslane.Start(t, "collector", fmt.Sprintf("[[input]]\ntype = \"relp\"\nname = \"link\"\nlisten = %q\n", link)),
					wire: newWire(t, link),
				}
				collectors = append(collectors, c)
				targets = append(targets, fmt.Sprintf("%q", c.wire.addr))
			}
			node, input := relay(t, fmt.Sprintf("type = \"relp\"\ntargets = [%s, %s, %s]\nmode = %q", targets[0], targets[1], targets[2], mode))
			set := numbered.New(600_000)
			sending := startStream(t, input, set, load)

			const running = load / 10 // so many are more than one batch under way
			for i, c := range collectors {
				// In failover only the first that works is in use.
				var resting []*collector
				other := collectors[(i+1)%3]
				if mode == "failover" {
					resting = collectors[:i]
					other = nil
					if i < 2 {
						other = collectors[i+1]
					}
				}
				for _, r := range resting {
					r.Freeze()
				}
				c.gets(t, running, fmt.Sprintf("at collector %d", i))
				for _, fault := range []struct {
					name         string
					break_, mend func()
				}{
					{"stopped", func() { c.Shutdown(t) }, func() { c.Restart(t) }},
					{"killed", func() { c.Kill() }, func() { c.Restart(t) }},
					{"frozen", func() { c.Freeze() }, func() { c.Thaw() }},
					{"cut off", c.wire.cut, c.wire.mend},
				} {
					fault.break_()
					if other != nil {
						other.gets(t, running, fmt.Sprintf("elsewhere after collector %d was %s", i, fault.name))
					}
					fault.mend()
					c.gets(t, running, fmt.Sprintf("at collector %d again after it was %s", i, fault.name))
				}
				for _, r := range resting {
					r.Thaw()
				}
			}

			// Two hang at once, in balance too, where what they had waits for them.
			collectors[0].Freeze()
			collectors[1].Freeze()
			collectors[2].gets(t, load, "at the last while the others are frozen")
			collectors[0].Thaw()
			collectors[1].Thaw()
			collectors[0].gets(t, running, "at the first again")

			// The backlog moves too: all are away, one comes back.
			for _, c := range collectors {
				c.wire.cut()
			}
			time.Sleep(2 * time.Second) // what arrives meanwhile is the backlog
			collectors[1].wire.mend()
			collectors[1].gets(t, load, "at the only collector left")
			sent := sending.end()
			node.WaitUntilDrained(t, arrival)
			node.Balance(t)
			node.Shutdown(t)
			for _, c := range []*collector{collectors[0], collectors[2]} {
				c.wire.mend()
			}
			union(t, collectors, set, sent)
		})
	}
}

// union checks that the collectors together hold the first sent messages of the
// set, none of them as two events, and no collector one twice.
func union(t *testing.T, collectors []*collector, set numbered.Set, sent int) {
	t.Helper()
	ids := make([]string, sent)
	shared := 0
	for i, c := range collectors {
		here := make(map[string]bool)
		c.Each(t, func(document []byte) error {
			d, err := numbered.Decode(document)
			if err != nil {
				return err
			}
			n, err := numbered.Number(d.Message)
			switch {
			case err != nil:
				return err
			case n >= sent || d.Message != set.At(n).Text:
				t.Errorf("foreign document %s", document)
			case here[d.Event.ID]:
				t.Errorf("collector %d has message %d twice", i, n)
			case ids[n] == d.Event.ID:
				shared++
			case ids[n] != "":
				t.Errorf("message %d is two events, %s and %s", n, ids[n], d.Event.ID)
			default:
				ids[n] = d.Event.ID
			}
			here[d.Event.ID] = true
			return nil
		})
		t.Logf("collector %d has %d events", i, len(here))
	}
	lost := 0
	for _, id := range ids {
		if id == "" {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d messages are lost", lost, sent)
	}
	t.Logf("%d messages, %d of them at two collectors, under one id each", sent, shared)
}
