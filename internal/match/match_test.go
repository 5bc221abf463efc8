package match

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

// event parses a message as an input does.
func event(raw string) *syslog.Event {
	e := &syslog.Event{Input: "edge", Identity: "web1.example.net", Source: netip.MustParseAddrPort("[::ffff:192.0.2.7]:514")}
	e.Raw = []byte(raw)
	parser.Parse(&e.Message, &parser.Options{Received: time.Now()})
	return e
}

const sample = `<36>1 2026-03-04T05:06:00Z web1 sshd 77 ID9 [a@1 k="v \"q\"" k="w"][b@1] Failed password for root`

func TestConditionsHoldAsTheyRead(t *testing.T) {
	f := func(source string, want bool) {
		t.Helper()
		e, err := Compile(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			return
		}
		var m Message
		m.Reset(event(sample))
		if got := e.Match(&m); got != want {
			t.Errorf("%s: %v", source, got)
		}
		if n, last := e.Errors(); n != 0 {
			t.Errorf("%s: %s", source, last)
		}
	}
	f(`severity <= warning`, true)
	f(`severity < warning`, false)
	f(`severity == "warn"`, true)
	f(`severity in [err, "warning"]`, true)
	f(`severity in emerg..err`, false)
	f(`severity in emerg..warning`, true)
	f(`facility == auth and facility in ["auth", "authpriv"]`, true)
	f(`facility != auth`, false)
	f(`facility not in [auth, authpriv]`, false)
	f(`app == "sshd" && host == "web1" && procid == "77" && msgid == "ID9"`, true)
	f(`app in ["a", "b", "c", "d", "e", "f", "g", "h", "sshd"]`, true)
	f(`message startsWith "Failed" and message endsWith "root" and message contains "password"`, true)
	f(`message matches "(?i)^FAILED \\w+ for"`, true)
	f(`not (message matches "^x")`, true)
	f(`glob(host, "db*", "web?")`, true)
	f(`glob(host, "web[!1]")`, false)
	f(`glob(message, "*[pP]assword*")`, true)
	f(`cidr(source, "10.0.0.0/8", "192.0.2.0/24")`, true)
	f(`cidr(source, "192.0.2.8")`, false)
	f(`source == "192.0.2.7" and identity endsWith ".example.net" and input == "edge"`, true)
	f(`sd["a@1"]["k"] == "v \"q\""`, true)
	f(`sd["a@1"]["none"] == "" and sd["none"]["k"] == ""`, true)
	f(`"b@1" in sd and "c@1" not in sd and "k" in sd["a@1"] and not ("k" in sd["b@1"])`, true)
	f(`format == "rfc5424" and uid == -1 and file == ""`, true)
	f(`lower(app) == "sshd" and len(message) > 10`, true)
	f(`let w = split(message, " "); w[0] == "Failed" and severity <= err`, false)
	f(`any(["root", "admin"], message contains #)`, true)
	f(`severity <= err ? app == "x" : app == "sshd"`, true)
	f(`(app + host)[4:] == "web1"`, true)
	f(`(app == "sshd" ? host : app)[0:2] == "we" and severity <= warning`, true)
	f(`severity <= err or not ((app + host)[4:] != "web1")`, true)
	f(`raw contains "<36>1"`, true)
	f(`"x" in tags or len(tags) > 0`, false)
	f(`true`, true)
}

func TestMistakesAreToldWithTheirPlace(t *testing.T) {
	f := func(source, at, want string) {
		t.Helper()
		_, err := Compile(source)
		e, ok := err.(*Error)
		if !ok {
			t.Errorf("%s: %v", source, err)
			return
		}
		if !strings.Contains(e.Text, want) {
			t.Errorf("%s: %q without %q", source, e.Text, want)
		}
		if got := source[e.Offset:]; !strings.HasPrefix(got, at) {
			t.Errorf("%s: %s: the place is %q", source, e.Text, got)
		}
	}
	f(`app == "ü" and sevrity <= err`, "sevrity", `did you mean "severity"?`)
	f(`severity <= warnin`, "warnin", `did you mean "warning"?`)
	f(`severity <= "warnin"`, `"warnin"`, `did you mean "warning"?`)
	f(`severity == mail`, "mail", "mail is a facility, not a severity")
	f(`facility in [auth, err]`, "err", "err is a severity, not a facility")
	f(`severity <= 8`, "8", "0 to 7")
	f(`app == 3`, "==", "mismatched types string and int")
	f(`app`, "", "expected bool, but got string")
	f(`message matches "("`, `"("`, "missing closing )")
	f(`message matches app`, "app", "want a regular expression in quotes")
	f(`cidr(source, "10.0.0.0/33")`, `"10.0.0.0/33"`, "is no network")
	f(`cidr(source)`, "cidr", "not enough arguments")
	f(`glob(host, "[a")`, `"[a"`, "[ without its class")
	f(`app == "x" and`, "", "unexpected token EOF")
	f(``, "", "unexpected token EOF")
}

