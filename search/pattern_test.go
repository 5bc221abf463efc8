package search

import (
	"net/netip"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
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
