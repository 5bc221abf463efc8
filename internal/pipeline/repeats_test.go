package pipeline

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/spool"
)

// repeatTable looks for repeats within a minute.
func repeatTable() *dedupe.Table {
	var fields []func(*match.Message) string
	for _, name := range dedupe.DefaultFields {
		fields = append(fields, match.Text(name))
	}
	return dedupe.New(dedupe.Config{Window: time.Minute, Fields: fields})
}

// flush makes p tell all it has to tell.
func flush(t *testing.T, p *Pipeline) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Run(ctx)
}

// repeated returns the counts that events of the log tell, by text, and how many
// events tell none.
func repeated(t *testing.T, log *memoryLog) (counts map[string]int, plain int) {
	t.Helper()
	counts = make(map[string]int)
	for _, e := range log.events(t) {
		var m match.Message
		m.Reset(&e)
		if !m.Element(RepeatID) {
			plain++
			continue
		}
		n, err := strconv.Atoi(match.Text(`sd["` + RepeatID + `"]["count"]`)(&m))
		if err != nil {
			t.Fatal(err)
		}
		counts[string(e.Field(e.Text))] += n
	}
	return counts, plain
}

func TestRepeatsAreToldByOneEventWithTheirHeader(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Dedupe: Dedupe{Default: repeatTable()}})
	const message = "<36>1 2026-03-04T05:06:0%dZ web1 su 77 ID9 [a@1 k=\"v\"] no"
	for i := range 3 {
		if err := p.Submit(t.Context(), batchOf(fmt.Sprintf(message, 3*i), fmt.Sprintf(message, 3*i+1))); err != nil {
			t.Fatal(err)
		}
	}
	balanced(t, p, "edge")
	if n := len(log.events(t)); n != 1 {
		t.Fatalf("%d events are stored before the window closes", n)
	}
	flush(t, p)
	flush(t, p)
	events := log.events(t)
	if len(events) != 2 {
		t.Fatalf("%d events are stored, want the first and one that tells of the rest", len(events))
	}
	e := events[1]
	want := `<36>1 2026-03-04T05:06:07Z web1 su 77 ID9 [repeat@32473 count="5" first="2026-03-04T05:06:01Z" last="2026-03-04T05:06:07Z"] no`
	if string(e.Raw) != want {
		t.Errorf("it is\n%s, want\n%s", e.Raw, want)
	}
	if e.Source != events[0].Source || e.Input != "edge" || e.ID == events[0].ID || e.Time().Second() != 7 {
		t.Errorf("its envelope is %v %q, time %v", e.Source, e.Input, e.Time())
	}
	if n := testutil.ToFloat64(p.metrics.generated.WithLabelValues("repeat")); n != 1 {
		t.Errorf("%v messages are counted as generated", n)
	}
}

func TestCountsOfAcknowledgedRepeatsSurviveACrash(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Dedupe: Dedupe{Default: repeatTable()}})
	const message = "<36>1 - web1 su - - - no"
	for range 4 {
		if err := p.Submit(t.Context(), batchOf(message, message, "<36>1 - web1 su - - - yes")); err != nil {
			t.Fatal(err)
		}
	}
	// What the next process finds: the notes, or half of them and a checkpoint.
	for _, cut := range []int{0, 2, len(log.batches)} {
		streams := NewStreams()
		before := NewStreams()
		for _, b := range log.batches[:cut] {
			if err := before.Note(b.Note); err != nil {
				t.Fatal(err)
			}
		}
		if err := streams.Restore(before.Checkpoint()); err != nil {
			t.Fatal(err)
		}
		for _, b := range log.batches[cut:] {
			if err := streams.Note(b.Note); err != nil {
				t.Fatal(err)
			}
		}
		after := &memoryLog{streams: streams}
		next := New(Config{Log: after, Streams: streams})
		flush(t, next)
		counts, plain := repeated(t, after)
		if plain != 0 || counts["no"] != 7 || counts["yes"] != 3 {
			t.Errorf("after %d batches in the checkpoint it is told: %v, and %d other events", cut, counts, plain)
		}
		flush(t, next)
		if again, _ := repeated(t, after); again["no"] != 7 || len(streams.repeats.ids()) != 0 {
			t.Errorf("told twice: %v", again)
		}
		next.Close()
	}
}

