package targets_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/outputtest"
	"github.com/syslane/syslane/outputs/targets"
)

// The limits of the lanes, as outputs have them where there are several targets, and
// what is promised of the group.
const (
	patience = 3 * time.Second
	promised = 5 * time.Second
)

var errStuck = errors.New("no answer")

// server is a target, and the lane to it, in the time of a bubble.
type server struct {
	targets.Silence
	mu sync.Mutex
	// frozen answers nothing; deaf answers checks and nothing else.
	frozen, deaf bool
	// slow is how long it takes for an answer to Write.
	slow   time.Duration
	got    map[uint64]int
	checks int
	// unsure are the events of Writes that failed: they may be at another too.
	unsure map[uint64]bool
	last   time.Time // of the last event
}

func (s *server) set(change func(*server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// answers waits for an answer after some time, for as long as limit.
func (s *server) answers(ctx context.Context, after, limit time.Duration, deaf bool) error {
	for began := time.Now(); time.Since(began) < limit; {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
		well := !s.frozen && !(deaf && s.deaf)
		s.mu.Unlock()
		if well && time.Since(began) >= after {
			return nil
		}
	}
	return errStuck
}

// lag is how late a busy machine notices that a server which hangs is silent.
const lag = 300 * time.Millisecond

// Write takes the events, and owns them where it answers.
func (s *server) Write(ctx context.Context, b *outputs.Batch) (int, error) {
	s.mu.Lock()
	slow, limit := s.slow, patience
	if s.frozen {
		limit -= lag
	}
	s.mu.Unlock()
	time.Sleep(patience - limit)
	s.Heard()
	defer s.End()
	err := s.answers(ctx, slow, limit, true)
	s.mu.Lock()
	defer s.mu.Unlock()
	run := b.Events
	for i := range b.Count {
		var record []byte
		record, run = syslog.NextRecord(run)
		var e syslog.Event
		if err := e.Decode(record, nil); err != nil {
			return 0, err
		}
		position := b.Position(i)
		if err != nil {
			// It has read half of them, and may store them when it goes on.
			if i < b.Count/2 {
				s.got[position]++
			}
			s.unsure[position] = true
			continue
		}
		s.got[position]++
		s.last = time.Now()
	}
	if err != nil {
		return 0, err
	}
	return b.Count, nil
}

func (s *server) Check(ctx context.Context) error {
	s.set(func(s *server) { s.checks++ })
	return s.answers(ctx, 0, time.Hour, false)
}

func (s *server) Remote() netip.Addr { return netip.Addr{} }
func (s *server) Renew()             {}
func (s *server) Close() error       { return nil }

// cluster is a group over servers, and a stream of batches through it.
type cluster struct {
	servers []*server
	group   *targets.Group
	stop    context.CancelFunc
	done    chan struct{}
	next    uint64 // position after the last event taken
}

func startCluster(t *testing.T, mode string, n int) *cluster {
	t.Helper()
	c := &cluster{done: make(chan struct{}), next: 1}
	lanes := make(map[string]*server)
	var list []string
	for i := range n {
		s := &server{got: make(map[uint64]int), unsure: make(map[uint64]bool)}
		c.servers = append(c.servers, s)
		list = append(list, fmt.Sprintf("192.0.2.%d:2514", i+1))
		lanes[list[i]] = s
	}
	g, err := targets.New(targets.Config{
		Output: "out", Targets: list, Mode: mode, Patience: patience,
		Open:    func(address string) targets.Lane { return lanes[address] },
		Refused: func(error) bool { return false },
		Logger:  zerolog.Nop(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.group = g
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	go func() {
		defer close(c.done)
		for ctx.Err() == nil {
			const each = 10
			b := outputtest.Batch(c.next, each)
			if g.Write(ctx, b) != nil {
				time.Sleep(time.Second) // the pause of the delivery
				continue
			}
			c.next += each
		}
	}()
	return c
}

// end stops the stream and checks that each event is at a server, at no server twice,
// and at two only where the first did not acknowledge it.
func (c *cluster) end(t *testing.T) {
	t.Helper()
	c.stop()
	<-c.done
	if err := c.group.Close(); err != nil {
		t.Error(err)
	}
	for p := uint64(1); p < c.next; p++ {
		acknowledged, stored := 0, 0
		for _, s := range c.servers {
			stored += s.got[p]
			if s.got[p] > 0 && !s.unsure[p] {
				acknowledged++
			}
		}
		if stored == 0 {
			t.Fatalf("event %d of %d is lost", p, c.next-1)
		}
		if acknowledged > 1 {
			t.Fatalf("event %d went to %d servers that acknowledged it", p, acknowledged)
		}
	}
}

// moved waits until the server gets an event, and returns how long that took.
func (c *cluster) moved(t *testing.T, i int) time.Duration {
	t.Helper()
	began := time.Now()
	for {
		s := c.servers[i]
		s.mu.Lock()
		at := s.last
		s.mu.Unlock()
		if at.After(began) {
			return time.Since(began)
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("server %d gets nothing for a minute", i)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *cluster) freeze(frozen bool, servers ...int) {
	for _, i := range servers {
		c.servers[i].set(func(s *server) { s.frozen = frozen })
	}
}

func inBubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// However many hang, only the first of them costs time.
func TestOfManyTargetsAllButOneOfWhichHangTheOneIsFoundInTime(t *testing.T) {
	for _, mode := range []string{targets.Failover, targets.Balance} {
		for n := 2; n <= 7; n++ {
			for well := range n {
				if mode == targets.Failover && well == 0 {
					continue // it is in use already
				}
				inBubble(t, fmt.Sprintf("%s, %d of %d", mode, well, n), func(t *testing.T) {
					c := startCluster(t, mode, n)
					c.moved(t, 0)
					// At any moment between two checks.
					time.Sleep(time.Duration(well*n) * 370 * time.Millisecond)
					var others []int
					for i := range n {
						if i != well {
							others = append(others, i)
						}
					}
					c.freeze(true, others...)
					began := time.Now()
					// The stream runs there when a whole batch has got through.
					before := c.servers[well].total()
					for c.servers[well].total() < before+100 {
						if time.Sleep(10 * time.Millisecond); time.Since(began) > time.Minute {
							t.Fatal("nothing gets through for a minute")
						}
					}
					if took := time.Since(began); took > promised-time.Second {
						t.Errorf("it took %s until messages went there", took)
					}
					c.freeze(false, others...)
					if took := c.moved(t, 0); took > promised {
						t.Errorf("it took %s until messages went to the first again", took)
					}
					c.end(t)
				})
			}
		}
	}
}

func (s *server) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.got)
}

func TestASlowTargetThatAnswersIsNotLeft(t *testing.T) {
	for _, mode := range []string{targets.Failover, targets.Balance} {
		inBubble(t, mode, func(t *testing.T) {
			c := startCluster(t, mode, 3)
			c.servers[0].set(func(s *server) { s.slow = patience - 100*time.Millisecond })
			if mode == targets.Balance {
				c.freeze(true, 1, 2) // else these take everything
				time.Sleep(promised)
			}
			before, others := c.servers[0].total(), c.servers[1].total()+c.servers[2].total()
			time.Sleep(time.Minute)
			if n := c.servers[0].total() - before; n < 150 {
				t.Errorf("it got %d events in a minute", n)
			}
			if n := c.servers[1].total() + c.servers[2].total() - others; n > 0 {
				t.Errorf("%d events went elsewhere", n)
			}
			c.freeze(false, 1, 2)
			c.end(t)
		})
	}
}

func TestATargetThatFailsAgainAndAgainIsUsedInTimeEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCluster(t, targets.Failover, 2)
		c.moved(t, 0)
		for range 5 {
			c.freeze(true, 0)
			if took := c.moved(t, 1); took > promised {
				t.Errorf("it took %s until it was left", took)
			}
			c.freeze(false, 0)
			if took := c.moved(t, 0); took > promised {
				t.Errorf("it took %s until it was used again", took)
			}
		}
		c.end(t)
	})
}

// A program that is stopped, but whose kernel takes connections, and one that works
// and hangs by turns must not hold up the messages for ever.
func TestATargetThatAnswersChecksAndNothingElseRestsForLongerEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCluster(t, targets.Failover, 2)
		c.servers[0].set(func(s *server) { s.deaf = true })
		time.Sleep(2 * time.Minute) // its rest is the longest by now
		before := c.servers[1].total()
		time.Sleep(5 * time.Minute)
		// A batch takes 10 ms where nothing hangs: at least four fifths of the time.
		if n := c.servers[1].total() - before; n < 5*60*1000*4/5 {
			t.Errorf("the other got %d events in five minutes", n)
		}
		c.end(t)
	})
}

func TestWhereNothingHangsChecksAreRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startCluster(t, targets.Failover, 3)
		time.Sleep(10 * time.Minute)
		for i, s := range c.servers {
			var n int
			s.set(func(s *server) { n = s.checks })
			if i == 0 && n > 0 || n > 10*60/5 {
				t.Errorf("server %d was checked %d times in ten minutes", i, n)
			}
		}
		c.end(t)
	})
}
