package config

import (
	"strings"
	"testing"
)

func TestErrorsInsideStringsStandWhereTheyAreWritten(t *testing.T) {
	f := func(text, needle, want string) {
		t.Helper()
		file, err := Parse("test.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var c struct {
			Match string `toml:"match"`
		}
		if err := file.Decode(&c); err != nil {
			t.Fatal(err)
		}
		err = file.ErrorInside("match", strings.Index(c.Match, needle), "no")
		if err.Error() != want {
			t.Errorf("in %s: %v, want %s", text, err, want)
		}
	}
	f("\nmatch = 'a and HERE'", "HERE", "test.toml:2:16: match: no")
	f(`match = "ü == \"\u00fc\" HERE"`, "HERE", "test.toml:1:26: match: no")
	f("match = '''\na and\n  HERE'''", "HERE", "test.toml:3:3: match: no")
	f("match = '''a HERE'''", "HERE", "test.toml:1:14: match: no")
	f("match = \"\"\"\na \\\n   HERE\"\"\"", "HERE", "test.toml:3:4: match: no")
	f(`match = "${HOME} HERE"`, "HERE", "test.toml:1:9: match: no")
	f(`match = 'HERE'`, "HERE", "test.toml:1:10: match: no")
}
