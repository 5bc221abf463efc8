package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// around is what the examples of the documentation leave out.
const around = `
[[input]]
type = "tcp"
listen = "127.0.0.1:1"
[[output]]
type = "relp"
name = "es"
targets = ["127.0.0.1:1"]
[[output]]
type = "relp"
name = "archive"
targets = ["127.0.0.1:1"]
[[output]]
type = "relp"
name = "pager"
targets = ["127.0.0.1:1"]
`

func TestTheExamplesOfTheDocumentationAreGood(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("redact.key", []byte("0123456789abcdef0123456789abcdef"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../../docs/RULES.md", "../../README.md"} {
		text, err := os.ReadFile(filepath.Join(here, name))
		if err != nil {
			t.Fatal(err)
		}
		examples := 0
		for _, part := range strings.Split(string(text), "```toml\n")[1:] {
			example, _, _ := strings.Cut(part, "\n```")
			if !strings.Contains(example, "[[route]]") && !strings.HasSuffix(name, "RULES.md") {
				continue
			}
			examples++
			if _, err := load(t, around+example, t.TempDir()); err != nil {
				t.Errorf("%s:\n%s\n%v", name, example, err)
			}
		}
		if examples == 0 {
			t.Errorf("%s has no examples", name)
		}
	}
}

func TestMistakesInRulesAreToldWithTheirPlace(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, err := load(t, around+text, t.TempDir())
		if err == nil {
			t.Errorf("\n%s\nis taken", text)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("of\n%s\nit is said\n%v\nwithout %q", text, err, w)
			}
		}
	}
	f("[[route]]\nmatch = 'app == \"x\" and sevrity <= err'\nto = [\"es\"]", `test.toml:18:25: route.match: unknown name "sevrity"; did you mean "severity"?`)
	f("[[route]]\nmatch = '''\napp == \"x\" and\n  host = 3'''\nto = [\"es\"]", `test.toml:20:8: route.match: `)
	f("[[route]]\nto = [\"es\", \"archiv\"]", `test.toml:18:13: route.to = "archiv": no output has this name; did you mean "archive"?`)
	f("[[route]]\nname = \"a\"\nto = [\"es\"]\n[[route]]\nname = \"b\"\ndrop = true", `test.toml:20:3: [[route]]: never reached: the route "a"`)
	f("[[route]]\nname = \"a\"\ndrop = true\nmatch = 'true'\n[[route]]\nname = \"a\"\ndrop = true", `test.toml:22:8: route.name = "a": another route has this name`)
	f("[[route]]\nmatch = 'true'", `test.toml:17:3: [[route]]: say where to`)
	f("[[transform]]\nredact = [\"cards\"]", `test.toml:18:11: transform.redact = "cards": no pattern has this name; did you mean "card"?`)
	f("[[transform]]\nredact_patterns = ['a', '(']", `test.toml:18:25: transform.redact_patterns = "(": `)
	f("[[transform]]\nredact_patterns = ['[A-Z]+']", `matches what would stand in its place, "REDACTED"`)
	f("[[transform]]\nhash = { key = \"short\" }\nredact = [\"card\"]", `at least 16 octets`)
	f("[[transform]]\nhash = { key = \"0123456789abcdef\" }", `nothing is named by redact`)
	f("[[transform]]\nset = { ap = \"x\" }", `test.toml:18:7: transform.set: no field "ap" can be changed; did you mean "app"?`)
	f("[[transform]]\nset = { severity = \"loud\" }\nremove = [\"facility\"]\nrename = { app = 'sd[\"x\"]' }", `severity "loud" is none of`, `every message has a facility`, `an element can only become an element`)
	f("[[transform]]\nsample = { one_in = 0, by = \"hots\" }", `want 1 or more`, `did you mean "host"?`)
	f("[[transform]]\nmatch = 'app = 1'", `test.toml:18:14: transform.match: `)
	f("[[limit]]\nrate = 0\nburst = 0\nby = [\"hots\"]\nexcess = \"drp\"", `test.toml:18:8: limit.rate = 0: want how many`, `limit.burst = 0`, `test.toml:20:7: limit.by = "hots": no field has this name; did you mean "host"?`, `want "drop" or "summarise"`)
	f("[[limit]]\nmatch = 'app ='", `key "rate" is missing`)
	f("[[limit]]\nrate = 1\nmatch = 'app =='", `test.toml:19:`)
	f("[dedupe]\nfields = [\"hots\"]", `key "window" is missing`)
	f("[dedupe]\nwindow = \"10s\"\nfields = [\"hots\"]", `test.toml:19:11: dedupe.fields = "hots": no field has this name; did you mean "host"?`)
	f("[[route]]\nto = [\"es\"]\ndedupe = { window = \"48h\" }", `test.toml:19:21: route.dedupe.window = "48h": want a time up to 24h`)
	f("[[route]]\nmatch = 3\ndrop = true", `test.toml:18:9: route.match = 3: want a string`)
}
