package pipeline

import (
	"bytes"
	"maps"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

// tables are what notes say, without when it was said.
type tables struct {
	Streams   map[string]history
	Marks     map[string]uint64
	Sequences map[inputs.SequenceID]stretch
	Repeats   map[uint64]count
	Tails     map[inputs.TailID][]uint64
}

func tablesOf(s *Streams) tables {
	t := tables{maps.Clone(s.durable), map[string]uint64{}, maps.Clone(s.sequences.durable), map[uint64]count{}, map[inputs.TailID][]uint64{}}
	for name, known := range t.Streams {
		known.moved = 0
		t.Streams[name] = known
	}
	for key, m := range s.marks {
		t.Marks[key] = m.value
	}
	for id, known := range t.Sequences {
		known.moved = 0
		t.Sequences[id] = known
	}
	for id, c := range s.repeats.untold {
		t.Repeats[id] = *c
	}
	for id, known := range s.tails.durable {
		t.Tails[id] = slices.Clip(known.hashes)
	}
	return t
}

// expectRestored fails where a checkpoint of s does not give the same tables.
func expectRestored(t rapid.TB, s *Streams) {
	t.Helper()
	want := tablesOf(s)
	again := NewStreams()
	if err := again.Restore(s.Checkpoint()); err != nil {
		t.Fatalf("the checkpoint of %+v: %v", want, err)
	}
	if got := tablesOf(again); !reflect.DeepEqual(got, want) {
		t.Fatalf("a checkpoint brings back %+v, want %+v", got, want)
	}
	if got, want := again.repeats.octets, s.repeats.octets; got != want {
		t.Fatalf("after a restart repeats take %d octets, before %d", got, want)
	}
}

// allocated is how many octets f makes room for.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Whatever stands in a note or checkpoint is an error, or understood, and then comes back
// the same from a checkpoint. It takes no memory that the octets do not account for.
func FuzzNotes(f *testing.F) {
	join := func(notes ...[]byte) []byte { return bytes.Join(notes, nil) }
	id := inputs.SequenceID{1}
	f.Add(appendTail(nil, inputs.TailID{Sender: [16]byte{9}, Number: 300}, []uint64{1, 2, 3}))
	f.Add(appendMark(appendTail(nil, inputs.TailID{}, []uint64{1}), inputs.Mark{Key: "file/a", Value: 7}))
	f.Add(appendMark(appendMark(nil, inputs.Mark{Key: "file/a", Value: 7}), inputs.Mark{Key: "file/a"}))
	f.Add([]byte(tailTag))
	f.Add([]byte(tailTag + "0123456789abcdef\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add(append([]byte(markTag+"\xc9\x81\x00"), bytes.Repeat([]byte{1}, maxMarkKey+2)...)) // a mark that would come back as a tail
	f.Add(noteOf("x/collector", 1, 7))
	f.Add(join(noteOf("x/y", 1, 3), noteOf("x/y", 9, 12), noteOf("x/y", 2, 5), noteOf("x/y", 0, math.MaxUint64)))
	f.Add(append([]byte("\x03x/y\xff\xff\x03"), bytes.Repeat([]byte{1}, 300)...)) // more ranges than a stream has
	f.Add([]byte("\x80\x00\x00"))                                                 // a name without a letter
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Add(appendSequence(noteOf("x/y", 1, 3), id, stretch{have: ranges{{1, 9}}, latest: -4, anew: true}))
	f.Add(join(appendSequence(nil, id, stretch{have: ranges{{3, 9}, {12, 13}}, latest: -1, anew: true}),
		appendSequence(nil, id, stretch{have: ranges{{10, 11}, {14, 15}, {20, 1 << 63}}, latest: 5})))
	f.Add(appendSequence(nil, id, stretch{have: ranges{{math.MaxUint64 - 1, math.MaxUint64}}, latest: math.MinInt64}))
	f.Add(append(append([]byte{0}, id[:]...), "\x00\x80\x02\x01\x01"...)) // more ranges than there are octets
	f.Add(appendTold(appendRepeat(appendRepeat(nil, 7, &count{n: 3, first: -1, last: 9, event: []byte("x")}), 8, &count{n: 1}), 7))
	f.Add(appendRepeat(appendRepeat(nil, 7, &count{n: 1 << 63}), 7, &count{n: 1 << 63})) // as often as never
	f.Fuzz(func(t *testing.T, note []byte) {
		s := NewStreams()
		var err error
		if n, most := allocated(func() { err = s.Note(note) }), uint64(4<<20+256*len(note)); n > most {
			t.Errorf("a note of %d octets took %d, at most %d are due", len(note), n, most)
		}
		if err == nil {
			expectRestored(t, s)
		}
	})
}

// Each entry is read as it was written, with nothing left of it, whatever stands before
// and behind it; and so are tables that any number of them make.
func FuzzEntriesOfNotes(f *testing.F) {
	f.Add([]byte(nil))
	f.Add([]byte(strings.Repeat("streams and sequences, marks, repeats and tails ", 20)))
	f.Add(bytes.Repeat([]byte{0xff, 0, 7, 1, 0x80}, 200))
	f.Fuzz(rapid.MakeFuzz(testEntriesOfNotes))
}

func TestEntriesOfNotesComeBack(t *testing.T) { rapid.Check(t, testEntriesOfNotes) }

func testEntriesOfNotes(t *rapid.T) {
	const behind = "what follows"
	// read is what a reader of an entry says of it.
	read := func(what string, got, want any, rest []byte, err error) {
		if err != nil || string(rest) != behind || !reflect.DeepEqual(got, want) {
			t.Fatalf("%s %+v came back as %+v, %q behind it: %v", what, want, got, rest, err)
		}
	}
	// some draws ranges as tables hold them.
	some := func(least, most int) (have ranges) {
		at := uint64(0)
		for range rapid.IntRange(least, most).Draw(t, "ranges") {
			room := (math.MaxUint64 - at) / 4
			if room < 2 {
				break
			}
			first := at + rapid.Uint64Range(1, room).Draw(t, "gap")
			at = first + rapid.Uint64Range(1, room).Draw(t, "length")
			have = append(have, span{first, at})
		}
		return have
	}
	octets := rapid.SliceOfN(rapid.Byte(), 0, 40)
	s := NewStreams()
	for range rapid.IntRange(0, 12).Draw(t, "entries") {
		var entry []byte
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			name := "s" + string(octets.Draw(t, "name"))
			want := history{have: some(0, maxRanges), last: syslog.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "last"))}
			entry = appendStream(nil, name, want)
			got, known, rest, err := readStream(append(slices.Clip(entry), behind...))
			read("the stream", known, want, rest, err)
			read("the name", got, name, rest, err)
		case 1:
			want := stretch{have: some(1, maxRanges), latest: rapid.Int64().Draw(t, "latest"), anew: rapid.Bool().Draw(t, "anew")}
			id := inputs.SequenceID{15: rapid.ByteRange(1, 9).Draw(t, "sequence")}
			entry = appendSequence(nil, id, want)
			var all stretch
			for rest := append(slices.Clip(entry), behind...); string(rest) != behind; {
				got, more, left, err := readSequence(rest)
				if err != nil || got != id || more.anew && all.have != nil {
					t.Fatalf("the entry %x of %+v is read as %v, %+v: %v", entry, want, got, more, err)
				}
				all.anew, all.latest, rest = all.anew || more.anew, more.latest, left
				all.have = append(all.have, more.have...)
			}
			read("the sequence", all, want, []byte(behind), nil)
		case 2:
			want := inputs.Mark{Key: "k" + string(octets.Draw(t, "key")), Value: rapid.Uint64().Draw(t, "value")}
			entry = appendMark(nil, want)
			got, rest, err := readMark(append(slices.Clip(entry), behind...))
			read("the mark", got, want, rest, err)
		case 3:
			id := rapid.Uint64Range(1, 5).Draw(t, "window")
			entry = appendTold(nil, id)
			if n := rapid.Uint64Range(0, 1<<60).Draw(t, "count"); n > 0 {
				entry = appendRepeat(nil, id, &count{n: n, first: rapid.Int64().Draw(t, "first"), last: rapid.Int64().Draw(t, "last"), event: octets.Draw(t, "event")})
			}
		case 4:
			want := rapid.SliceOfN(rapid.Uint64(), 1, 300).Draw(t, "hashes")
			id := inputs.TailID{Sender: [16]byte{rapid.Byte().Draw(t, "sender")}, Number: rapid.Uint64().Draw(t, "number")}
			entry = appendTail(nil, id, want)
			got, hashes, rest, err := readTail(append(slices.Clip(entry), behind...))
			read("the tail", got, id, rest, err)
			again := newTails()
			again.prolong(got, hashes)
			read("the hashes", slices.Clip(again.durable[id].hashes), want, rest, err)
		}
		if err := s.Note(entry); err != nil {
			t.Fatalf("the note %x: %v", entry, err)
		}
	}
	expectRestored(t, s)
}
