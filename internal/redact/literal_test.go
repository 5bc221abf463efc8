package redact

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestLiteralsThatAMatchMustHave(t *testing.T) {
	f := func(pattern string, want ...string) {
		t.Helper()
		var got []string
		for _, literal := range literalsOf(pattern) {
			got = append(got, string(literal.octets))
		}
		if !slices.Equal(got, want) {
			t.Errorf("of %s: %q, want %q", pattern, got, want)
		}
	}
	f(`[a-z]+@(?:[a-z]+\.)+[a-z]{2,}`, "@")
	f(`\bglpat-[A-Za-z0-9_-]{16,}`, "glpat-")
	f(`\bgh[pousr]_[A-Z]{20,}|\bgithub_pat_\w+`, "gh", "github_pat_")
	f(`(?:AKIA|ASIA)[A-Z0-9]{16}`, "KIA", "SIA")
	f(`x(user|name)?y+`, "x")
	f(`(?:abc){2,3}`, "abcabc")
	f(`(?:abc)*|x`)
	f(`(?i)Bearer .*`, "bearer ")
	f(`[Bb][Aa][Ss]ic[ :]`, "basic")
	f(`(?i)basic`, "ba")
	f(`\d{3}-\d{4}`, "-")
	f("\ufffd")
	f(`[ab]c?`)
}

// What a pattern finds must not depend on the look before it.
func FuzzLiterals(f *testing.F) {
	f.Add(`[a-z]+@(?:[a-z]+\.)+[a-z]{2,}`, "mail from a@b.example")
	f.Add(`(?s:.)(x|yz)+?$`, "ayz")
	f.Add(`(?i)k`, "\u212a")
	f.Add("\ufffd", "\xff")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := regexp.Compile(pattern)
		if err != nil || len(pattern) > 200 {
			return
		}
		if re.MatchString(text) && !literalsOf(pattern).mayMatch([]byte(text)) {
			t.Fatalf("%q matches %q, and has none of %v", pattern, text, literalsOf(pattern))
		}
	})
}

// addresses is the expression that the comment of findEmails gives.
var addresses = regexp.MustCompile(`[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}`)

// The finder of addresses is the expression that its comment gives.
func FuzzEmails(f *testing.F) {
	f.Add([]byte("from <jo.e+x@mail.example.org> to b@c, a@b.co.x, a@b..de @x.de c@d.ee@f.gh"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, want := findEmails(text, nil), addresses.FindAllIndex(text, -1)
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("in %q at %v, want %v", text, got, want)
		}
	})
}

func TestAddressesAreThoseOfTheExpression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringOf(rapid.SampledFrom([]rune("aZ3.-_@@ <é"))).Draw(t, "text"))
		got, want := findEmails(text, nil), addresses.FindAllIndex(text, -1)
		if !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("in %q at %v, want %v", text, got, want)
		}
	})
}

func BenchmarkMessagesWithNothingToTakeOut(b *testing.B) {
	for _, name := range Names() {
		b.Run(name, func(b *testing.B) {
			r, err := New(Config{Named: []string{name}})
			if err != nil {
				b.Fatal(err)
			}
			e := event(fmt.Sprintf(`<86>1 2026-03-04T05:06:07.890123Z host-7.example.net sshd 4711 ID7 [origin@32473 ip="10.1.2.3"] seq=%09d authentication failure; logname= uid=0 euid=0 tty=NODEVssh rhost 218.188.2.4 port 51234 user=root`, 7))
			b.ReportAllocs()
			for b.Loop() {
				if r.Apply(e) {
					b.Fatal("something was found")
				}
			}
		})
	}
}