func TestWhatCannotBeEvaluatedDoesNotHold(t *testing.T) {
	for _, source := range []string{
		`split(message, " ")[99] == "x"`,
		`not (split(message, " ")[99] == "x")`,
		`not (app == "sshd" and split(message, " ")[99] == "x")`,
	} {
		e, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		var m Message
		m.Reset(event(sample))
		if e.Match(&m) {
			t.Errorf("%s holds", source)
		}
		if n, last := e.Errors(); n != 1 || !strings.Contains(last, "out of range") {
			t.Errorf("%s: %d errors, the last %q", source, n, last)
		}
	}
}

// conditions draws conditions of every form that the compiler knows, and some
// that it leaves to the machine.
func conditions() *rapid.Generator[string] {
	word := rapid.SampledFrom([]string{`"web1"`, `"sshd"`, `""`, `"e"`, `"root"`, `"v \"q\""`, `"192.0.2.7"`, `"rfc5424"`})
	name := rapid.SampledFrom([]string{"host", "app", "procid", "msgid", "message", "source", "identity", "input", "file", "format", "raw",
		`sd["a@1"]["k"]`, `sd["b@1"]["k"]`, `lower(app)`, `trim(message)`})
	level := rapid.SampledFrom([]string{"severity", "emerg", "err", "warning", "notice", "debug", "3", `"warn"`})
	draw := func(t *rapid.T, g *rapid.Generator[string]) string { return g.Draw(t, "part") }
	// compound draws texts whose parts hold together only by their parentheses.
	compound := rapid.Custom(func(t *rapid.T) string {
		a, b, c := draw(t, name), draw(t, name), draw(t, word)
		operand := draw(t, rapid.SampledFrom([]string{
			"(" + a + " + " + b + ")",
			"(" + a + " == " + c + " ? " + a + " : " + b + ")",
			"(severity <= err or " + a + " == " + c + " ? " + b + " : " + c + ")",
			"(" + a + " ?? " + b + ")",
			"(" + a + " + " + b + " | lower())",
			"((" + a + ")[1:] + " + b + ")",
			"(let v = " + a + "; v + " + c + ")",
			"[" + a + ", " + b + "][severity % 2]",
			"(severity < 4 ? split(" + a + `, "e") : [` + a + ", " + b + "])[0]",
			"(split(" + a + ` + "e", "e"))[0]`,
			"map([" + a + ", " + b + "], # + " + c + ")[1]",
			`(sd["a@1"] ?? sd)?.k`,
			"if " + a + " == " + c + " { " + a + " } else { " + b + " }",
		}))
		if !strings.HasPrefix(operand, "(") {
			return "(" + operand + ")"
		}
		return operand + draw(t, rapid.SampledFrom([]string{"", "[1:]", "[:2]", "[0:3]", "[:]", "[(1 - 1):(2 + 1)]", "[1:][:2]"}))
	})
	leaf := rapid.Custom(func(t *rapid.T) string {
		compare := draw(t, rapid.SampledFrom([]string{"==", "!=", "<", "<=", ">", ">="}))
		switch rapid.IntRange(0, 11).Draw(t, "form") {
		case 0:
			return "severity " + compare + " " + draw(t, level)
		case 1:
			return "facility in [auth, \"mail\", " + draw(t, rapid.SampledFrom([]string{"kern", "local0", "7"})) + "]"
		case 2:
			return draw(t, name) + " " + compare + " " + draw(t, word)
		case 3:
			return draw(t, name) + " " + draw(t, rapid.SampledFrom([]string{"contains", "startsWith", "endsWith"})) + " " + draw(t, word)
		case 4:
			return draw(t, name) + " matches " + draw(t, rapid.SampledFrom([]string{`"^[a-z]+"`, `"\\d$"`, `"(?i)ROOT"`}))
		case 5:
			return draw(t, name) + " in [" + draw(t, word) + ", " + draw(t, word) + "]"
		case 6:
			return "cidr(source, " + draw(t, rapid.SampledFrom([]string{`"192.0.2.0/24"`, `"10.0.0.0/8", "::/0"`, `"192.0.2.7"`})) + ")"
		case 7:
			return "glob(" + draw(t, name) + ", " + draw(t, rapid.SampledFrom([]string{`"*s*"`, `"web?"`, `"[a-m]*", "*]*"`})) + ")"
		case 8:
			return draw(t, rapid.SampledFrom([]string{`"a@1" in sd`, `"k" in sd["a@1"]`, `"c@1" in sd`, `len(message) > 5`, `"s\"x" in tags`, `"no" in tags`, `severity in err..notice`}))
		case 9:
			return draw(t, compound) + " " + compare + " " + draw(t, rapid.OneOf(word, name, compound))
		case 10:
			return draw(t, rapid.SampledFrom([]string{"(severity + 1) * 2", "severity + 1 * 2", "-severity ** 2", "(-severity) ** 2", "2 ** (severity - 1)", "(3.0 + severity) / 2"})) + " " +
				compare + " " + draw(t, rapid.SampledFrom([]string{"4", "-9", "9.0", "severity - (1 - facility)", "len((app + host)[1:])"}))
		}
		return draw(t, name) + " == " + draw(t, name)
	})
	var tree func(depth int) *rapid.Generator[string]
	tree = func(depth int) *rapid.Generator[string] {
		if depth == 0 {
			return leaf
		}
		return rapid.Custom(func(t *rapid.T) string {
			part := func() string { return tree(rapid.IntRange(0, depth-1).Draw(t, "depth")).Draw(t, "part") }
			switch rapid.IntRange(0, 3).Draw(t, "join") {
			case 0:
				return "(" + part() + ") and (" + part() + ")"
			case 1:
				return "(" + part() + ") or (" + part() + ")"
			case 2:
				return "not (" + part() + ")"
			}
			return part()
		})
	}
	return tree(3)
}

