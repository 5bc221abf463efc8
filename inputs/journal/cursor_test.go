package journal

import (
	"fmt"
	"testing"

	"github.com/syslane/syslane/inputs"
)

const (
	journalS = "ebd4d1b9b1b94a61a6c4b0d7a3a8e2d1"
	journalT = "00000000000000000000000000000001"
	bootA    = "1bd5ac1a4a494d4c9d0b4ec19f9ba1de"
	bootB    = "00000000000000000000000000000002"
)

func cursorOf(journal, boot string, number, microseconds int) string {
	return fmt.Sprintf("s=%s;i=%x;b=%s;m=%x;t=%x;x=8a6b1b2d3c4e5f60", journal, number, boot, microseconds, microseconds)
}

func newJournals(sender string) *journals {
	return &journals{sender: sender, known: make(map[journalID]*journal)}
}

func TestACursorTellsThePlaceOfItsEntry(t *testing.T) {
	js := newJournals("host1")
	first := js.place([]byte(cursorOf(journalS, bootA, 0x1a2, 0x62d0bfe2a1b40)))
	if first.Number != 0x1a2 || first.Time != 0x62d0bfe2a1b40 || first.After != 0 || first.Sequence == (inputs.SequenceID{}) {
		t.Errorf("the first place is %+v", first)
	}
	user := js.place([]byte(cursorOf(journalT, bootA, 7, 1)))
	if user.Sequence == first.Sequence || user.After != 0 {
		t.Errorf("an entry of another journal has the place %+v", user)
	}
	second := js.place([]byte(cursorOf(journalS, bootA, 0x1a9, 5)))
	if second.Sequence != first.Sequence || second.After != first.Number {
		t.Errorf("the second place is %+v, after %+v", second, first)
	}
	if p := js.place([]byte(cursorOf(journalS, bootB, 0x1aa, 5))); p.Sequence == first.Sequence || p.After != 0 {
		t.Errorf("after a boot the place is %+v", p)
	}
	if p := newJournals("host1").place([]byte(cursorOf(journalS, bootA, 1, 1))); p.Sequence != first.Sequence {
		t.Error("on another connection the sequence has another name")
	}
	if p := newJournals("host2").place([]byte(cursorOf(journalS, bootA, 1, 1))); p.Sequence == first.Sequence {
		t.Error("another sender has the same sequence")
	}
}

func TestAnUnreadableCursorHasNoPlace(t *testing.T) {
	js := newJournals("host1")
	good := cursorOf(journalS, bootA, 3, 4)
	for _, c := range []string{
		"", ";;;=;", "s", "s=" + journalS, good[:len(good)/2], cursorOf(journalS[1:], bootA, 3, 4), cursorOf(journalS, bootA, 0, 4),
		"s=" + journalS + ";i=ffffffffffffffff;b=" + bootA + ";t=1", "s=" + journalS + ";i=1;b=" + bootA + ";t=ffffffffffffffff",
		"s=" + journalS + ";i=1ffffffffffffffffff;b=" + bootA + ";t=1", "s=" + journalS + ";i=xyz;b=" + bootA + ";t=1",
	} {
		if p := js.place([]byte(c)); p != (inputs.Place{}) {
			t.Errorf("%q has the place %+v", c, p)
		}
	}
}

func TestAConnectionWithEndlesslyManyJournalsTakesBoundedMemory(t *testing.T) {
	js := newJournals("host1")
	for i := range 3 * maxJournals {
		js.place([]byte(cursorOf(fmt.Sprintf("%032x", i), bootA, 1, 1)))
	}
	if n := len(js.known); n > maxJournals {
		t.Errorf("%d journals are remembered", n)
	}
}
