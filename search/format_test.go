package search

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/ecs"
)

func TestTextFormIsOneHarmlessLine(t *testing.T) {
	f := func(host, app, procid, text, want string) {
		t.Helper()
		e := event(host, app, procid, "", "", text)
		e.Timestamp = time.Date(2026, 1, 31, 10, 20, 30, 123456789, time.UTC).UnixNano()
		doc := ecs.AppendDocument(nil, e, ecs.Options{})
		got, err := AppendText(nil, doc, time.FixedZone("", 3600))
		if err != nil || string(got) != want {
			t.Errorf("%q %v, want %q", got, err, want)
		}
		safe := AppendJSON(nil, doc)
		var a, b any
		if err := json.Unmarshal(doc, &a); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(safe, &b); err != nil {
			t.Fatal(err)
		}
		if x, y := mustMarshal(t, a), mustMarshal(t, b); x != y {
			t.Errorf("JSON for terminals says something else:\n%s\n%s", x, y)
		}
		for _, out := range []string{string(got), string(safe)} {
			for _, r := range out {
				if r < ' ' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 || strings.ContainsRune("\u202e\u2066\u200b\u2028", r) {
					t.Errorf("%q reaches the terminal", r)
				}
			}
		}
	}
	f("web1", "sshd", "42", "hello", "2026-01-31 11:20:30.123 web1 sshd[42]: hello")
	f("web1", "kernel", "", "a\tb", "2026-01-31 11:20:30.123 web1 kernel: a\tb")
	f("web1", "", "", "x", "2026-01-31 11:20:30.123 web1: x")
	f("", "", "7", "x", "2026-01-31 11:20:30.123 unknown [7]: x")
	f("w\x1b[2J", "a\nb", "", "\x1b]0;owned\a\u009b31m\u202eevil\u2066\u200b\r\n\x7f\U000e0001 ä\u2028",
		`2026-01-31 11:20:30.123 w\x1b[2J a\nb: \x1b]0;owned\x07\x9b31m\u202eevil\u2066\u200b\r\n\x7f\U000e0001 ä\u2028`)
	f("h", "a", "", "not \xff UTF-8", "2026-01-31 11:20:30.123 h a: not \ufffd UTF-8")
}

func mustMarshal(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTimesAreReadAsPeopleWriteThem(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	zone := time.FixedZone("", 3600)
	f := func(in, want string) {
		t.Helper()
		got, err := ParseTime(in, now, zone)
		if err != nil || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v %v, want %s", in, got, err, want)
		}
	}
	f("15m", "2026-01-31T11:45:00Z")
	f("7d", "2026-01-24T12:00:00Z")
	f("2026-01-02", "2026-01-01T23:00:00Z")
	f("2026-01-02 15:04", "2026-01-02T14:04:00Z")
	f("2026-01-02T15:04", "2026-01-02T14:04:00Z")
	f("2026-01-02 15:04:05.5", "2026-01-02T14:04:05.5Z")
	f("2026-01-02T15:04:05Z", "2026-01-02T15:04:05Z")
	f("2026-01-02T15:04:05.123456789-01:00", "2026-01-02T16:04:05.123456789Z")
	for _, in := range []string{"", "yesterday", "15", "2026-13-01", "12:00"} {
		if got, err := ParseTime(in, now, zone); err == nil {
			t.Errorf("%q was taken as %v", in, got)
		}
	}
}
