package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files writes a main file and its conf.d, and returns the main file's path.
func files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "main.toml")
}

func TestTheLastFileWinsAndIsNamed(t *testing.T) {
	f, err := Load(files(t, map[string]string{
		"main.toml":           "state = \"a\"\n[log]\nsync = \"os\"\n",
		"conf.d/10-b.toml":    "\nstate = \"b\"\n",
		"conf.d/20-c.toml":    "\n\nstate = \"c\"\n",
		"conf.d/.hidden.toml": "state = \"d\"\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Text("state"); got != "c" {
		t.Errorf("state is %q", got)
	}
	all := f.Overrides()
	if len(all) != 1 || all[0].Key != "state" || !strings.HasSuffix(all[0].Pos.String(), "20-c.toml:3:1") || !strings.HasSuffix(all[0].Before.String(), "10-b.toml:2:1") {
		t.Errorf("it is said that %v", all)
	}
}

func TestAKeyThatIsTwoSortsOfThingsIsNamedWithBothPlaces(t *testing.T) {
	f, err := Load(files(t, map[string]string{
		"main.toml":        "[[input]]\ntype = \"tcp\"\n",
		"conf.d/one.toml":  "[input]\ntype = \"udp\"\n",
		"conf.d/zero.toml": "log = 5\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	err = f.Check()
	if err == nil {
		t.Fatal("nothing is said of it")
	}
	for _, want := range []string{"one.toml:1:2: input is a table, [input], here and an array of tables, [[input]], at ", "main.toml:1:3"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("it is said: %v", err)
		}
	}
}

// A mistake in one table ends reading before others: that they were not read is no
// mistake of theirs.
func TestTablesThatAMistakeElsewhereKeptFromBeingReadAreNotBlamed(t *testing.T) {
	var doc document
	f, err := Parse("main.toml", []byte("[[input]]\ntype = \"tcp\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if err := f.Check(); err == nil || !strings.Contains(err.Error(), "main.toml:1:3: [[input]] of type \"tcp\" is not read") {
		t.Errorf("of a table that nobody reads it is said: %v", err)
	}
	f.Errorf("state", "is wrong")
	if err := f.Check(); err == nil || strings.Contains(err.Error(), "not read") {
		t.Errorf("beside a mistake it is said: %v", err)
	}
}

func TestACredentialIsReadFromWhereSystemdPutsIt(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("of systemd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(text, want, wantErr string) {
		t.Helper()
		got, err := readSecret(text, "/")
		if err == nil && got.Value() != want {
			t.Errorf("%s is %q, want %q", text, got.Value(), want)
		}
		if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s: %v, want %q", text, err, wantErr)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	f("credential:token", "", "only the processes of a unit have credentials")
	f("credential:token", "", "systemd-run --pipe --uid=syslane --property=LoadCredential=token:PATH")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	f("credential:token", "of systemd", "")
	f("credential:other", "", "the unit passes none of this name")
	f("credential:../token", "", "names no credential")
	f("(secret)", "", "how a secret is shown")
	f("plain:text", "plain:text", "")
}

func TestFingerprintsTellWhatIsSaidAndNotWhere(t *testing.T) {
	print := func(text string) string {
		t.Helper()
		f, err := Parse("x.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return f.Fingerprint("name")
	}
	t.Setenv("CONFIG_TEST", "b")
	base := print("a = 1\n[t]\nx = \"b\"\n")
	if base != print("# another place\nt = { x = \"${CONFIG_TEST}\" }\nname = \"left out\"\na = 1\n") {
		t.Error("the same, said otherwise, has another fingerprint")
	}
	for _, other := range []string{"a = 2\n[t]\nx = \"b\"\n", "a = 1\n[t]\nx = \"c\"\n", "a = 1\n", "a = \"1\"\n[t]\nx = \"b\"\n"} {
		if base == print(other) {
			t.Errorf("%q has the fingerprint of another", other)
		}
	}
}