// The machine of expr is the naive evaluator: it takes every condition whole.
func TestConditionsAgreeWithTheMachineOfExpr(t *testing.T) {
	messages := []string{
		sample, "", "no header at all", "<13>Oct 11 22:14:15 db2 app[9]: text", "<0>1 - - - - - -",
		`<191>1 2026-03-04T05:06:00Z WEB1 SSHD - - [b@1 k="x\]y"][a@1 k=""][a@1 k="web1"] sshd`,
		`<13>1 - - - - - [tags@32473 other="no" tag="t" tag="s\"x"] tagged`,
		"<85>1 - web1 root - - - \xff\xfe sshd\n192.0.2.7 e",
	}
	rapid.Check(t, func(t *rapid.T) {
		source := conditions().Draw(t, "condition")
		e, err := Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		program, err := compileMachine(source)
		if err != nil {
			t.Fatal(err)
		}
		var m Message
		for _, raw := range messages {
			m.Reset(event(raw))
			if got, want := e.Match(&m), e.machine(program)(&m); got != want {
				t.Fatalf("%s of %q: %v, the machine says %v", source, raw, got, want)
			}
		}
	})
}

func TestConditionsOfComparisonsAllocateNothing(t *testing.T) {
	e, err := Compile(`severity <= warning and app startsWith "ssh" and host in ["web1", "web2"] and cidr(source, "192.0.2.0/24") and sd["b@1"]["k"] == ""`)
	if err != nil {
		t.Fatal(err)
	}
	var m Message
	ev := event(sample)
	m.Reset(ev)
	if n := testing.AllocsPerRun(100, func() { m.Reset(ev); e.Match(&m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	const source = `severity <= warning and app startsWith "ssh" and host == "web2"`
	e, err := Compile(source)
	if err != nil {
		b.Fatal(err)
	}
	program, err := compileMachine(source)
	if err != nil {
		b.Fatal(err)
	}
	var m Message
	ev := event(sample)
	run := func(name string, match condition) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Reset(ev)
				match(&m)
			}
		})
	}
	run("native", e.match)
	run("machine", e.machine(program))
}
