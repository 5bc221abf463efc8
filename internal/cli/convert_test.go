package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/convert"
	"github.com/syslane/syslane/internal/node"
)

// converted translates a text and fails where the result is no good configuration.
func converted(t *testing.T, language, text string) (*convert.Draft, string) {
	t.Helper()
	draft, err := translate(language, "/nowhere/the.conf", text)
	if err != nil {
		t.Fatal(err)
	}
	toml := draft.TOML("the.conf")
	for _, e := range wrong(withFiles(t).Replace(toml)) {
		// Who may come in must be said before it starts, where that has no translation.
		if !strings.Contains(e, "to tell which certificates are good") || len(draft.Lost) == 0 {
			t.Fatalf("%s\nin what was made of\n%s\n----\n%s", e, text, toml)
		}
	}
	return draft, toml
}

// withFiles puts good files in the place of those of another machine, without which
// much of what else is wrong with an input or output would not be found.
func withFiles(t testing.TB) *strings.Replacer {
	ca := peers.NewCA(t)
	cert, key := ca.Issue(t, "host.example.net")
	return strings.NewReplacer("/etc/ssl/ca.pem", ca.File, "/etc/ssl/cert.pem", cert, "/etc/ssl/c.pem", cert, "/etc/ssl/key.pem", key, "/etc/ssl/k.pem", key,
		"/path/to/contrib/gnutls/ca.pem", ca.File, "/path/to/contrib/gnutls/cert.pem", cert, "/path/to/contrib/gnutls/key.pem", key)
}

// wrong returns what "syslane check" finds.
func wrong(toml string) (list []string) {
	f, err := config.Parse("the result", []byte(toml))
	if err == nil {
		_, err = node.Load(f, node.Options{NewLogger: func(node.LoggingConfig) zerolog.Logger { return zerolog.Nop() }})
	}
	var many config.Errors
	switch {
	case errors.As(err, &many):
		for _, e := range many {
			list = append(list, e.Error())
		}
	case err != nil:
		list = []string{err.Error()}
	}
	return list
}

