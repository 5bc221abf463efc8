package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"pgregory.net/rapid"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/spool"
)

var journalA, journalB = inputs.SequenceID{1}, inputs.SequenceID{2}

// send submits messages whose text is their number, sent one after the other,
// with times equal to their numbers.
func send(t *testing.T, p *Pipeline, id inputs.SequenceID, numbers ...uint64) {
	t.Helper()
	var places []inputs.Place
	after := uint64(0)
	for _, n := range numbers {
		places = append(places, inputs.Place{Sequence: id, Number: n, Time: int64(n), After: after})
		after = n
	}
	sendPlaces(t, p, places...)
}

func sendPlaces(t *testing.T, p *Pipeline, places ...inputs.Place) {
	t.Helper()
	var texts []string
	for _, place := range places {
		texts = append(texts, fmt.Sprintf("<13>%d", place.Number))
	}
	if err := p.SubmitSequence(t.Context(), t.Context(), batchOf(texts...), places); err != nil {
		t.Fatal(err)
	}
}

func stored(t *testing.T, log *memoryLog) string {
	t.Helper()
	var texts []string
	for _, e := range log.events(t) {
		texts = append(texts, string(e.Field(e.Text)))
	}
	return strings.Join(texts, " ")
}

func TestNumberedMessagesSentAgainAreStoredOnce(t *testing.T) {
	f := func(name, want string, submits ...[]uint64) {
		t.Helper()
		p, log, _ := newTestPipeline(t)
		for _, numbers := range submits {
			send(t, p, journalA, numbers...)
		}
		if got := stored(t, log); got != want {
			t.Errorf("%s: stored %s, want %s", name, got, want)
		}
	}
	type n = []uint64
	f("all again", "1 2 3", n{1, 2, 3}, n{1, 2, 3})
	f("again and on", "1 2 3 4", n{1, 2}, n{1, 2, 3, 4})
	f("again, with holes in the numbers", "1 5 9 12 20", n{1, 5, 9}, n{1, 5, 9, 12, 20}, n{5, 9, 12, 20})
	f("going on in the next upload", "1 2 3 4", n{1, 2}, n{3, 4}, n{1, 2, 3, 4})
	f("numbers that were jumped over come late", "1 2 9 5 6", n{1, 2}, n{9}, n{5, 6})
	f("numbers that were jumped over are sent with the next attempt", "1 2 9 5", n{1, 2, 9}, n{1, 2, 5, 9})
	f("older ones than any before", "5 6 1 2", n{5, 6}, n{1, 2})
}

func TestNumbersGivenASecondTimeAreStored(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	send(t, p, journalA, 1, 2, 3, 4)
	// The machine was set back to where it had sent 2, and goes on at another time.
	sendPlaces(t, p,
		inputs.Place{Sequence: journalA, Number: 2, Time: 2},
		inputs.Place{Sequence: journalA, Number: 3, Time: 33, After: 2},
		inputs.Place{Sequence: journalA, Number: 4, Time: 34, After: 3})
	if got, want := stored(t, log), "1 2 3 4 3 4"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
}

