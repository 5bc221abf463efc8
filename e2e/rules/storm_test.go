package rules

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// sink is a syslog server, a line a message, that notes when each came.
type sink struct {
	addr string

	mu    sync.Mutex
	lines []string
	at    []time.Time
}

func startSink(t *testing.T) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	s := &sink{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.read(conn)
		}
	}()
	return s
}

func (s *sink) read(conn net.Conn) {
	defer conn.Close()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		s.mu.Lock()
		s.lines, s.at = append(s.lines, lines.Text()), append(s.at, time.Now())
		s.mu.Unlock()
	}
}

// have returns what came so far, and when.
func (s *sink) have() ([]string, []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines), slices.Clone(s.at)
}

// stormLine is what the storm consists of.
const stormLine = "<11>1 - stormy app 7 - - the same line again and again\n"

// storm writes n lines as fast as they are taken, and returns when all were read.
func storm(t *testing.T, addr string, n int) time.Duration {
	t.Helper()
	lines := []byte(strings.Repeat(stormLine, 10_000))
	start := time.Now()
	for ; n > 0; n -= 1_000_000 {
		part := min(n, 1_000_000)
		octets := make([]byte, 0, part*len(stormLine))
		for left := part; left > 0; left -= 10_000 {
			octets = append(octets, lines[:min(left, 10_000)*len(stormLine)]...)
		}
		syslane.Send(t, addr, octets)
	}
	return time.Since(start)
}

// stormEvents tells how many messages of the storm passed, how many events told of
// repeats, and of how many.
func stormEvents(t *testing.T, lines []string) (passed, events, repeats int) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(line, " stormy app 7 ") {
			continue
		}
		_, rest, told := strings.Cut(line, `[repeat@32473 count="`)
		if !told {
			passed++
			continue
		}
		digits, _, _ := strings.Cut(rest, `"`)
		n, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !strings.HasSuffix(line, "] the same line again and again") || !strings.HasPrefix(line, "<11>1 ") {
			t.Errorf("what tells of repeats is %q", line)
		}
		events++
		repeats += n
	}
	return passed, events, repeats
}

// speak has fifty hosts send a message each now and then until stop is closed, and
// returns how many were sent.
func speak(t *testing.T, addr, phase string, stop <-chan struct{}) (sent int) {
	const hosts = 50
	var all sync.WaitGroup
	var mu sync.Mutex
	for host := range hosts {
		all.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(40+host) * time.Millisecond):
				}
				if _, err := fmt.Fprintf(conn, "<14>1 - calm%d app - - - %s %d sent=%d\n", host, phase, i, time.Now().UnixNano()); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				sent++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return sent
}

// latencies returns how long the messages of a phase took to the sink, in order;
// each must have come once.
func latencies(t *testing.T, s *sink, phase string) (list []time.Duration) {
	t.Helper()
	lines, at := s.have()
	seen := make(map[string]bool)
	for i, line := range lines {
		if !strings.Contains(line, " "+phase+" ") {
			continue
		}
		_, digits, _ := strings.Cut(line, "sent=")
		sent, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if seen[line] {
			t.Errorf("%q came twice", line)
		}
		seen[line] = true
		list = append(list, at[i].Sub(time.Unix(0, sent)))
	}
	slices.Sort(list)
	return list
}

// One host repeats one line as fast as it is taken, while fifty others speak
// normally: they notice nothing, and of the storm there is one event and its count.
func TestAStormOfOneLineIsOneEventAndItsCount(t *testing.T) {
	s := startSink(t)
	listen := proc.FreeAddr(t)
	relay := syslane.Start(t, "relay", fmt.Sprintf(`
[dedupe]
window = "1h"
[[input]]
type = "tcp"
listen = %q
[[output]]
type = "syslog"
targets = [%q]
framing = "lf"
`, listen, s.addr))
	phase := func(name string, during func()) (list []time.Duration) {
		stop := make(chan struct{})
		go func() { defer close(stop); during() }()
		sent := speak(t, listen, name, stop)
		await.Until(t, arrival, "the messages of the calm hosts", func() error {
			if list = latencies(t, s, name); len(list) < sent {
				return fmt.Errorf("%d of %d are there", len(list), sent)
			}
			return nil
		})
		if len(list) != sent {
			t.Errorf("%d messages came of %d", len(list), sent)
		}
		return list
	}
	before := phase("before", func() { time.Sleep(2 * time.Second) })
	const count = 3_000_000
	var took time.Duration
	during := phase("during", func() { took = storm(t, listen, count) })
	half := func(l []time.Duration) time.Duration { return l[len(l)/2] }
	most := func(l []time.Duration) time.Duration { return l[len(l)*99/100] }
	t.Logf("%d lines in %v (%.0f a second); the others: %d messages, half of them within %v (before: %v), 99 %% within %v (before: %v)",
		count, took, count/took.Seconds(), len(during), half(during), half(before), most(during), most(before))
	// Who waits behind the storm waits for seconds. The bound is for a machine that has
	// other things to do; see the log for the figures.
	if half(during) > 3*half(before)+time.Second {
		t.Errorf("half of the messages took longer than %v, before the storm than %v", half(during), half(before))
	}

	if passed, events, _ := stormEvents(t, first(s.have())); passed != 1 || events != 0 {
		t.Errorf("%d messages of the storm passed and %d events tell of repeats, before the window closes", passed, events)
	}
	relay.Balance(t)
	// The counts of open windows are told at the end; they arrive after the next start.
	relay.Shutdown(t)
	relay.Restart(t)
	relay.WaitUntilDrained(t, arrival)
	await.Until(t, arrival, "the count of the storm", func() error {
		passed, events, repeats := stormEvents(t, first(s.have()))
		if passed != 1 || events != 1 || repeats != count-1 {
			return fmt.Errorf("%d passed, %d events tell of %d repeats", passed, events, repeats)
		}
		return nil
	})
	relay.Shutdown(t)
}

func first(lines []string, _ []time.Time) []string { return lines }

// The process is killed while a window is open. What it has suppressed was
// acknowledged, and is told by the next one, once.
func TestCountsOfRepeatsSurviveAKill(t *testing.T) {
	collector, addr := collect(t)
	listen := proc.FreeAddr(t)
	relay := syslane.Start(t, "relay", fmt.Sprintf(`
[[input]]
type = "tcp"
listen = %q
dedupe = { window = "1h" }
[[output]]
type = "relp"
targets = [%q]
`, listen, addr))
	const count, kills = 20_000, 3
	for range kills {
		storm(t, listen, count)
		relay.Balance(t)
		relay.Kill()
		relay.Restart(t)
	}
	await.Until(t, arrival, "the counts", func() error {
		passed, events, repeats := 0, 0, 0
		collector.Each(t, func(document []byte) error {
			_, rest, told := strings.Cut(string(document), `"repeat@32473":{"count":"`)
			if !told {
				passed++
				return nil
			}
			digits, _, _ := strings.Cut(rest, `"`)
			n, err := strconv.Atoi(digits)
			events++
			repeats += n
			return err
		})
		if passed != kills || events != kills || repeats != kills*(count-1) {
			return fmt.Errorf("%d passed, %d events tell of %d repeats", passed, events, repeats)
		}
		return nil
	})
	relay.Shutdown(t)
	collector.Balance(t)
}
