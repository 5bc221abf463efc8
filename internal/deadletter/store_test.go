package deadletter

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
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

func TestReplayRemovesWhatWasTakenAlsoBesideTheStore(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir, FileSize: 2000})
	for i := range 50 {
		mustAppend(t, s, entry(i, "text"))
	}
	stop := errors.New("stop")
	seen := 0
	sum, err := Replay(vfs.OS, dir, "es", func(e []Entry) ([]Entry, error) {
		if seen += len(e); seen > 20 {
			return nil, stop
		}
		return nil, nil
	})
	if !errors.Is(err, stop) {
		t.Fatalf("Replay returned %v", err)
	}
	left, _ := all(t, dir, "es")
	if len(left) == 0 || len(left) != 50-sum.Taken || left[len(left)-1].Position != 49 {
		t.Fatalf("%d entries are left, %+v", len(left), sum)
	}
	var taken []Entry
	sum, err = Replay(vfs.OS, dir, "es", func(e []Entry) ([]Entry, error) { taken = append(taken, e...); return nil, nil })
	if err != nil || sum != (Replayed{Taken: len(left)}) {
		t.Fatal(sum, err)
	}
	if !reflect.DeepEqual(taken, left) {
		t.Errorf("replayed %d of %d", len(taken), len(left))
	}
	for i := range 30 { // the open Store goes on, in new files
		mustAppend(t, s, entry(99+i, "after"))
	}
	if got, _ := all(t, dir, "es"); len(got) != 30 || got[0].Position != 99 {
		t.Errorf("%d entries after the replay", len(got))
	}
}

func TestReplayKeepsWhatIsRefusedAgainWithItsNewReason(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir})
	for i := range 10 {
		mustAppend(t, s, entry(i, "text"))
	}
	for range 2 {
		before, _ := all(t, dir, "es")
		sum, err := Replay(vfs.OS, dir, "es", func(e []Entry) ([]Entry, error) {
			refused := slices.Clone(e[1:])
			for i := range refused {
				refused[i].Reason = "still not"
			}
			return refused, nil
		})
		if want := (Replayed{Taken: 1, Refused: len(before) - 1}); err != nil || sum != want {
			t.Fatalf("%+v, %v, want %+v", sum, err, want)
		}
		after, _ := all(t, dir, "es")
		if len(after) != len(before)-1 || after[0].Reason != "still not" || after[0].Position != before[1].Position {
			t.Fatalf("%d entries, the first %+v", len(after), after[0])
		}
	}
}

// What a replay of root has left, the service may not read.
func TestAFileThatCannotBeReadIsNotRemovedForRoom(t *testing.T) {
	for _, failure := range []error{syscall.EACCES, syscall.EIO} {
		disk := newDisk(t)
		cfg := Config{Dir: "state/deadletter", Output: "es", FS: disk, FileSize: 2000, TotalSize: 5000}
		s := mustOpen(t, cfg)
		mustAppend(t, s, entry(0, "first"), entry(1, "second"))
		if _, err := Replay(disk, cfg.Dir, "es", func(e []Entry) ([]Entry, error) { return e, nil }); err != nil {
			t.Fatal(err)
		}
		left, err := listFull(disk, cfg.Dir, "es")
		if err != nil || len(left) != 1 {
			t.Fatalf("the replay left %q, %v", left, err)
		}
		path := filepath.Join(cfg.Dir, left[0])
		disk.SetHook(func(op vfs.Op) error {
			if op.Name == path && (op.Kind == vfs.OpOpen && failure == syscall.EACCES || op.Kind == vfs.OpRead) {
				return failure
			}
			return nil
		})
		for i := range 200 {
			mustAppend(t, s, entry(2+i, "text"))
		}
		disk.SetHook(nil)
		if s.Removed() == 0 {
			t.Fatal("nothing was removed")
		}
		if names, err := listFull(disk, cfg.Dir, "es"); err != nil || !slices.Contains(names, left[0]) {
			t.Errorf("%v: of %q only %q are left, %v", failure, left, names, err)
		}
	}
}

