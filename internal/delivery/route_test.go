package delivery

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// routed makes a block of events, of which each is for the outputs of its route.
func routed(first uint64, routes ...syslog.Route) spool.Block {
	b := spool.Block{First: first, Count: len(routes)}
	for i, r := range routes {
		e := syslog.Event{Route: r, Message: syslog.Message{Timestamp: syslog.NoTimestamp, Raw: fmt.Appendf(nil, "event %d", first+uint64(i))}}
		b.Records = syslog.AppendRecord(b.Records, &e)
	}
	return b
}

func TestAnOutputIsHandedWhatIsForItAndNoRoute(t *testing.T) {
	all, mine, other, none := syslog.Route(nil), syslog.NewRoute("es", "out"), syslog.NewRoute("outer", "ou"), syslog.NewRoute()
	refused := &outputs.Rejected{Items: []outputs.Rejection{{Index: 2, Reason: "no"}}}
	log := newFakeLog(routed(1, other, all, none, mine, other, other, mine, other))
	out, dead := &scripted{answers: []error{errors.New("not now"), refused}}, new(letters)
	deliver(t, log, out, dead)
	if want := (spool.Counts{Delivered: 2, DeadLettered: 1, Skipped: 5}); log.totals != want || log.Position() != 9 {
		t.Errorf("totals are %+v, the cursor is at %d", log.totals, log.Position())
	}
	if dead.entries[0].Position != 7 {
		t.Errorf("the refused event has position %d, want 7", dead.entries[0].Position)
	}
	for i, want := range []string{"event 2", "event 4"} {
		var e syslog.Event
		if err := e.Decode([]byte(out.taken[i]), nil); err != nil || string(e.Raw) != want || e.Route != nil {
			t.Errorf("event %d is %q with the route %v, %v", i, e.Raw, e.Route, err)
		}
	}
}

func TestWhatIsOnlyForOthersNeverReachesTheOutput(t *testing.T) {
	log, out := newFakeLog(routed(1, syslog.NewRoute("a"), syslog.NewRoute()), routed(3, syslog.NewRoute("b"))), new(scripted)
	deliver(t, log, out, new(letters))
	if out.writes != 0 || log.totals != (spool.Counts{Skipped: 3}) {
		t.Errorf("%d writes, totals %+v", out.writes, log.totals)
	}
}

func TestPositionsAreThoseOfTheLogWhateverIsLeftOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mine := rapid.SliceOfN(rapid.Bool(), 1, 40).Draw(t, "mine")
		var routes []syslog.Route
		var want []uint64
		for i, is := range mine {
			routes = append(routes, syslog.NewRoute("other"))
			if is {
				routes[i] = syslog.NewRoute("out")
				want = append(want, 100+uint64(i))
			}
		}
		d := New(Config{Name: "out"})
		block := routed(100, routes...)
		b := &outputs.Batch{First: block.First, Next: block.First}
		d.add(b, &block)
		b.Gaps = d.gaps
		if b.Count != len(want) || b.Next != block.Next() || b.Position(b.Count) != b.Next || d.skipped != uint64(len(mine)-len(want)) {
			t.Fatalf("%+v, skipped %d of %v", b, d.skipped, mine)
		}
		for i, position := range want {
			if got := b.Position(i); got != position {
				t.Fatalf("event %d is at %d, want %d", i, got, position)
			}
		}
	})
}
