package transform

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/redact"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

func event(raw string) *syslog.Event {
	e := &syslog.Event{ID: syslog.MakeID(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), [4]byte{}, 0)}
	e.Raw = []byte(raw)
	parser.Parse(&e.Message, &parser.Options{Received: e.ID.Received()})
	return e
}

func field(t interface{ Fatal(...any) }, s string) Field {
	f, err := ParseField(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// applied is what becomes of a message.
func applied(t interface{ Fatal(...any) }, raw string, transforms ...*Transform) *syslog.Event {
	e := event(raw)
	var m match.Message
	m.Reset(e)
	NewChain(transforms).Apply(&m, e)
	return e
}

func TestFieldsAreSetMovedAndRemoved(t *testing.T) {
	f := func(raw, want string, tr *Transform) {
		t.Helper()
		e := applied(t, raw, tr)
		if string(e.Raw) != want {
			t.Errorf("of %s became\n%s, want\n%s", raw, e.Raw, want)
		}
		// What is in the octets is what the fields say.
		again := event(want)
		for _, s := range []struct{ a, b syslog.Span }{{e.Hostname, again.Hostname}, {e.AppName, again.AppName}, {e.ProcID, again.ProcID},
			{e.MsgID, again.MsgID}, {e.StructuredData, again.StructuredData}, {e.Text, again.Text}} {
			if string(e.Field(s.a)) != string(again.Field(s.b)) {
				t.Errorf("of %s: %q is %q when read again", raw, e.Field(s.a), again.Field(s.b))
			}
		}
		if e.Facility != again.Facility || e.Severity != again.Severity || e.Warnings&syslog.WarnTransformed == 0 {
			t.Errorf("of %s: priority %v.%v, warnings %v", raw, e.Facility, e.Severity, e.Warnings)
		}
	}
	const message = `<34>1 2026-03-04T05:06:00Z web1 su 77 ID9 [a@1 k="v" l="w"][b@1] text`
	set := func(name, value string) *Transform {
		return &Transform{Set: []Assignment{{field(t, name), value}}}
	}
	f(message, `<34>1 2026-03-04T05:06:00Z db1 su 77 ID9 [a@1 k="v" l="w"][b@1] text`, set("host", "db1"))
	f(message, `<38>1 2026-03-04T05:06:00Z web1 su 77 ID9 [a@1 k="v" l="w"][b@1] text`, set("severity", "info"))
	f(message, `<130>1 2026-03-04T05:06:00Z web1 su 77 ID9 [a@1 k="v" l="w"][b@1] text`, set("facility", "local0"))
	f(message, `<34>1 2026-03-04T05:06:00Z web1 su 77 ID9 [a@1 l="w" k="x\"\]"][b@1] text`, set(`sd["a@1"]["k"]`, `x"]`))
	f(message, `<34>1 2026-03-04T05:06:00Z web1 su 77 ID9 [a@1 k="v" l="w"][b@1][c@1 n="1"] text`, set(`sd["c@1"]["n"]`, "1"))
	f(message, `<34>1 2026-03-04T05:06:00Z web1 su - ID9 [b@1] text`, &Transform{Remove: []Field{field(t, "procid"), field(t, `sd["a@1"]`)}})
	f(message, `<34>1 2026-03-04T05:06:00Z web1 su 77 ID9 [a@1 l="w"][b@1]`, &Transform{Remove: []Field{field(t, "message"), field(t, `sd["a@1"]["k"]`)}})
	f(message, `<34>1 2026-03-04T05:06:00Z v su 77 ID9 [a@1 l="w"][b@1] text`, &Transform{Rename: []Move{{field(t, `sd["a@1"]["k"]`), field(t, "host")}}})
	f(message, `<34>1 2026-03-04T05:06:00Z web1 su 77 ID9 [b@1][z@1 k="v" l="w"] text`, &Transform{Rename: []Move{{field(t, `sd["a@1"]`), field(t, `sd["z@1"]`)}}})
	f(message, `<34>1 2026-03-04T05:06:00Z web1 su 77 ID9 [a@1 k="v" l="w"][b@1][tags@32473 tag="x" tag="y"] text`, &Transform{Tags: []string{"x", "y", "x"}})
	f("<13>no header", "<13>1 2026-03-04T05:06:07Z - app - - - no header", set("app", "app"))
}

func TestWhatChangesNothingLeavesTheOctetsAlone(t *testing.T) {
	e := applied(t, "<34>1 - web1 su 77 - - text",
		&Transform{Remove: []Field{field(t, "msgid"), field(t, `sd["a@1"]["k"]`)}, Rename: []Move{{field(t, `sd["a@1"]["k"]`), field(t, "host")}}},
		&Transform{Match: compile(t, `app == "x"`), Tags: []string{"x"}})
	if string(e.Raw) != "<34>1 - web1 su 77 - - text" || e.Warnings&syslog.WarnTransformed != 0 {
		t.Errorf("it is %q", e.Raw)
	}
}

func compile(t *testing.T, source string) *match.Expr {
	e, err := match.Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLaterTransformsSeeWhatEarlierOnesDid(t *testing.T) {
	r, err := redact.New(redact.Config{Named: []string{"email"}})
	if err != nil {
		t.Fatal(err)
	}
	e := applied(t, "<34>1 2026-03-04T05:06:00Z web1 su 77 - - to a@b.example",
		&Transform{Tags: []string{"mail"}}, &Transform{Match: compile(t, `"mail" in tags`), Redact: r},
		&Transform{Match: compile(t, `message == "to REDACTED"`), Set: []Assignment{{field(t, "msgid"), "M"}}})
	if want := `<34>1 2026-03-04T05:06:00Z web1 su 77 M [tags@32473 tag="mail"] to REDACTED`; string(e.Raw) != want {
		t.Errorf("it is %s, want %s", e.Raw, want)
	}
}

func TestSamplingKeepsTheShareThatIsAskedFor(t *testing.T) {
	count := func(s *Sample, text func(i int) string) (kept int) {
		chain := NewChain([]*Transform{{Sample: s}})
		var m match.Message
		for i := range 10_000 {
			e := event("<13>1 - " + text(i) + " a - - - x")
			m.Reset(e)
			if chain.Apply(&m, e).Dropped < 0 {
				kept++
			}
		}
		return kept
	}
	if n := count(&Sample{OneIn: 10}, func(int) string { return "h" }); n != 1000 {
		t.Errorf("one in 10 of 10000 is %d", n)
	}
	if n := count(&Sample{OneIn: 10, By: match.Text("host")}, func(i int) string { return fmt.Sprint("host", i) }); n < 800 || n > 1200 {
		t.Errorf("one in 10 of 10000 hosts is %d", n)
	}
	for i := range 20 {
		if n := count(&Sample{OneIn: 4, By: match.Text("host")}, func(int) string { return fmt.Sprint("host", i) }); n != 0 && n != 10_000 {
			t.Errorf("of one host %d of 10000 are kept", n)
		}
	}
}

// Any transform of any message leaves an event that can be stored and read again.
func TestTransformedEventsCanBeStored(t *testing.T) {
	names := rapid.SampledFrom([]string{"host", "app", "procid", "msgid", "message", `sd["a@1"]["k"]`, `sd["b"]["l"]`})
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.OneOf(rapid.SampledFrom([]string{`<34>1 2026-03-04T05:06:00Z web1 su 77 ID9 [a@1 k="v\"" k="w"][b] ` + "\xEF\xBB\xBFtext", "<13>Oct 11 22:14:15 web1 app[7]: text"}), rapid.String()).Draw(t, "raw")
		tr := &Transform{
			Rename: []Move{{field(t, names.Draw(t, "from")), field(t, names.Draw(t, "to"))}},
			Remove: []Field{field(t, names.Draw(t, "removed"))},
			Set:    []Assignment{{field(t, names.Draw(t, "set")), rapid.String().Draw(t, "value")}},
			Tags:   []string{rapid.String().Draw(t, "tag")},
		}
		e := applied(t, raw, tr)
		var back syslog.Event
		if err := back.Decode(e.AppendTo(nil), nil); err != nil {
			t.Fatal(err)
		}
		if !syslog.WellFormed(e.Field(e.StructuredData)) {
			t.Fatalf("structured data is %q", e.Field(e.StructuredData))
		}
	})
}
