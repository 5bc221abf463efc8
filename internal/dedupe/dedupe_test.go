package dedupe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

func fields() (list []func(*match.Message) string) {
	for _, name := range DefaultFields {
		list = append(list, match.Text(name))
	}
	return list
}

func event(source, raw string) *syslog.Event {
	e := &syslog.Event{Source: netip.MustParseAddrPort(source)}
	e.Raw = []byte(raw)
	parser.Parse(&e.Message, &parser.Options{Received: time.Now()})
	return e
}

// world is a table with the account of what it said.
type world struct {
	table *Table
	now   time.Time
	m     match.Message
	// passed and counted are messages by what they are, told the counts of closed
	// windows that were added to durably.
	passed, counted, told map[string]uint64
	durable               map[*Window]uint64
	of                    map[*Window]string
}

func newWorld(c Config) *world {
	c.Fields = fields()
	return &world{table: New(c), now: time.Unix(1_800_000_000, 0), passed: map[string]uint64{}, counted: map[string]uint64{},
		told: map[string]uint64{}, durable: map[*Window]uint64{}, of: map[*Window]string{}}
}

func (w *world) expire(now time.Time) {
	for _, closed := range w.table.Expire(now) {
		w.told[w.of[closed]] += w.durable[closed]
		delete(w.durable, closed)
	}
}

// submit sends messages in one batch, each named by source, host and text.
func (w *world) submit(stored bool, messages ...[3]string) (passed []bool) {
	b := NewBatch(w.now)
	counts := make(map[string]uint64)
	for _, n := range messages {
		e := event(n[0], fmt.Sprintf("<13>1 - %s app - - - %s", n[1], n[2]))
		w.m.Reset(e)
		r := w.table.Repeats(b, &w.m, e)
		passed = append(passed, r == nil)
		name := fmt.Sprint(n)
		if r != nil {
			w.of[r.Window] = name
			counts[name]++
		} else if stored {
			w.passed[name]++
		}
	}
	if stored {
		for _, r := range b.Repeats {
			w.durable[r.Window] += r.Count
			w.counted[w.of[r.Window]] += r.Count
		}
	}
	b.Done(stored)
	return passed
}

func TestTheFirstPassesAndTheRestIsCounted(t *testing.T) {
	w := newWorld(Config{Window: 10 * time.Second})
	a := [3]string{"192.0.2.7:514", "web1", "x"}
	if p := w.submit(true, a, a, a); !p[0] || p[1] || p[2] {
		t.Errorf("passed: %v", p)
	}
	w.now = w.now.Add(9 * time.Second)
	if p := w.submit(true, a); p[0] {
		t.Error("a repeat passed")
	}
	w.expire(w.now)
	if len(w.told) != 0 {
		t.Error("told before the window closed")
	}
	w.now = w.now.Add(2 * time.Second)
	if p := w.submit(true, a); !p[0] {
		t.Error("the first of the next window did not pass")
	}
	w.expire(w.now)
	if w.told[fmt.Sprint(a)] != 3 {
		t.Errorf("told: %v", w.told)
	}
}

func TestRepeatsWaitForTheirFirst(t *testing.T) {
	for _, stored := range []bool{true, false} {
		table := New(Config{Window: time.Minute, Fields: fields()})
		var m match.Message
		e := event("192.0.2.7:514", "<13>1 - web1 app - - - x")
		m.Reset(e)
		first, second := NewBatch(time.Now()), NewBatch(time.Now())
		if table.Repeats(first, &m, e) != nil || table.Repeats(second, &m, e) == nil {
			t.Fatal("the second message is no repeat of the first")
		}
		second.Done(true)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := second.Wait(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Wait returned %v before the first was done", err)
		}
		first.Done(stored)
		if err := second.Wait(t.Context()); (err == nil) != stored || err != nil && !errors.Is(err, ErrFirstLost) {
			t.Errorf("stored %v: %v", stored, err)
		}
		third := NewBatch(time.Now())
		if passes := table.Repeats(third, &m, e) == nil; passes == stored {
			t.Errorf("after the first was stored %v the third passes %v", stored, passes)
		}
		third.Done(true)
	}
}