// Many inputs at once, with a log that fails now and then: nothing is counted twice
// or lost, and no two hosts are mixed up.
func TestConcurrentRepeatsAddUp(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Dedupe: Dedupe{Default: repeatTable()}})
	log.fail, log.err = 5, context.DeadlineExceeded
	const workers, batches, size = 8, 50, 20
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for i := range batches {
				var messages []string
				for k := range size {
					messages = append(messages, fmt.Sprintf("<13>1 - host%d app - - - host%d", k%3, k%3))
				}
				if i%10 == 9 {
					time.Sleep(time.Millisecond)
					p.tell(t.Context(), p.expired(time.Time{})) // as if windows closed
				}
				if err := p.Submit(t.Context(), batchOf(messages...)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	balanced(t, p, "edge")
	flush(t, p)
	counts, plain := repeated(t, log)
	if got := counts["host0"] + counts["host1"] + counts["host2"] + plain; got != workers*batches*size {
		t.Errorf("told and stored are %d of %d: %v, %d", got, workers*batches*size, counts, plain)
	}
	for _, e := range log.events(t) {
		if string(e.Field(e.Hostname)) != string(e.Field(e.Text)) {
			t.Errorf("the event %s mixes hosts up", e.Raw)
		}
	}
}

func TestInputsAndRoutesHaveRepeatsOfTheirOwn(t *testing.T) {
	rules := routes(t)
	rules.Dedupe = Dedupe{Default: repeatTable(), Inputs: map[string]*dedupe.Table{"exact": nil}, Routes: map[int]*dedupe.Table{1: nil}}
	p, log := ruledPipeline(t, rules)
	f := func(input, message string, want int) {
		t.Helper()
		log.records = nil
		b := batchOf(message, message, message)
		b.Input = input
		if err := p.Submit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if got := len(log.events(t)); got != want {
			t.Errorf("input %s, %s: %d are stored, want %d", input, message, got, want)
		}
		balanced(t, p, input)
	}
	f("edge", "<14>1 - h a - - - x", 1)
	f("exact", "<14>1 - h a - - - y", 3)
	f("edge", "<34>1 - h a - - - x", 3) // the route "auth"
	f("edge", "<14>1 - h a - - [repeat@32473 count=\"3\"] x", 3)
}

func TestAFullLogTakesNoRepeatsWithoutTheirFirst(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Dedupe: Dedupe{Default: repeatTable()}})
	p.Close()
	log.fail, log.err = 1, context.Canceled
	if err := p.Submit(t.Context(), batchOf("<14>1 - h a - - - x", "<14>1 - h a - - - x")); err != inputs.ErrClosed {
		t.Errorf("Submit returned %v", err)
	}
	balanced(t, p, "edge")
	if n := len(log.events(t)); n != 0 {
		t.Errorf("%d events are stored", n)
	}
}

func TestManyDescriptionsAreCutIntoNotes(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Dedupe: Dedupe{Default: repeatTable()}})
	var messages []string
	for i := range 300 {
		m := fmt.Sprintf("<13>1 - host%d app - - - %s", i, strings.Repeat("long ", 200))
		messages = append(messages, m, m)
	}
	if err := p.Submit(t.Context(), batchOf(messages...)); err != nil {
		t.Fatal(err)
	}
	flush(t, p)
	_, plain := repeated(t, log)
	if n := len(log.events(t)); plain != 300 || n != 600 || len(log.batches) < 4 {
		t.Errorf("%d events in %d batches, %d are no counts", n, len(log.batches), plain)
	}
	balanced(t, p, "edge")
}

