package redact

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

func event(raw string) *syslog.Event {
	e := &syslog.Event{}
	e.Raw = []byte(raw)
	parser.Parse(&e.Message, &parser.Options{Received: time.Now()})
	return e
}

func mustNew(t interface{ Fatal(...any) }, c Config) *Redactor {
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNamedPatternsFindWhatTheirNamesSay(t *testing.T) {
	f := func(name, text, want string) {
		t.Helper()
		e := event("<13>1 - - - - - - " + text)
		mustNew(t, Config{Named: []string{name}}).Apply(e)
		if got := string(e.Field(e.Text)); got != want {
			t.Errorf("%s: of %q remains %q, want %q", name, text, got, want)
		}
	}
	f("card", "paid with 4111 1111 1111 1111.", "paid with REDACTED.")
	f("card", "order 17 4111-1111-1111-1111 x", "order 17 REDACTED x")
	f("card", "378282246310005,5555555555554444", "REDACTED,REDACTED")
	f("card", "4111111111111112 14111111111111111 1700000000000000000", "4111111111111112 14111111111111111 1700000000000000000")
	f("email", "from <jo.e+x@mail.example.org> to b@c", "from <REDACTED> to b@c")
	f("token", "Authorization: Bearer abc.def-123456== ok", "Authorization: REDACTED ok")
	f("token", "key AKIAIOSFODNN7EXAMPLE ghp_0123456789abcdefghijABCDEFGHIJ012345", "key REDACTED REDACTED")
	f("token", "jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_DEF", "jwt=REDACTED")
	f("token", "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- x", "REDACTED x")
}

// In structured data and in what is taken out of a text quotes have a backslash in
// front; in the documents and to searches they have not.
func TestWhatIsEscapedIsFound(t *testing.T) {
	r := mustNew(t, Config{Patterns: []string{`pw="[^"]*"`}})
	e := event(`<13>1 2026-03-04T05:06:00Z h a - - [a@1 l="\"" k="x pw=\"SECRET\" \]y"][b] pw="SECRET" left`)
	e.Extracted = syslog.AppendExtracted(nil, []byte("m"), []byte(`pw="SECRET" left`))
	if !r.Apply(e) {
		t.Error("nothing was found")
	}
	r.ApplyExtracted(e)
	if want := `<13>1 2026-03-04T05:06:00Z h a - - [a@1 l="\"" k="x REDACTED \]y"][b] REDACTED left`; string(e.Raw) != want {
		t.Errorf("it is  %s\nwant %s", e.Raw, want)
	}
	if want := syslog.AppendExtracted(nil, []byte("m"), []byte("REDACTED left")); !bytes.Equal(e.Extracted, want) {
		t.Errorf("the fields are %s, want %s", e.Extracted, want)
	}
	e = event(`<13>1 - h a - - [a@1 l="\""] text`)
	if raw := string(e.Raw); r.Apply(e) || string(e.Raw) != raw || e.Warnings&syslog.WarnTransformed != 0 {
		t.Errorf("what has nothing to be found became %s", e.Raw)
	}
}

func TestEqualValuesStayComparableUnderAKey(t *testing.T) {
	r := mustNew(t, Config{Named: []string{"card"}, Key: []byte("k")})
	e := event("<13>1 - - - - - - 4111111111111111 4111 1111 1111 1111 5555555555554444")
	r.Apply(e)
	words := strings.Fields(string(e.Field(e.Text)))
	if len(words) != 3 || words[0] != words[1] || words[0] == words[2] || !strings.HasPrefix(words[0], "hmac-") {
		t.Errorf("%q", words)
	}
	other := event("<13>1 - - - - - - 4111111111111111")
	mustNew(t, Config{Named: []string{"card"}, Key: []byte("l")}).Apply(other)
	if string(other.Field(other.Text)) == words[0] {
		t.Error("another key gives the same hash")
	}
}

func TestFieldsStayWhereTheyAre(t *testing.T) {
	e := event(`<13>1 2026-03-04T05:06:00Z web1 app 7 ID [a@1 card="4111111111111111" mail="x@y.example"][b@1] to x@y.example now`)
	if !mustNew(t, Config{Named: []string{"card", "email"}}).Apply(e) {
		t.Fatal("nothing was found")
	}
	if got := string(e.Field(e.StructuredData)); got != `[a@1 card="REDACTED" mail="REDACTED"][b@1]` {
		t.Errorf("structured data is %s", got)
	}
	if got := string(e.Field(e.Text)); got != "to REDACTED now" || string(e.Field(e.Hostname)) != "web1" || e.Warnings&syslog.WarnTransformed == 0 {
		t.Errorf("text is %q, host %q, warnings %v", got, e.Field(e.Hostname), e.Warnings)
	}
	want := `<13>1 2026-03-04T05:06:00Z web1 app 7 ID [a@1 card="REDACTED" mail="REDACTED"][b@1] to REDACTED now`
	if string(e.Raw) != want {
		t.Errorf("the octets are %q", e.Raw)
	}
}

func TestMessagesWithoutAMatchAreNotTouched(t *testing.T) {
	e := event("<13>Oct 11 22:14:15 web1 app[7]: text")
	before := *e
	if mustNew(t, Config{Named: Names()}).Apply(e) || &before.Raw[0] != &e.Raw[0] || e.Warnings != before.Warnings {
		t.Error("it was changed")
	}
}

func TestPatternsThatCannotEndAreRefused(t *testing.T) {
	for _, c := range []Config{
		{}, {Named: []string{"cards"}}, {Patterns: []string{"("}}, {Patterns: []string{"x*"}}, {Patterns: []string{"[A-Z]+"}},
		{Patterns: []string{"[a-p]{6}"}, Key: []byte("k"), Replacement: "-"}, {Named: []string{"card"}, Replacement: `"`},
		{Named: []string{"email"}, Replacement: "a@b.example"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// Whatever a message consists of, and whatever stands around the values, nothing
// is left in any octet that is stored, and the event is still one.
func TestRedactionLeavesNoMatchBehind(t *testing.T) {
	redactors := []*Redactor{
		mustNew(t, Config{Named: Names()}),
		mustNew(t, Config{Named: Names(), Key: []byte("k")}),
		mustNew(t, Config{Named: []string{"card"}, Patterns: []string{`web\d`, `"[^"]*secret`, `x.*y`}, Replacement: "x"}),
		mustNew(t, Config{Patterns: []string{`\d\d:\d\d`, `[A-Za-z]@`, `app\S* \S+ `}, Replacement: "*"}),
	}
	part := rapid.OneOf(
		rapid.SampledFrom([]string{"4111111111111111", "4111 1111 1111 1111", "378282246310005", "17 ", "a@b.example", "x@y.z.example",
			"Bearer abcdefgh123", "bearer ", "AKIAIOSFODNN7EXAMPLE", "web1", "web", "1", "secret", "x", "y", `"`, `\`, `]`, `[`, "=", " ", "-",
			`[a@1 k="`, `"]`, "22:14", "basic ", "eyJhbGci.eyJzdWIi.x", "<13>", "app"}),
		rapid.StringN(0, 8, 16),
	)
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(redactors).Draw(t, "redactor")
		text := func(label string) string { return strings.Join(rapid.SliceOfN(part, 0, 8).Draw(t, label), "") }
		header := rapid.SampledFrom([]string{"", "<13>Oct 11 22:14:15 web1 app[7]: ", "<13>1 2026-03-04T05:06:00Z web1 app 7 ID - ",
			"<13>1 - a@b.example 4111111111111111 - - ", `<13>1 2026-03-04T22:14:00Z web1 app 7 ID [a@1 k="4111111111111111" l="secret"] `}).Draw(t, "header")
		e := event(header + text("text"))
		e.Host, e.Path, e.Identity = text("host"), "/var/log/"+text("path"), text("identity")
		r.Apply(e)
		for _, v := range []string{text("field"), text("field")} {
			e.Extracted = syslog.AppendExtracted(e.Extracted, []byte("k"), []byte(v))
		}
		r.ApplyExtracted(e)
		for _, b := range [][]byte{e.Raw, e.Extracted, []byte(e.Host), []byte(e.Path), []byte(e.Identity), bytes.Clone(e.Field(e.Text))} {
			if !r.Clean(b) {
				t.Fatalf("%q is left of %q", b, header)
			}
		}
		var back syslog.Event
		if err := back.Decode(e.AppendTo(nil), nil); err != nil {
			t.Fatalf("%+v: %v", e, err)
		}
		if !syslog.WellFormed(e.Field(e.StructuredData)) {
			t.Fatalf("structured data is %q", e.Field(e.StructuredData))
		}
	})
}

// Structured data that the parser takes stays structured data when the text is
// redacted.
func FuzzStructuredDataOfTheParserIsWellFormed(f *testing.F) {
	f.Add(`[a@1 k="v\"\\\]" l="w"][b]`)
	f.Add(`[a@1  k="v" ]`)
	f.Add(`[a k="]"]`)
	f.Fuzz(func(t *testing.T, sd string) {
		e := event("<13>1 - - - - - " + sd + " text")
		if got := e.Field(e.StructuredData); !syslog.WellFormed(got) {
			t.Errorf("%q", got)
		}
	})
}