// body returns a configuration without comments, empty lines and the tables that
// every result has.
func body(toml string) string {
	toml, _, _ = strings.Cut(toml, "\n[log]")
	var out []string
	for line := range strings.Lines(toml) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func lost(d *convert.Draft) (list []string) {
	for _, n := range d.Lost {
		list = append(list, n.String()+" "+n.Statement+": "+n.Why)
	}
	return list
}

// Each file of testdata/convert has a configuration, a line of dashes, and the result
// without comments; then, after "NOT TRANSLATED", what must be listed.
func TestConvertTranslates(t *testing.T) {
	files, err := filepath.Glob("testdata/convert/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d cases: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			in, want, _ := strings.Cut(string(text), "\n----\n")
			draft, toml := converted(t, "", in)
			got := body(toml)
			if len(draft.Lost) > 0 {
				got += "\nNOT TRANSLATED\n" + strings.ReplaceAll(strings.Join(lost(draft), "\n"), "/nowhere/the.conf:", "")
			}
			got = strings.TrimSpace(got)
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, []byte(in+"\n----\n"+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != strings.TrimSpace(want) {
				t.Errorf("it becomes\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestConvertNamesTheFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(name, []byte("$IncludeConfig other.conf\n$IncludeConfig more/*.conf\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "more"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "more", "a.conf"), []byte("\n*.* @192.0.2.7\nnonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := readForeign(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	draft, err := translate("", name, text)
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(lost(draft), "\n")
	for _, want := range []string{"rsyslog.conf:1 ", "other.conf: file does not exist", "a.conf:3 nonsense"} {
		if !strings.Contains(notes, want) {
			t.Errorf("the notes do not have %q:\n%s", want, notes)
		}
	}
	if toml := draft.TOML(name); !strings.Contains(toml, `targets = ["192.0.2.7:514"]`) {
		t.Errorf("what is included is missing:\n%s", toml)
	}
}

// written writes files and returns the first of them, translated, with its notes.
func written(t *testing.T, language string, files map[string]string, first string) (*convert.Draft, string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(dir, first)
	draft, err := translate(language, name, files[first])
	if err != nil {
		t.Fatal(err)
	}
	return draft, strings.Join(lost(draft), "\n")
}

func TestAConfigurationThatIncludesItselfIsReadOnce(t *testing.T) {
	for language, text := range map[string]string{
		"rsyslog":   "$IncludeConfig *.conf\n*.* @192.0.2.7\n",
		"syslog-ng": "@include \"*.conf\"\nlog { source { udp(); }; destination { udp(\"192.0.2.7\"); }; };\n",
	} {
		draft, notes := written(t, language, map[string]string{"a.conf": text}, "a.conf")
		if toml := draft.TOML("a.conf"); !strings.Contains(notes, "includes itself") || strings.Count(toml, `targets = ["192.0.2.7:514"]`) != 1 || len(draft.Lost) != 1 {
			t.Errorf("%s: %s\n%s", language, notes, toml)
		}
	}
}

func TestFilesThatAreTooManyToBeReadAreTold(t *testing.T) {
	for language, statement := range map[string]string{"rsyslog": "$IncludeConfig d*.conf", "syslog-ng": `@include "d*.conf"`} {
		files := map[string]string{"a.conf": statement + "\n", ".d.conf": "an editor's\n"}
		for i := range 250 {
			files[fmt.Sprintf("d%03d.conf", i)] = "\n"
		}
		_, notes := written(t, language, files, "a.conf")
		if strings.Count(notes, "\n") != 0 || !strings.Contains(notes, "more than 200 files") || !strings.Contains(notes, "/d199.conf") && !strings.Contains(notes, "/d200.conf") {
			t.Errorf("%s: %s", language, notes)
		}
	}
}

func TestFiltersThatNameEachOtherInManyWaysAreReadOnceEach(t *testing.T) {
	var b strings.Builder
	b.WriteString("source s { udp(); };\nfilter f0 { filter(f0) and program(\"x\"); };\nfilter f50 { program(\"x\"); };\n")
	for i := 1; i < 50; i++ {
		fmt.Fprintf(&b, "filter f%d { filter(f%d) and filter(f%d); };\n", i, i+1, i+1)
	}
	b.WriteString("log { source(s); filter(f1); destination { file(\"/var/log/x\"); }; };\nlog { source(s); filter(f0); destination { file(\"/var/log/y\"); }; };\n")
	draft, toml := converted(t, "syslog-ng", b.String())
	if notes := strings.Join(lost(draft), "\n"); !strings.Contains(toml, `match = 'app matches "x"'`) || strings.Count(notes, "\n") != 0 || !strings.Contains(notes, "names itself") {
		t.Errorf("%s\n%s", notes, toml)
	}
}

func TestWhatIsNestedWithoutEndOrLargeIsReadInReasonableTime(t *testing.T) {
	for name, text := range map[string]string{
		"conditions":     strings.Repeat(`if $msg contains "a" then `, 100_000),
		"not conditions": strings.Repeat("if a then ", 200_000),
		"else":           strings.Repeat("if $msg contains \"a\" then stop\nelse ", 50_000),
		"negations":      "if " + strings.Repeat("not (", 500_000),
		"lines":          strings.Repeat("x\n", 500_000),
	} {
		begin := time.Now()
		draft, err := translate("rsyslog", "/nowhere/the.conf", text)
		if err != nil || len(draft.Lost) == 0 {
			t.Errorf("%s: %v, %d notes", name, err, len(draft.Lost))
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("%s took %s", name, took)
		}
	}
}

// The corpus is what e2e/setup unpacks of Debian's packages: configurations as they are
// shipped, and every piece of configuration in rsyslog's own documentation.
func TestConvertedConfigurationsOfDebiansPackagesAreGood(t *testing.T) {
	corpus := corpusDir(t)
	pieces := 0
	var statements, untranslated int
	err := filepath.WalkDir(corpus, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		list := []string{string(text)}
		if strings.HasSuffix(path, ".rst.txt") {
			list = snippets(string(text))
		}
		for _, piece := range list {
			pieces++
			language := "rsyslog"
			if strings.Contains(path, "syslog-ng") {
				language = "syslog-ng"
			}
			draft, _ := converted(t, language, piece)
			statements += strings.Count(piece, "\n") + 1
			untranslated += len(draft.Lost)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d configurations and pieces of %d lines, %d statements without a translation", pieces, statements, untranslated)
	if pieces < 500 {
		t.Errorf("the corpus has only %d pieces", pieces)
	}
}

// corpusDir is where e2e/setup keeps the corpus.
func corpusDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("bash", "-c", `. ../../e2e/setup/cache.sh && printf %s "$cache"`).Output()
	if err != nil {
		t.Fatalf("ask e2e/setup/cache.sh for its folder: %v", err)
	}
	dir := filepath.Join(string(out), "corpus")
	if _, err := os.Stat(dir); err != nil {
		peers.LeaveOut(t, fmt.Sprintf("%v: run e2e/setup/install-operations.sh", err))
	}
	return dir
}

// snippets returns the indented blocks of a text in reStructuredText: some are
// configuration, the others are a test of what is none.
func snippets(text string) (list []string) {
	var block []string
	flush := func() {
		if len(block) > 0 {
			list = append(list, strings.Join(block, "\n"))
		}
		block = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "   "):
			block = append(block, strings.TrimPrefix(line, "   "))
		case strings.TrimSpace(line) == "" && len(block) > 0:
			block = append(block, "")
		default:
			flush()
		}
	}
	flush()
	return list
}

func FuzzConvert(f *testing.F) {
	files, _ := filepath.Glob("testdata/convert/*.txt")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		in, _, _ := strings.Cut(string(text), "\n----\n")
		f.Add(in, !syslogNGStatement.MatchString(in))
	}
	here := withFiles(f)
	f.Fuzz(func(t *testing.T, text string, rsyslog bool) {
		if len(text) > 8<<10 {
			return
		}
		language := "syslog-ng"
		if rsyslog {
			language = "rsyslog"
		}
		draft, err := translate(language, "/nowhere/the.conf", text)
		if err != nil {
			t.Fatal(err)
		}
		toml := draft.TOML("the.conf")
		for _, e := range wrong(here.Replace(toml)) {
			// Other files are not here.
			if !strings.Contains(e, "to tell which certificates are good") && !strings.Contains(e, "ca_file") && !strings.Contains(e, "cert_file") && !strings.Contains(e, "key_file") {
				t.Fatalf("%s\nin what was made of\n%q\n----\n%s", e, text, toml)
			}
		}
	})
}