func TestARepeatPassesWhereThereIsNoRoomForWhatItIs(t *testing.T) {
	table := New(Config{Window: time.Minute, Fields: fields()})
	var m match.Message
	repeats := func(b *Batch, text string) bool {
		e := event("192.0.2.7:514", "<13>1 - web1 app - - - "+text)
		m.Reset(e)
		return table.Repeats(b, &m, e) != nil
	}
	room := 1
	describe := func(*syslog.Event) ([]byte, bool) {
		room--
		return []byte("x"), room >= 0
	}
	first := NewBatch(time.Now())
	first.Describe = describe
	if repeats(first, "a") || repeats(first, "b") || !repeats(first, "a") || !repeats(first, "a") {
		t.Error("repeats are not known while there is room")
	}
	if repeats(first, "b") {
		t.Error("a repeat is counted that nothing will tell of")
	}
	first.Undo() // the window of b is that of its first message, which stays
	first.Done(true)
	second := NewBatch(time.Now())
	second.Describe = describe
	if !repeats(second, "a") {
		t.Error("a repeat of what is described passes")
	}
	if room = 1; !repeats(second, "b") {
		t.Error("a repeat passes though there is room again")
	}
	second.Done(true)
	if n := len(table.Expire(time.Time{})); n != 2 {
		t.Errorf("%d windows have something to tell, want 2", n)
	}
}

// Whatever comes in whatever order, from however many hosts, with batches that fail
// and tables far too small: what was stored and what was told is what came.
func TestTheCountsAddUp(t *testing.T) {
	sources := []string{"192.0.2.7:514", "192.0.2.7:600", "192.0.2.8:514", "[2001:db8::1]:514"}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(Config{Window: 10 * time.Second, MaxWindows: rapid.IntRange(1, 6).Draw(t, "windows"), MaxRepeats: rapid.IntRange(1, 3).Draw(t, "repeats")})
		came := make(map[string]uint64)
		for range rapid.IntRange(1, 40).Draw(t, "batches") {
			var messages [][3]string
			stored := rapid.IntRange(0, 4).Draw(t, "stored") > 0
			for range rapid.IntRange(1, 12).Draw(t, "messages") {
				n := [3]string{rapid.SampledFrom(sources).Draw(t, "source"), rapid.SampledFrom([]string{"web1", "web2", "-"}).Draw(t, "host"),
					rapid.SampledFrom([]string{"x", "y"}).Draw(t, "text")}
				messages = append(messages, n)
				if stored {
					came[n[0][:len(n[0])-4]+n[1]+n[2]]++
				}
			}
			w.submit(stored, messages...)
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "pause")) * time.Millisecond)
			w.expire(w.now)
			if n := w.table.open.len(); n > 6 {
				t.Fatalf("%d windows are open", n)
			}
		}
		w.expire(time.Time{})
		// What is told under one name may not be another's: names with two ports
		// of one source are one.
		got := make(map[string]uint64)
		for _, side := range []map[string]uint64{w.passed, w.told} {
			for name, n := range side {
				var source, host, text string
				fmt.Sscanf(name, "[%s %s %s", &source, &host, &text)
				got[source[:len(source)-4]+host+text[:1]] += n
			}
		}
		for name, n := range came {
			if got[name] != n {
				t.Fatalf("of %s came %d, passed and told are %d: %v", name, n, got[name], got)
			}
		}
		if len(w.durable) != 0 {
			t.Fatalf("%d counts were never told", len(w.durable))
		}
	})
}

func BenchmarkRepeats(b *testing.B) {
	var m match.Message
	run := func(name string, next func(i int) *syslog.Event) {
		b.Run(name, func(b *testing.B) {
			table := New(Config{Window: time.Minute, Fields: fields()})
			b.ReportAllocs()
			batch := NewBatch(time.Now())
			for i := range b.N {
				if i%1000 == 0 {
					batch.Done(true)
					batch = NewBatch(time.Now())
					table.Expire(time.Now())
				}
				e := next(i)
				m.Reset(e)
				table.Repeats(batch, &m, e)
			}
		})
	}
	same := event("192.0.2.7:514", "<13>1 - web1 app - - - the same line again and again")
	run("a storm", func(int) *syslog.Event { return same })
	var events []*syslog.Event
	for i := range 1 << 17 {
		events = append(events, event("192.0.2.7:514", fmt.Sprintf("<13>1 - web1 app - - - line number %d", i)))
	}
	run("nothing repeats", func(i int) *syslog.Event { return events[i%len(events)] })
}