// Of what was stored before a machine was set back nothing counts any more.
func TestWhatAMachineThatWasSetBackJumpsOverIsStored(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	send(t, p, journalA, 1, 2, 3, 4, 5, 6)
	sendPlaces(t, p,
		inputs.Place{Sequence: journalA, Number: 3, Time: 33},
		inputs.Place{Sequence: journalA, Number: 5, Time: 35, After: 3})
	again, kept, _ := newTestPipeline(t)
	for _, b := range log.batches {
		if err := again.cfg.Streams.Note(b.Note); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*Pipeline{p, again} {
		sendPlaces(t, p,
			inputs.Place{Sequence: journalA, Number: 3, Time: 33},
			inputs.Place{Sequence: journalA, Number: 4, Time: 34, After: 3},
			inputs.Place{Sequence: journalA, Number: 5, Time: 35, After: 4})
	}
	if got, want := stored(t, log)+", "+stored(t, kept), "1 2 3 4 5 6 3 5 4, 4"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
}

func TestAClockThatGoesBackMakesNoDuplicates(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	places := []inputs.Place{
		{Sequence: journalA, Number: 1, Time: 100},
		{Sequence: journalA, Number: 2, Time: 50, After: 1},
		{Sequence: journalA, Number: 3, Time: 60, After: 2},
	}
	sendPlaces(t, p, places...)
	sendPlaces(t, p, places...)
	if got, want := stored(t, log), "1 2 3"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
}

func TestSequencesAreIndependentAndMessagesWithoutPlaceAlwaysStored(t *testing.T) {
	p, log, registry := newTestPipeline(t)
	mixed := []inputs.Place{
		{Sequence: journalB, Number: 7, Time: 7}, {Sequence: journalA, Number: 1, Time: 1}, {Number: 3},
		{Sequence: journalB, Number: 8, Time: 8, After: 7}, {Sequence: journalA, Number: 2, Time: 2, After: 1},
	}
	sendPlaces(t, p, mixed...)
	sendPlaces(t, p, mixed...)
	if got, want := stored(t, log), "7 1 3 8 2 3"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
	want := `
# HELP syslane_input_redelivered_messages_total Messages that their sender sent again after it had got no answer, and that were stored already.
# TYPE syslane_input_redelivered_messages_total counter
syslane_input_redelivered_messages_total{input="edge"} 4
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "syslane_input_redelivered_messages_total"); err != nil {
		t.Error(err)
	}
}

func TestASequenceDoesNotAdvanceBeyondAFailedAppend(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	log.fail, log.err = 1, spool.ErrTooLarge
	err := p.SubmitSequence(t.Context(), t.Context(), batchOf("<13>1"), []inputs.Place{{Sequence: journalA, Number: 1}})
	if !errors.Is(err, spool.ErrTooLarge) {
		t.Fatalf("SubmitSequence returned %v", err)
	}
	send(t, p, journalA, 1)
	if got := stored(t, log); got != "1" {
		t.Errorf("stored %q, want the message of the second attempt", got)
	}
}

func TestABatchOfTooManySequencesIsRefused(t *testing.T) {
	p, _, _ := newTestPipeline(t)
	var places []inputs.Place
	for i := range inputs.MaxSequences + 1 {
		places = append(places, inputs.Place{Sequence: inputs.SequenceID{byte(i), byte(i >> 8), 1}, Number: 1})
	}
	b := batchOf(slices.Repeat([]string{"<13>x"}, len(places))...)
	if err := p.SubmitSequence(t.Context(), t.Context(), b, places); !errors.Is(err, errPlaces) {
		t.Errorf("SubmitSequence returned %v, want %v", err, errPlaces)
	}
}

func TestOneSequenceFromManyConnectionsIsStoredOnce(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for n := uint64(1); n <= 200; n++ {
				err := p.SubmitSequence(t.Context(), t.Context(), batchOf("<13>x", "<13>y"), []inputs.Place{
					{Sequence: journalA, Number: n, After: n - 1}, {Sequence: journalB, Number: n, After: n - 1},
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	if n := len(log.events(t)); n != 400 {
		t.Errorf("%d events are stored, want 400", n)
	}
	if n := len(p.cfg.Streams.sequences.turns.of); n != 0 {
		t.Errorf("%d turns are left", n)
	}
}

func TestASubmitWhoseTurnDoesNotComeLeavesNothing(t *testing.T) {
	for _, c := range []struct {
		name   string
		giveUp func(cancel func())
		want   error
	}{
		{"given up", func(cancel func()) { cancel() }, context.Canceled},
		{"behind another for too long", func(func()) { time.Sleep(turnPatience) }, errTurn},
	} {
		synctest.Test(t, func(t *testing.T) {
			p, log, registry := newTestPipeline(t)
			before := []inputs.SequenceID{journalB} // of another submit, for which the log has no room
			if err := p.cfg.Streams.sequences.lock(t.Context(), p.closing, before); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			places := []inputs.Place{{Sequence: journalA, Number: 1}, {Sequence: journalB, Number: 1}}
			returned := make(chan error, 1)
			go func() { returned <- p.SubmitSequence(t.Context(), ctx, batchOf("<13>1", "<13>1"), places) }()
			synctest.Wait()
			c.giveUp(cancel)
			synctest.Wait()
			select {
			case err := <-returned:
				if !errors.Is(err, c.want) {
					t.Errorf("%s: SubmitSequence returned %v, want %v", c.name, err, c.want)
				}
			default:
				t.Errorf("%s: it waits on", c.name)
			}
			p.cfg.Streams.sequences.unlock(before)
			synctest.Wait()
			if n := len(p.cfg.Streams.sequences.turns.of); n != 0 {
				t.Errorf("%s: %d turns are left", c.name, n)
			}
			// Nothing is lost: its sender has it, and sends it again.
			for _, name := range []string{"received", "dropped"} {
				if n := inputtest.Metric(t, registry, "syslane_input_"+name+"_messages_total", "edge"); n != 0 {
					t.Errorf("%s: %v messages count as %s", c.name, n, name)
				}
			}
			sendPlaces(t, p, places...)
			if got := stored(t, log); got != "1 1" {
				t.Errorf("%s: stored %q", c.name, got)
			}
		})
	}
}

func TestASubmitThatHasItsTurnIsNotGivenUpThoughTheLogFails(t *testing.T) {
	p, log, registry := newTestPipeline(t)
	log.fail, log.err = 2, errors.New("input/output error")
	turn, giveUp := context.WithCancel(t.Context())
	giveUp()
	if err := p.SubmitSequence(t.Context(), turn, batchOf("<13>1"), []inputs.Place{{Sequence: journalA, Number: 1}}); err != nil {
		t.Error(err)
	}
	if n := inputtest.Metric(t, registry, "syslane_input_dropped_messages_total", "edge"); n != 0 || stored(t, log) != "1" {
		t.Errorf("%v messages count as dropped, stored %q", n, stored(t, log))
	}
}

func TestSequencesComeBackFromCheckpointAndNotes(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	send(t, p, journalA, 3, 4)
	send(t, p, journalB, 9)
	if err := p.cfg.Streams.Note(noteOf("x/collector", 1, 7)); err != nil {
		t.Fatal(err)
	}
	checkpoint := p.cfg.Streams.Checkpoint()
	send(t, p, journalA, 5)

	again, kept, _ := newTestPipeline(t)
	if err := again.cfg.Streams.Restore(checkpoint); err != nil {
		t.Fatal(err)
	}
	if err := again.cfg.Streams.Note(log.batches[len(log.batches)-1].Note); err != nil {
		t.Fatal(err)
	}
	send(t, again, journalA, 3, 4, 5, 6)
	send(t, again, journalB, 9, 10)
	if got, want := stored(t, kept), "6 10"; got != want {
		t.Errorf("after the restart %s are stored, want %s", got, want)
	}
	if n := again.Resume("x/collector", 1).End; n != 7 {
		t.Errorf("the stream resumes at %d, want 7", n)
	}
}

func TestSequencesThatMovedLongestAgoAreForgotten(t *testing.T) {
	s := newSequences()
	id := func(i int) inputs.SequenceID { return inputs.SequenceID{byte(i), byte(i >> 8), byte(i >> 16), 1} }
	for i := range maxSequences {
		s.set(id(i), stretch{have: ranges{{1, 2}}})
	}
	s.set(id(0), stretch{have: ranges{{2, 3}}}) // moves again
	s.set(id(maxSequences), stretch{have: ranges{{1, 2}}})
	if n := len(s.durable); n > maxSequences || n < maxSequences/2 {
		t.Errorf("%d sequences are kept", n)
	}
	for i, want := range map[int]bool{0: true, 1: false, maxSequences: true} {
		if got := s.of([]inputs.SequenceID{id(i)})[0].have != nil; got != want {
			t.Errorf("sequence %d is remembered: %v, want %v", i, got, want)
		}
	}
	if n := len(s.checkpoint(nil)); n > spool.MaxCheckpoint/4 {
		t.Errorf("the checkpoint has %d octets", n)
	}
}

func TestTheMemoryForWhatIsJumpedOverIsBounded(t *testing.T) {
	s := newSequences()
	id := func(i int) inputs.SequenceID { return inputs.SequenceID{byte(i), byte(i >> 8), 1} }
	const far = 1 << 54
	for i := range maxSequences {
		var more stretch
		for n := range uint64(8) {
			more.add(span{n*far + 1, n*far + 2}, math.MaxInt64)
		}
		s.set(id(i), more)
	}
	count := 0
	for _, known := range s.durable {
		count += len(known.have)
	}
	if count != s.ranges || count > maxSequenceRanges || len(s.durable) != maxSequences {
		t.Errorf("%d sequences have %d ranges, counted as %d", len(s.durable), count, s.ranges)
	}
	if n := len(s.checkpoint(nil)); n > spool.MaxCheckpoint/4 {
		t.Errorf("the checkpoint has %d octets", n)
	}
	last := s.of([]inputs.SequenceID{id(maxSequences - 1)})[0]
	if !last.have.has(1) || !last.have.has(7*far+1) || last.have.has(7*far) {
		t.Errorf("of the last sequence %v is known", last.have)
	}
}

func TestTheLargestNoteOfSequencesFitsIntoTheLog(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	var places []inputs.Place
	for n := range uint64(8) {
		for i := range inputs.MaxSequences {
			place := inputs.Place{Sequence: inputs.SequenceID{byte(i), byte(i >> 8), 1}, Number: (n+1)<<59 - 1, Time: math.MaxInt64}
			if n > 0 {
				place.After = n<<59 - 1
			}
			places = append(places, place)
		}
	}
	b := batchOf(slices.Repeat([]string{"<13>x"}, len(places))...)
	for range 2 {
		if err := p.SubmitSequence(t.Context(), t.Context(), b, places); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(log.batches[0].Note); n > spool.MaxNote {
		t.Errorf("%d octets, the log takes %d", n, spool.MaxNote)
	}
	if n := len(log.events(t)); n != len(places) {
		t.Errorf("%d events are stored, want %d", n, len(places))
	}
}

func TestWhatIsJumpedOverIsKnownAfterARestart(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	send(t, p, journalA, 1, 2, 9, 20)
	checkpoint := p.cfg.Streams.Checkpoint()
	send(t, p, journalA, 20, 22, 30)
	again, kept, _ := newTestPipeline(t)
	if err := again.cfg.Streams.Restore(checkpoint); err != nil {
		t.Fatal(err)
	}
	if err := again.cfg.Streams.Note(log.batches[len(log.batches)-1].Note); err != nil {
		t.Fatal(err)
	}
	send(t, again, journalA, 1, 2, 5, 9, 20, 21, 22, 25, 30, 31)
	if got, want := stored(t, kept), "5 21 25 31"; got != want {
		t.Errorf("after the restart %s are stored, want %s", got, want)
	}
}

// What was written before holes were known says that there are none.
func TestSequencesOfFormerLogsAreRead(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	entry := append(append([]byte{0}, journalA[:]...), 3, 6, 16) // 3 to 8, the latest time 8
	if err := p.cfg.Streams.Note(entry); err != nil {
		t.Fatal(err)
	}
	send(t, p, journalA, 3, 8, 9)
	if got := stored(t, log); got != "9" {
		t.Errorf("stored %s, want 9", got)
	}
}

// A sender sends what it has, is cut, and sends all of it again with what it had not
// seen before.
func TestWhatWasJumpedOverIsStoredAndTheRestOnce(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p, log, _ := newTestPipeline(t)
		seen := []uint64{1}
		want := map[string]bool{}
		for range rapid.IntRange(1, 6).Draw(r, "attempts") {
			seen = append(seen, rapid.SliceOfN(rapid.Uint64Range(1, 60), 1, 20).Draw(r, "found")...)
			slices.Sort(seen)
			seen = slices.Compact(seen)
			end := rapid.IntRange(1, len(seen)).Draw(r, "end")
			send(t, p, journalA, seen[:end]...)
			for _, n := range seen[:end] {
				want[fmt.Sprint(n)] = true
			}
		}
		got := map[string]int{}
		for text := range strings.FieldsSeq(stored(t, log)) {
			got[text]++
		}
		for text := range want {
			if got[text] != 1 {
				r.Fatalf("%s is stored %d times", text, got[text])
			}
		}
	})
}

// A machine sends its journal in pieces that begin anywhere and leave entries out, or is
// set back and goes on at a later time; appends fail, and the log starts again from a
// checkpoint and the notes after it: whatever is left out as known is stored.
func TestNothingIsTakenForKnownThatIsNotStored(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p, log, _ := newTestPipeline(t)
		checkpoint, notes := p.cfg.Streams.Checkpoint(), 0
		var journal []inputs.Place
		unsent, now := 0, int64(0)
		setBack := rapid.Bool().Draw(r, "a machine that is set back")
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			switch rapid.IntRange(0, 5).Draw(r, "step") {
			case 0:
				if setBack {
					journal = journal[:rapid.IntRange(0, len(journal)).Draw(r, "back to")]
					unsent = min(unsent, len(journal))
				}
				continue
			case 1:
				checkpoint, notes = p.cfg.Streams.Checkpoint(), len(log.batches)
				continue
			case 2:
				p.cfg.Streams = NewStreams()
				log.streams = p.cfg.Streams
				if err := log.streams.Restore(checkpoint); err != nil {
					r.Fatal(err)
				}
				for _, b := range log.batches[notes:] {
					if err := log.streams.Note(b.Note); err != nil {
						r.Fatal(err)
					}
				}
				continue
			}
			now += 10
			for range rapid.IntRange(0, 8).Draw(r, "new") {
				next := inputs.Place{Sequence: journalA, Number: 1, Time: now}
				if n := len(journal); n > 0 {
					next.Number += journal[n-1].Number + rapid.Uint64Range(0, 3).Draw(r, "gap")
				}
				if !setBack {
					next.Time += rapid.Int64Range(-15, 5).Draw(r, "clock")
				}
				journal = append(journal, next)
			}
			start, most := rapid.IntRange(0, len(journal)).Draw(r, "start"), 3
			if setBack {
				start, most = min(start, unsent), 0
			}
			var places []inputs.Place
			var texts []string
			after := uint64(0)
			for _, place := range journal[start:] {
				if rapid.IntRange(0, 4).Draw(r, "left out") < most {
					continue
				}
				place.After, after = after, place.Number
				places = append(places, place)
				texts = append(texts, fmt.Sprintf("<13>%d@%d", place.Number, place.Time))
			}
			log.fail, log.err = rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(r, "failures"), spool.ErrTooLarge
			err := p.SubmitSequence(t.Context(), t.Context(), batchOf(texts...), places)
			if log.fail = 0; err != nil {
				continue
			}
			unsent = len(journal)
			all := strings.Fields(stored(t, log))
			for _, text := range texts {
				if !slices.Contains(all, strings.TrimPrefix(text, "<13>")) {
					r.Fatalf("%s is acknowledged, and not among %q", text, all)
				}
			}
		}
	})
}
