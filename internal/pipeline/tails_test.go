package pipeline

import (
	"slices"
	"testing"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/spool"
)

func prolong(s *Streams, id inputs.TailID, hashes ...uint64) error {
	return s.Note(appendTail(nil, id, hashes))
}

func TestTailsComeBackFromCheckpointAndNotes(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	id := inputs.TailID{Sender: [16]byte{1}, Number: 7}
	part := inputs.TailPart{ID: id, Hashes: []uint64{3, 4}, Resent: 5}
	if err := p.SubmitTail(t.Context(), batchOf("<13>a", "<13>b"), part); err != nil {
		t.Fatal(err)
	}
	again := NewStreams()
	if err := again.Restore(log.streams.Checkpoint()); err != nil {
		t.Fatal(err)
	}
	if err := prolong(again, id, 5); err != nil {
		t.Fatal(err)
	}
	got := again.tails.of(id.Sender)
	if len(got) != 1 || got[0].ID != id || !slices.Equal(got[0].Hashes, []uint64{3, 4, 5}) {
		t.Errorf("the tails are %v", got)
	}
	if got := again.tails.of([16]byte{2}); len(got) > 0 {
		t.Errorf("another sender has the tails %v", got)
	}
}

func TestATailDoesNotAdvanceBeyondAFailedAppend(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	log.fail, log.err = 1, spool.ErrTooLarge
	id := inputs.TailID{Number: 1}
	if err := p.SubmitTail(t.Context(), batchOf("<13>a"), inputs.TailPart{ID: id, Hashes: []uint64{1}}); err == nil {
		t.Fatal("the append did not fail")
	}
	if got := p.Tails(id.Sender); len(got) > 0 {
		t.Errorf("the tails are %v", got)
	}
}

func TestTheMemoryForTailsIsBounded(t *testing.T) {
	f := func(name string, tails, each, keep int) {
		t.Helper()
		s := NewStreams()
		hashes := make([]uint64, each)
		for i := range hashes {
			hashes[i] = uint64(i)
		}
		for n := range tails {
			if err := prolong(s, inputs.TailID{Number: uint64(n + 1)}, hashes...); err != nil {
				t.Fatal(err)
			}
		}
		count := 0
		for _, known := range s.tails.durable {
			count += len(known.hashes)
		}
		if count != s.tails.hashes || count > maxTailHashes || len(s.tails.durable) > maxTails {
			t.Errorf("%s: %d tails with %d hashes, counted as %d", name, len(s.tails.durable), count, s.tails.hashes)
		}
		if n := len(s.Checkpoint()); n > spool.MaxCheckpoint/3 {
			t.Errorf("%s: the checkpoint has %d octets", name, n)
		}
		last := s.tails.durable[inputs.TailID{Number: uint64(tails)}]
		if last == nil || len(last.hashes) < keep || last.hashes[len(last.hashes)-1] != uint64(each-1) {
			t.Errorf("%s: the last tail is not kept", name)
		}
	}
	f("many short", maxTails+10, 1, 1)
	f("many long", 1000, 4096, keptTail)
	f("very many long", maxTails+10, 1000, keptTail)
	f("one endless", 1, 100_000, inputs.MaxTail)
}
