package delivery

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// doubter takes a batch with the event at a position only once tells is true.
type doubter struct {
	position uint64
	tells    func(o *doubter) bool

	mu    sync.Mutex
	asked int
	last  uint64 // the highest position it was handed
	taken []uint64
}

func (o *doubter) Write(_ context.Context, b *outputs.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	o.last = max(o.last, b.Position(b.Count-1))
	if b.First <= o.position && o.position < b.Next && !o.tells(o) {
		return fmt.Errorf("position %d: %w", o.position, outputs.ErrCompany)
	}
	for i := range b.Count {
		o.taken = append(o.taken, b.Position(i))
	}
	return nil
}

func (o *doubter) Close() error { return nil }

// wait waits until f is true.
func (o *doubter) wait(t *testing.T, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		o.mu.Lock()
		ok, asked, taken := f(), o.asked, len(o.taken)
		o.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("it was asked %d times and has taken %d", asked, taken)
		}
	}
}

// again waits until it was asked a few times more.
func (o *doubter) again(t *testing.T) {
	t.Helper()
	until := 0
	o.wait(t, func() bool {
		if until == 0 {
			until = o.asked + 5
		}
		return o.asked >= until
	})
}

func TestABatchOfWhichOthersHaveToTellIsReadAgainWithThem(t *testing.T) {
	o := &doubter{position: 1, tells: func(o *doubter) bool { return o.last > 1 }}
	d := start(t, vfs.NewMem(), nil, func(c *Config) { c.Output, c.Interleave, c.BatchOctets = o, false, 1<<20 })
	add := func(routes ...syslog.Route) {
		t.Helper()
		b := routed(d.log.Head(), routes...)
		if _, err := d.log.Append(t.Context(), spool.Batch{Records: b.Records, Count: b.Count}); err != nil {
			t.Fatal(err)
		}
	}
	add(nil)
	o.again(t)
	// The one that tells is far behind, in a log of many outputs.
	others := make([]syslog.Route, 1000)
	for i := range others {
		others[i] = syslog.NewRoute("another")
	}
	for range maxSkipped/len(others) + 2 {
		add(others...)
	}
	o.again(t)
	if at := d.cursor.Position(); at != 1 {
		t.Errorf("the cursor has moved to %d", at)
	}
	add(nil)
	d.drained(t)
	st, head := d.cursor.Status(), d.log.Head()
	d.end(t)
	if want := []uint64{1, head - 1}; fmt.Sprint(o.taken) != fmt.Sprint(want) || st.Delivered != 2 || st.Missing != 0 {
		t.Errorf("taken are %d, want %d, %+v", o.taken, want, st)
	}
}

func TestAFullBatchOfWhichOthersHaveToTellIsReadAgainWithThemToo(t *testing.T) {
	one := routed(1, nil)
	o := &doubter{position: 1, tells: func(o *doubter) bool { return o.last > 2 }}
	d := start(t, vfs.NewMem(), nil, func(c *Config) { c.Output, c.Interleave, c.BatchOctets = o, false, 2*len(one.Records) })
	for at := range uint64(4) {
		b := routed(at+1, nil)
		if _, err := d.log.Append(t.Context(), spool.Batch{Records: b.Records, Count: b.Count}); err != nil {
			t.Fatal(err)
		}
	}
	d.drained(t)
	d.end(t)
}

func TestALaneGoesOnWhileTheOtherRests(t *testing.T) {
	// Of the log so much is the backlog, so much was delivered behind it, and so much is
	// to come.
	const backlog, delivered, fresh = 100, 200, 5
	for name, c := range map[string]struct{ position, others int }{
		"the backlog": {backlog, fresh},
		"the front":   {delivered + 1, backlog},
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			o := &doubter{position: uint64(c.position), tells: func(o *doubter) bool { return len(o.taken) >= c.others }}
			config := func(pause time.Duration) func(*Config) {
				return func(cfg *Config) {
					cfg.Output, cfg.Interleave, cfg.RetryMin, cfg.RetryMax, cfg.BatchOctets = o, false, pause, pause, 1<<20
				}
			}
			d := start(t, disk, nil, config(time.Millisecond))
			d.stop()
			<-d.done
			appendEvents(t, d.log, delivered)
			if err := d.cursor.CommitSpan(backlog+1, delivered+1, spool.Counts{Delivered: delivered - backlog}); err != nil {
				t.Fatal(err)
			}
			appendEvents(t, d.log, 1)
			if err := d.log.Close(); err != nil {
				t.Fatal(err)
			}
			d = start(t, disk, nil, config(time.Hour))
			o.wait(t, func() bool { return o.asked >= 2 })
			for i := 2; i <= fresh; i++ {
				if appendEvents(t, d.log, 1); c.position == backlog {
					o.wait(t, func() bool { return len(o.taken) == i })
				}
			}
			o.wait(t, func() bool { return len(o.taken) == c.others })
			d.end(t)
			d = start(t, disk, nil, config(time.Millisecond))
			d.drained(t)
			d.end(t)
			seen := map[uint64]bool{}
			for _, at := range o.taken {
				seen[at] = true
			}
			if want := backlog + fresh; len(seen) != want || len(o.taken) != want {
				t.Errorf("%d events were taken %d times, want %d", len(seen), len(o.taken), want)
			}
		})
	}
}
