package skipdata

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

func event(text string) *syslog.Event {
	e := &syslog.Event{Input: "udp", Source: netip.MustParseAddrPort("192.0.2.7:514")}
	e.Raw = []byte(text)
	e.Text = syslog.Span{End: uint32(len(text))}
	e.Severity, e.Facility = 3, 4
	return e
}

func words(texts ...string) (all []Word) {
	for _, t := range texts {
		all = Words(all, []byte(t), false, false)
	}
	return all
}

func mustParse(t *testing.T, b []byte) Block {
	t.Helper()
	block, ok := Parse(b)
	if !ok {
		t.Fatalf("%x is not read", b)
	}
	return block
}

func TestEveryWordOfABlockMayBeThereAndHardlyAnyOther(t *testing.T) {
	var s Summarizer
	for round := range 3 { // the memory is used again
		var run []byte
		for i := range 2000 {
			run = syslog.AppendRecord(run, event(fmt.Sprintf("Session %d-%d of ÉMILE closed, token x%dy", round, i, i*i)))
		}
		b := mustParse(t, s.Append(nil, run))
		for i := range 2000 {
			for _, w := range words(fmt.Sprintf("session %d %d émile CLOSED x%dY", round, i, i*i), "udp", "192.0.2.7") {
				if !b.May(w) {
					t.Fatalf("round %d: a word of event %d is missed", round, i)
				}
			}
		}
		found := 0
		for i := range 10000 {
			if b.May(words(fmt.Sprintf("absent%d", i))[0]) {
				found++
			}
		}
		if found > 200 {
			t.Errorf("%d of 10000 absent words seem to be there", found)
		}
		if b.Severities != 1<<3 || b.Facilities != 1<<4 {
			t.Errorf("severities %b, facilities %b", b.Severities, b.Facilities)
		}
	}
}

func TestSizeIsBounded(t *testing.T) {
	var s Summarizer
	f := func(words int, filtered bool) {
		t.Helper()
		var text strings.Builder
		for i := range words {
			fmt.Fprintf(&text, "w%d ", i)
		}
		data := s.Append(nil, syslog.AppendRecord(nil, event(text.String())))
		if len(data) > MaxSize || (len(mustParse(t, data).filter) > 0) != filtered {
			t.Errorf("%d words make %d octets", words, len(data))
		}
		if b := mustParse(t, data); !b.May(Words(nil, []byte("w0"), false, false)[0]) {
			t.Errorf("%d words: one of them is missed", words)
		}
		if cap(s.set.slots) > 2*maxWords*2 {
			t.Errorf("%d slots are kept", cap(s.set.slots))
		}
	}
	f(1, true)
	f(60_000, true)
	f(maxWords+10, false)
}

func TestWhatCannotBeReadIsNotSummed(t *testing.T) {
	var s Summarizer
	good := syslog.AppendRecord(nil, event("good"))
	later := syslog.AppendRecord(good, event("later"))
	later[len(good)+1] |= 0x80
	later[len(good)+2] = 99 // a later version
	for name, run := range map[string][]byte{"half": good[:len(good)-1], "version": later} {
		if got := s.Append([]byte("x"), run); string(got) != "x" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for _, data := range []string{"", "\x01", "\x03\x00\x00\x00\x00\x07aaaa", "\x02\x00\x00\x00\x00\x07\x05\x00\x00\x00aaaa", "\x01\x00\x00\x00\x00\x00aaaa"} {
		if _, ok := Parse([]byte(data)); ok {
			t.Errorf("%q is read", data)
		}
	}
}

// The search compares rune by rune in lower case and looks at the edges of words as
// they stand in the text. Both have to part words at the same places.
func TestLowerCaseKeepsWordsWords(t *testing.T) {
	for r := range rune(unicode.MaxRune) {
		low := unicode.ToLower(r)
		if IsWord(r) != IsWord(low) || unicode.ToLower(low) != low {
			t.Errorf("%U and its lower case %U", r, low)
		}
	}
}

func TestOpenEndsAreNoWords(t *testing.T) {
	f := func(text string, openStart, openEnd bool, want string) {
		t.Helper()
		if got := Words(nil, []byte(text), openStart, openEnd); fmt.Sprint(got) != fmt.Sprint(words(want)) {
			t.Errorf("%q: %v", text, got)
		}
	}
	f("one two three", false, false, "one two three")
	f("one two three", true, false, "two three")
	f("one two three", false, true, "one two")
	f("one", true, true, "")
	f(".one.", true, true, "one")
	f("", true, true, "")
}

func TestTheTallyCountsWhatIsThere(t *testing.T) {
	var s Summarizer
	var run []byte
	for i := range 300 {
		e := event("text")
		e.Severity = syslog.Severity(i % 3)
		e.Timestamp = int64(i-150) * Minute / 2
		if i%2 == 0 {
			e.Host = "named"
		}
		run = syslog.AppendRecord(run, e)
	}
	b := mustParse(t, s.Append(nil, run))
	var tally Tally
	if !b.Tally(&tally) || tally.Total() != 300 || tally.Severities[1] != 100 || tally.Facilities[4] != 300 {
		t.Fatalf("%+v", tally)
	}
	if len(tally.Hosts) != 2 || string(tally.Hosts[0].Name) != "named" || tally.Hosts[1].Count != 150 ||
		len(tally.Apps) != 1 || string(tally.Apps[0].Name) != "" || tally.Apps[0].Count != 300 {
		t.Errorf("%+v", tally)
	}
	if len(tally.Minutes) != 150 || tally.Minutes[0].Minute != -75 || tally.Minutes[149].Minute != 74 {
		t.Errorf("%d minutes", len(tally.Minutes))
	}
}

func TestWhatIsTooManyIsNotTallied(t *testing.T) {
	var s Summarizer
	var run []byte
	for i := range 3000 {
		e := event("text")
		e.Host = fmt.Sprint("host", i)
		e.Timestamp = int64(i) * Minute
		run = syslog.AppendRecord(run, e)
	}
	b := mustParse(t, s.Append(nil, run))
	var tally Tally
	if !b.Tally(&tally) || tally.Hosts != nil || tally.Minutes != nil || tally.Apps == nil || tally.Total() != 3000 {
		t.Errorf("%d hosts, %d minutes", len(tally.Hosts), len(tally.Minutes))
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x07aaaa"), "word")
	f.Fuzz(func(t *testing.T, data []byte, word string) {
		if b, ok := Parse(data); ok && utf8.ValidString(word) {
			for _, w := range words(word) {
				b.May(w)
			}
			var tally Tally
			b.Tally(&tally)
		}
	})
}

func BenchmarkSummarizer(b *testing.B) {
	var run []byte
	for i := 0; len(run) < 1<<20; i++ {
		run = syslog.AppendRecord(run, event(fmt.Sprintf("Failed password for invalid user admin from 10.0.%d.%d port %d ssh2", i%256, i/256, 1024+i)))
	}
	var s Summarizer
	var dst []byte
	b.SetBytes(int64(len(run)))
	for b.Loop() {
		dst = s.Append(dst[:0], run)
	}
	b.ReportMetric(float64(len(dst)), "octets")
}