// The counts of repeats are in the checkpoint of the log, which takes nothing more when that
// is too large, not even what tells the counts.
func TestUntoldRepeatsNeverOutgrowTheCheckpoint(t *testing.T) {
	const inputs, pairs, size = 4, 4000, 100
	rules := Rules{Dedupe: Dedupe{Default: repeatTable(), Inputs: map[string]*dedupe.Table{}}}
	for i := range inputs - 1 {
		rules.Dedupe.Inputs[fmt.Sprint("input", i)] = repeatTable()
	}
	p, log := ruledPipeline(t, rules)
	long, path := strings.Repeat("x", 1000), "/"+strings.Repeat("x", 4000)
	submit := func(input string, messages ...string) {
		t.Helper()
		b := batchOf(messages...)
		b.Input, b.Origins[0].Path = input, path
		if err := p.Submit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for n := 0; n < pairs; n += size {
		var messages []string
		for i := range size {
			messages = append(messages, fmt.Sprintf("<13>1 - host app - - - %d %s", n+i, long))
		}
		input := fmt.Sprint("input", n/size%inputs) // the last of them is of the default
		submit(input, messages...)
		submit(input, messages...)
	}
	if n := len(log.streams.Checkpoint()); n > spool.MaxCheckpoint*7/16 {
		t.Errorf("the checkpoint has %d octets, the log takes %d", n, spool.MaxCheckpoint)
	}
	for i := range inputs {
		balanced(t, p, fmt.Sprint("input", i))
	}
	flush(t, p)
	counts, plain := repeated(t, log)
	told := 0
	for _, n := range counts {
		told += n
	}
	if told+plain != 2*pairs || told < pairs/4 {
		t.Errorf("%d repeats are told and %d messages stored, of %d", told, plain, 2*pairs)
	}
	// There is room again.
	log.records = nil
	const late = "<13>1 - host app - - - late"
	submit("input0", late, late)
	submit("input0", late)
	flush(t, p)
	if counts, _ := repeated(t, log); counts["late"] != 2 {
		t.Errorf("after the counts were told a line is repeated %d times, want 2", counts["late"])
	}
	if n := len(log.streams.Checkpoint()); n != 0 {
		t.Errorf("%d octets stay in the checkpoint", n)
	}
}

// Under full = "drop-newest" the log can take a batch and not the rest of its notes.
func TestOfABatchThatIsStoredOnlyTheRepeatsWithoutANoteAreDropped(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Dedupe: Dedupe{Default: repeatTable()}})
	const count = 300
	var messages, twice []string
	for i := range count {
		m := fmt.Sprintf("<13>1 - host%d app - - - %s", i, strings.Repeat("long ", 200))
		messages, twice = append(messages, m), append(twice, m, m)
	}
	log.pass, log.fail, log.err = 1, 1, spool.ErrDropped
	if err := p.Submit(t.Context(), batchOf(twice...)); err != nil {
		t.Fatal(err)
	}
	balanced(t, p, "edge")
	stored := testutil.ToFloat64(p.metrics.stored.WithLabelValues("edge"))
	suppressed := testutil.ToFloat64(p.metrics.suppressed.WithLabelValues("edge"))
	dropped := testutil.ToFloat64(p.metrics.dropped.WithLabelValues("edge", "log-full"))
	if stored != count || suppressed == 0 || dropped == 0 || suppressed+dropped != count {
		t.Errorf("%v messages are counted as stored, %v as suppressed and %v as dropped", stored, suppressed, dropped)
	}
	// The windows are open as before, also those of which no note was stored.
	if err := p.Submit(t.Context(), batchOf(messages...)); err != nil {
		t.Fatal(err)
	}
	flush(t, p)
	counts, plain := repeated(t, log)
	told := 0
	for _, n := range counts {
		told += n
	}
	if plain != count || told != count+int(suppressed) {
		t.Errorf("%d messages are stored and %d repeats told, want %d and %v", plain, told, count, count+suppressed)
	}
}

// The same line of two hosts is no repeat: neither where a relay brings both, nor
// where two machines call themselves the same, or do not name themselves.
func TestALineOfAnotherHostIsNoRepeat(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Dedupe: Dedupe{Default: repeatTable()}})
	submit := func(source string, messages ...string) {
		t.Helper()
		b := batchOf(messages...)
		b.Origins[0].Source = netip.MustParseAddrPort(source)
		if err := p.Submit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	named := []string{"<13>1 - web1 app - - - x", "<13>1 - web2 app - - - x"}
	submit("192.0.2.1:514", named[0], named[1], named[0], named[1])
	submit("192.0.2.4:514", named[0], named[0])
	for _, source := range []string{"192.0.2.2:514", "192.0.2.3:514", "192.0.2.2:515"} {
		submit(source, "<13>1 - - app - - - x", "<13>1 - - app - - - x")
	}
	flush(t, p)
	got := make(map[string]int) // by address and host
	for _, e := range log.events(t) {
		var m match.Message
		m.Reset(&e)
		n := 1
		if m.Element(RepeatID) {
			n, _ = strconv.Atoi(match.Text(`sd["` + RepeatID + `"]["count"]`)(&m))
		}
		got[fmt.Sprint(e.Source.Addr(), " ", string(e.Field(e.Hostname)))] += n
	}
	want := map[string]int{"192.0.2.1 web1": 2, "192.0.2.1 web2": 2, "192.0.2.4 web1": 2, "192.0.2.2 ": 4, "192.0.2.3 ": 2}
	if !maps.Equal(got, want) {
		t.Errorf("of each host are stored or told %v, want %v", got, want)
	}
	balanced(t, p, "edge")
}

// Without dedupe nothing is taken for a repeat, and no octet changes.
func TestWithoutDedupeEveryRepeatIsStoredAsItCame(t *testing.T) {
	p, log := ruledPipeline(t, Rules{})
	var messages []string
	for _, m := range []string{"<13>1 - web1 app - - - x", "<13>Oct 11 22:14:15 web1 last message repeated 3 times", "no header, \xff\x00 and no UTF-8 "} {
		messages = append(messages, m, m, m)
	}
	for range 2 {
		if err := p.Submit(t.Context(), batchOf(messages...)); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, p)
	events := log.events(t)
	if len(events) != 2*len(messages) {
		t.Fatalf("%d events are stored of %d messages", len(events), 2*len(messages))
	}
	for i, e := range events {
		if string(e.Raw) != messages[i%len(messages)] {
			t.Errorf("%q is stored as %q", messages[i%len(messages)], e.Raw)
		}
	}
	balanced(t, p, "edge")
}
