package deadletter

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
)

func entry(n int, text string) Entry {
	e := syslog.Event{ID: syslog.MakeID(time.Unix(1, int64(n)), [4]byte{1}, uint32(n))}
	e.Raw = []byte(text)
	e.Text = syslog.Span{End: uint32(len(text))}
	e.Timestamp = syslog.NoTimestamp
	return Entry{Time: time.Unix(100, int64(n)).UTC(), Output: "es", Position: uint64(n), Event: e.AppendTo(nil), Status: 400, Reason: fmt.Sprint("reason ", n)}
}

func mustOpen(t *testing.T, cfg Config) *Store {
	t.Helper()
	if cfg.Output == "" {
		cfg.Output = "es"
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustAppend(t *testing.T, s *Store, entries ...Entry) {
	t.Helper()
	if err := s.Append(entries); err != nil {
		t.Fatal(err)
	}
}

func all(t *testing.T, dir, output string) (entries []Entry, damaged int) {
	t.Helper()
	damaged, err := Each(vfs.OS, dir, output, func(e Entry) error { entries = append(entries, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return entries, damaged
}

func TestEntriesComeBackAsTheyWereAppended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deadletter")
	want := []Entry{entry(1, "<13>text"), entry(2, "not utf-8 \xff\n\x00"), {Time: time.Unix(5, 0).UTC(), Output: "es", Position: 3, Event: []byte("no event")}}
	s := mustOpen(t, Config{Dir: dir})
	mustAppend(t, s, want[:1]...)
	mustAppend(t, s)
	mustAppend(t, s, want[1:2]...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(want); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}
	mustAppend(t, mustOpen(t, Config{Dir: dir}), want[2:]...)
	if got, damaged := all(t, dir, "es"); !reflect.DeepEqual(got, want) || damaged != 0 {
		t.Errorf("got %d entries (%d damaged): %+v", len(got), damaged, got)
	}
}

func TestLinesAreReadableByPeople(t *testing.T) {
	f := func(e Entry, want map[string]any) {
		t.Helper()
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatal(err)
		}
		delete(got, "event")
		delete(got, "id")
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %s", b)
		}
	}
	base := func(key, value string) map[string]any {
		return map[string]any{"time": "1970-01-01T00:01:40.000000007Z", "output": "es", "position": 7.0, "status": 400.0, "reason": "reason 7", key: value}
	}
	f(entry(7, "<13>text"), base("original", "<13>text"))
	f(entry(7, "\xff"), base("original_base64", "/w=="))
}

func TestUnfinishedLineIsCutOffAtOpen(t *testing.T) {
	f := func(left string, want int) {
		t.Helper()
		dir := t.TempDir()
		s := mustOpen(t, Config{Dir: dir})
		mustAppend(t, s, entry(1, "one"))
		s.Close()
		path := filepath.Join(dir, "es.ndjson")
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		file.WriteString(left)
		file.Close()
		mustAppend(t, mustOpen(t, Config{Dir: dir}), entry(2, "two"))
		got, damaged := all(t, dir, "es")
		if len(got) != 2 || got[1].Position != 2 || damaged != want {
			t.Errorf("after %.20q: %d entries, %d damaged", left, len(got), damaged)
		}
	}
	f("", 0)
	f(`{"time":`, 0)
	f(strings.Repeat("x", 200_000), 0)
	f(strings.Repeat("\x00", 4096), 0)
	f("damaged\n", 1)
	f("damaged\n{", 1)
}

func TestFullFilesAreSealedAndTheOldestRemoved(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir, FileSize: 2000, TotalSize: 5000})
	const n = 200
	for i := range n {
		mustAppend(t, s, entry(i, strings.Repeat("x", i%50)))
	}
	got, damaged := all(t, dir, "es")
	if damaged != 0 || len(got)+int(s.Removed()) != n || s.Removed() == 0 {
		t.Fatalf("%d there, %d removed, %d damaged", len(got), s.Removed(), damaged)
	}
	for i, e := range got {
		if e.Position != uint64(n-len(got)+i) {
			t.Fatalf("entry %d has position %d", i, e.Position)
		}
	}
	names, _ := vfs.OS.List(dir)
	total := int64(0)
	for _, name := range names {
		info, _ := vfs.OS.Stat(filepath.Join(dir, name))
		total += info.Size
	}
	if total > 5000+2*2000+1000 {
		t.Errorf("%d octets in %v", total, names)
	}
	// One call with more than fits into a file, and an entry larger than a file.
	var many []Entry
	for i := range 50 {
		many = append(many, entry(n+i, "m"))
	}
	mustAppend(t, s, many...)
	mustAppend(t, s, entry(n+50, strings.Repeat("z", 10_000)))
	if got, _ := all(t, dir, "es"); got[len(got)-1].Position != n+50 {
		t.Errorf("the last entry has position %d", got[len(got)-1].Position)
	}
}

func TestReplayRemovesWhatWasTaken(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir, FileSize: 2000})
	for i := range 50 {
		mustAppend(t, s, entry(i, "text"))
	}
	stop := errors.New("stop")
	seen := 0
	if err := s.Replay(func(e []Entry) error {
		if seen += len(e); seen > 20 {
			return stop
		}
		return nil
	}); !errors.Is(err, stop) {
		t.Fatalf("Replay returned %v", err)
	}
	left, _ := all(t, dir, "es")
	if len(left) == 0 || len(left) == 50 || left[len(left)-1].Position != 49 {
		t.Fatalf("%d entries are left", len(left))
	}
	var taken []Entry
	if err := s.Replay(func(e []Entry) error { taken = append(taken, e...); return nil }); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(taken, left) {
		t.Errorf("replayed %d of %d", len(taken), len(left))
	}
	mustAppend(t, s, entry(99, "after"))
	if got, _ := all(t, dir, "es"); len(got) != 1 || got[0].Position != 99 {
		t.Errorf("%d entries after the replay", len(got))
	}
}

func TestReplayKeepsDamagedLines(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "es.ndjson"), []byte("damaged\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, Config{Dir: dir})
	mustAppend(t, s, entry(1, "one"))
	n := 0
	if err := s.Replay(func(e []Entry) error { n += len(e); return nil }); err != nil || n != 1 {
		t.Fatalf("%d entries, %v", n, err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "es~000000000001.ndjson.bad")); err != nil || !strings.HasPrefix(string(got), "damaged\n") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestOutputsOfAnyNameHaveFilesOfTheirOwn(t *testing.T) {
	dir := t.TempDir()
	names := []string{"es", "es~000000000001", "../up", "a/b", "a=2Fb", ".hidden", "über", "es.ndjson"}
	for i, name := range names {
		mustAppend(t, mustOpen(t, Config{Dir: dir, Output: name}), entry(i, name))
	}
	got, err := Outputs(vfs.OS, dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, name := range got {
		seen[name] = true
	}
	for i, name := range names {
		if e, _ := all(t, dir, name); !seen[name] || len(e) != 1 || e[0].Position != uint64(i) {
			t.Errorf("output %q: listed %v, %d entries", name, seen[name], len(e))
		}
	}
	if none, err := Outputs(vfs.OS, filepath.Join(dir, "none")); err != nil || none != nil {
		t.Errorf("a folder that is not there: %v, %v", none, err)
	}
}
