package e2e

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// oldLines is how many lines the file of a test has: one for each hour from
// oldStart, so that the years change within.
const oldLines = 150_000

var oldStart = time.Date(2003, 2, 1, 0, 0, 0, 0, time.UTC)

func oldLine(n int) string {
	at := oldStart.Add(time.Duration(n) * time.Hour).Format(time.Stamp)
	return fmt.Sprintf("%s host%d app[%d]: line %d of an old file\n", at, n%7, n%1000, n)
}

// writeOld writes the lines to a file, compressed by its name, which was last
// changed when the last line was written.
func writeOld(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var w interface {
		Write([]byte) (int, error)
		Close() error
	} = f
	switch filepath.Ext(path) {
	case ".gz":
		w = gzip.NewWriter(f)
	case ".zst":
		if w, err = zstd.NewWriter(f); err != nil {
			t.Fatal(err)
		}
	}
	var text []byte
	for n := range oldLines {
		text = append(text, oldLine(n)...)
	}
	if _, err = w.Write(text); err == nil {
		err = w.Close()
	}
	last := oldStart.Add(oldLines * time.Hour)
	if err == nil {
		err = os.Chtimes(path, last, last)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// An import is killed at arbitrary moments and so is the collector; in the end
// each line is there once, in its year, however the file is compressed next time.
func TestEveryOldLineIsImportedOnceThoughBothSidesAreKilled(t *testing.T) {
	relp := proc.FreeAddr(t)
	node := syslane.Start(t, "collector", fmt.Sprintf("[[input]]\ntype = \"relp\"\nlisten = %q\n", relp))
	dir := t.TempDir()
	plain, gz, zst := filepath.Join(dir, "old.log"), filepath.Join(dir, "old.gz"), filepath.Join(dir, "old.zst")
	for _, path := range []string{plain, gz, zst} {
		writeOld(t, path)
	}
	command := func(path string) []string {
		return []string{syslane.Binary(t), "import", "--server", relp, "--zone", "UTC", path}
	}
	kills := 0
	for i := range 12 {
		path := []string{plain, gz, zst}[i%3]
		p := proc.Start(t, proc.Config{Name: "import", Args: command(path), Log: filepath.Join(dir, "import.log")})
		err := p.Wait(time.Duration(80+40*i) * time.Millisecond)
		if err == nil {
			break
		}
		if i%4 == 3 {
			node.Kill() // the import waits for it and goes on
			node.Restart(t)
		} else {
			p.Kill()
		}
		kills++
	}
	out, err := exec.Command(command(gz)[0], command(gz)[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("after %d kills: %s", kills, out)
	out, err = exec.Command(command(zst)[0], command(zst)[1:]...).CombinedOutput()
	if want := fmt.Sprintf("%s: %d messages: 0 imported (0 unparsed, 0 cut), %d already there", zst, oldLines, oldLines); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%v: %s\nwant %s", err, out, want)
	}

	seen := make([]bool, oldLines)
	node.Each(t, func(source []byte) error {
		var d struct {
			Timestamp time.Time `json:"@timestamp"`
			Message   string    `json:"message"`
		}
		if err := json.Unmarshal(source, &d); err != nil {
			return err
		}
		var n int
		if _, err := fmt.Sscanf(d.Message, "line %d of an old file", &n); err != nil || n >= oldLines {
			return fmt.Errorf("foreign document %s", source)
		}
		if seen[n] {
			return fmt.Errorf("line %d is there twice", n)
		}
		seen[n] = true
		if want := oldStart.Add(time.Duration(n) * time.Hour); !d.Timestamp.Equal(want) {
			return fmt.Errorf("line %d is of %v, want %v", n, d.Timestamp, want)
		}
		return nil
	})
	for n, ok := range seen {
		if !ok {
			t.Fatalf("line %d is missing", n)
		}
	}
}

func TestAnImportSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.log")
	if err := os.WriteFile(path, []byte("Oct 11 22:14:15 host app: text\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := func(want string, args ...string) {
		t.Helper()
		out, err := exec.Command(syslane.Binary(t), append([]string{"import"}, args...)...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("import %q: %v: %s\nwant %q", args, err, out, want)
		}
	}
	f("the collector takes nothing: connect: dial", "--server", proc.FreeAddr(t), "--patience", "1ms", path)
	f("no such file", "--server", proc.FreeAddr(t), filepath.Join(dir, "none"))
	f("neither a time zone", "--zone", "here", path)
	f("--max-message-size", "--max-message-size", "1", "--max-message-size", "100MiB", path)
	f("cert_file and key_file belong together", "--cert", path, path)
}
