package spool

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSpansAreASetOfPositions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const size = 60
		s := cursorState{start: 1, position: 1}
		var passed [size]bool
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			from := rapid.Uint64Range(s.position, size-1).Draw(t, "from")
			to := rapid.Uint64Range(from, min(size-1, from+6)).Draw(t, "to")
			before := s
			if !s.pass(from, to) {
				if s != before || s.ahead.n != MaxSpans {
					t.Fatalf("refused with %d spans, and changed %v into %v", s.ahead.n, before, s)
				}
				continue
			}
			fresh := true
			for p := from; p < to; p++ {
				fresh = fresh && !passed[p]
				passed[p] = true
			}
			if from < to && before.fresh(from, to) != fresh {
				t.Fatalf("%d to %d is fresh: %v, in %v", from, to, !fresh, before)
			}
			at, count := uint64(1), uint64(0)
			for at < size && passed[at] {
				at++
			}
			for p := uint64(1); p < size; p++ {
				if passed[p] {
					count++
				}
				if want := p + 1 - 1 - count; s.open(p+1) != want {
					t.Fatalf("%d positions before %d are open, want %d: %v", s.open(p+1), p+1, want, s)
				}
			}
			if s.position != at || s.passed() != count {
				t.Fatalf("at %d with %d passed, want %d and %d: %v", s.position, s.passed(), at, count, s)
			}
			end := s.position
			for _, sp := range s.ahead.list() {
				if sp.From <= end || sp.To <= sp.From || slices.Contains(passed[sp.From:sp.To], false) {
					t.Fatalf("%v is no span of %v", sp, s)
				}
				end = sp.To
			}
			var left [size]bool
			for _, sp := range s.remaining() {
				for p := sp.From; p < min(sp.To, size); p++ {
					left[p] = true
				}
			}
			for p := range passed {
				if p > 0 && left[p] == passed[p] {
					t.Fatalf("%d is passed: %v, what remains is %v", p, passed[p], s.remaining())
				}
			}
			var again cursorState
			if err := again.decode(s.encode([16]byte{1}), [16]byte{1}); err != nil || again != s {
				t.Fatalf("%v is written and read as %v, %v", s, again, err)
			}
		}
	})
}

func TestACursorWithSpansSurvivesReopeningAndKeepsWhatIsBetween(t *testing.T) {
	l, disk := smallLog(t, func(c *Config) { c.MaxSize = 0 })
	c := mustCursor(t, l, "c")
	for range 100 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	for _, sp := range []Span{{41, 61}, {81, 101}} {
		if err := c.CommitSpan(sp.From, sp.To, Counts{Delivered: 19, Skipped: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.CommitSpan(60, 70, Counts{}); !errors.Is(err, ErrPosition) {
		t.Fatalf("a span that overlaps was committed: %v", err)
	}
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
	if l.retain(); l.Tail() != 1 {
		t.Fatalf("the tail is %d, and nothing before 41 has been passed", l.Tail())
	}
	cfg := l.cfg
	cfg.FS = disk
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	c = mustCursor(t, l, "c")
	if got := c.Ahead(); !slices.Equal(got, []Span{{41, 61}, {81, 101}}) || c.Position() != 1 {
		t.Fatalf("at %d, and %v", c.Position(), got)
	}
	if st := c.Status(); st.Ahead != 40 || st.Lag != 60 || st.Missing != 0 || st.Routed() != 100 {
		t.Fatalf("status %+v", st)
	}
	if views, err := l.View().Status(); err != nil || views.Cursors[0].Lag != 60 || views.Head != 101 {
		t.Fatalf("status %+v, %v", views, err)
	}
	if err := c.Commit(41, Counts{Delivered: 40}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.CommitSpan(61, 81, Counts{Delivered: 20}), c.Sync()); err != nil {
		t.Fatal(err)
	}
	if st := c.Status(); st.Position != 101 || st.Ahead != 0 || st.Lag != 0 || st.Missing != 0 || st.Delivered != 98 {
		t.Fatalf("status %+v", st)
	}
	if l.retain(); l.Tail() < 90 {
		t.Fatalf("the tail is %d, and all has been passed", l.Tail())
	}
}

func TestRewindDeliversAgainAlsoWhatWasPassedAhead(t *testing.T) {
	l, _ := smallLog(t, nil)
	c := mustCursor(t, l, "c")
	mustAppend(t, l, "1", "2", "3", "4", "5", "6")
	if err := errors.Join(c.Commit(3, Counts{Delivered: 2}), c.CommitSpan(5, 7, Counts{Delivered: 2}), c.Rewind(2)); err != nil {
		t.Fatal(err)
	}
	if st := c.Status(); st.Position != 2 || st.Ahead != 0 || st.Lag != 5 || st.Rewound != 3 || st.Missing != 0 {
		t.Fatalf("status %+v", st)
	}
}

func TestDropOldestDropsNothingThatWasPassedAhead(t *testing.T) {
	l, _ := smallLog(t, func(c *Config) { c.Full = FullDropOldest })
	c := mustCursor(t, l, "c")
	for range 20 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	if err := errors.Join(c.Commit(4, Counts{Delivered: 3}), c.CommitSpan(6, 11, Counts{Delivered: 5})); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		mustAppend(t, l, strings.Repeat("x", 500))
	}
	tail := l.Tail()
	if st := c.Status(); tail < 11 || st.Position != tail || st.Dropped != tail-1-8 || st.Delivered != 8 || st.Missing != 0 {
		t.Fatalf("tail %d, %+v", tail, st)
	}
}

func TestACursorOfALaterVersionIsRefusedByName(t *testing.T) {
	s := cursorState{start: 1, position: 5}
	s.pass(7, 9)
	b := s.encode([16]byte{})
	b[8] = cursorSpansVersion + 1
	mendCursor(b)
	if err := s.decode(append(b, "whatever it has"...), [16]byte{}); !errors.Is(err, ErrVersion) {
		t.Fatalf("got %v", err)
	}
}