func TestADeadLetterThatMayNotBeOpenedIsAnErrorThatSaysWhatToDo(t *testing.T) {
	disk := newDisk(t)
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpOpen {
			return syscall.EACCES
		}
		return nil
	})
	_, err := Open(Config{Dir: "state/deadletter", Output: "es", FS: disk})
	if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "state/deadletter/es.ndjson") || !strings.Contains(err.Error(), "chown") {
		t.Errorf("Open returned %v", err)
	}
}

func TestWhatReplaysLeaveTakesNoMoreRoomThanFullFiles(t *testing.T) {
	broken := errors.New("the server is down")
	replays := map[string]func([]Entry) ([]Entry, error){
		"fail":             func([]Entry) ([]Entry, error) { return nil, broken },
		"are refused":      func(e []Entry) ([]Entry, error) { return e, nil },
		"are rarely there": nil,
	}
	for name, replay := range replays {
		dir := t.TempDir()
		s := mustOpen(t, Config{Dir: dir, FileSize: 2000, TotalSize: 5000})
		const n = 150
		for i := range n {
			mustAppend(t, s, entry(i, strings.Repeat("x", i%50)))
			switch {
			case replay != nil && i%5 == 4:
				if _, err := Replay(vfs.OS, dir, "es", replay); err != nil && !errors.Is(err, broken) {
					t.Fatal(err)
				}
			case replay == nil && i == 20:
				if _, err := Replay(vfs.OS, dir, "es", replays["are refused"]); err != nil {
					t.Fatal(err)
				}
			}
		}
		names, err := vfs.OS.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		total := int64(0)
		for _, name := range names {
			info, err := vfs.OS.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			total += info.Size
		}
		if total > 5000+2*2000+1000 {
			t.Errorf("replays that %s: %d octets in %d files", name, total, len(names))
		}
		got, damaged := all(t, dir, "es")
		if damaged != 0 || s.Removed() == 0 {
			t.Errorf("replays that %s: %d there, %d removed, %d damaged", name, len(got), s.Removed(), damaged)
		}
		// The oldest are gone, and no others.
		there := make(map[uint64]bool)
		for _, e := range got {
			there[e.Position] = true
		}
		for i := range uint64(len(there)) {
			if !there[n-1-i] {
				t.Errorf("replays that %s: of %d entries %d is not there", name, len(there), n-1-i)
				break
			}
		}
	}
}

// Whatever a replay does while the Store appends, each entry is replayed or there.
func TestNothingIsLostBetweenAStoreAndReplaysBesideIt(t *testing.T) {
	const n = 600
	dir := t.TempDir()
	s := mustOpen(t, Config{Dir: dir, FileSize: 3000})
	there := map[uint64]bool{}
	done := make(chan error, 1)
	go func() {
		for i := range n {
			if err := s.Append([]Entry{entry(i, "text")}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	replay := func() {
		if _, err := Replay(vfs.OS, dir, "es", func(e []Entry) ([]Entry, error) {
			for i := range e {
				there[e[i].Position] = true
			}
			return nil, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			running = false
		default:
		}
		replay()
	}
	if len(there) != n {
		t.Errorf("%d of %d entries", len(there), n)
	}
}

func TestReplayKeepsDamagedLines(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "es.ndjson"), []byte("damaged\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, Config{Dir: dir})
	mustAppend(t, s, entry(1, "one"))
	sum, err := Replay(vfs.OS, dir, "es", func([]Entry) ([]Entry, error) { return nil, nil })
	if err != nil || sum != (Replayed{Taken: 1, Damaged: 1}) {
		t.Fatal(sum, err)
	}
	bad, _ := filepath.Glob(filepath.Join(dir, "es~*.ndjson.bad"))
	if len(bad) != 1 {
		t.Fatalf("files %q", bad)
	}
	if got, err := os.ReadFile(bad[0]); err != nil || !strings.HasPrefix(string(got), "damaged\n") {
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
