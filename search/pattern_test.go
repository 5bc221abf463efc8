package search

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

func addrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// naiveIndex is pattern.index for ASCII patterns, without its speed.
func naiveIndex(b []byte, lower string, from int) int {
	for i := from; i+len(lower) <= len(b); i++ {
		if equalFold(b[i:i+len(lower)], []byte(lower)) {
			return i
		}
	}
	return -1
}

func TestFastSearchEqualsNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.SliceOfN(rapid.SampledFrom([]byte("aAbB.zZ \xc3\xa4")), 0, 60)
		b := letters.Draw(t, "text")
		p := newPattern(string(rapid.SliceOfN(rapid.SampledFrom([]byte("aAbB.z ")), 1, 4).Draw(t, "pattern")), false, false)
		from := rapid.IntRange(0, len(b)).Draw(t, "from")
		got, _ := p.index(b, from)
		if want := naiveIndex(b, string(p.text), from); got != want {
			t.Fatalf("%q in %q from %d: %d, want %d", p.text, b, from, got, want)
		}
	})
}

func TestPatternsOfAllKindsFindTheirPlace(t *testing.T) {
	f := func(text, in string, want int) {
		t.Helper()
		p := newPattern(text, true, true)
		got, end := p.index([]byte(in), 0)
		if got != want || got >= 0 && !strings.EqualFold(in[got:end], text) {
			t.Errorf("%q in %q: %d to %d, want %d", text, in, got, end, want)
		}
	}
	f("ä", "xÄ", 1)
	f("äx", "xÄäX", 3)
	f("straße", "die STRAßE", 4)
	f("日本", "x日本語", 1)
	f("abc", "ab", -1)
	f("ä", "\xff\xfe", -1)
	if !utf8.ValidString("ä") {
		t.Fatal("source is not UTF-8")
	}
}

// All characters that have another case, among them those beyond ASCII that have one
// in it: every way to look for one finds it, also where it decides which records and
// blocks are read.
func TestACharacterIsFoundByItselfWhateverItsCases(t *testing.T) {
	var summarizer skipdata.Summarizer
	crossing := 0
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		cases := []rune{unicode.ToLower(r), unicode.ToUpper(r), unicode.SimpleFold(r)}
		if cases[0] == r && cases[1] == r && cases[2] == r || !skipdata.IsWord(r) {
			continue
		}
		if slices.Min(cases) < utf8.RuneSelf {
			crossing++
		}
		c := string(r)
		e := event("h"+c, "a"+c, "", "", "", "x "+c+" "+c+"x")
		records := syslog.AppendRecord(nil, e)
		skip := summarizer.Append(nil, records)
		queries := []string{c, c + "x", c + "*", `"x ` + c + `"`, "host:h" + c, "app:*" + c, "message:" + c + "x", "/x " + c + "/", "/" + c + "/i", "host:/" + c + "$/"}
		found := make([]bool, len(queries))
		s := sieveOf(t, queries...)
		s.Each(records, func(query int, _ *syslog.Event) { found[query] = true })
		for i, q := range s.queries {
			if !found[i] || !q.may(skip) {
				t.Errorf("%s (%U): found %t, its block may hold it %t", queries[i], r, found[i], q.may(skip))
			}
		}
	}
	if crossing < 3 {
		t.Errorf("only %d characters have a case in ASCII", crossing)
	}
}

func TestWhatIsBeyondASCIIIsNotTakenForASCII(t *testing.T) {
	for _, c := range [][2]string{{"İ", "i"}, {"\u212a", "k"}, {"ſ", "s"}} {
		for _, around := range []string{"", "ä"} { // compared by octets, and by characters
			beyond, ascii := newPattern(around+c[0], false, false), newPattern(around+c[1], false, false)
			if beyond.within([]byte(around+c[1])) || ascii.within([]byte(around+c[0])) {
				t.Errorf("%q is taken for %q", around+c[0], around+c[1])
			}
		}
	}
}
