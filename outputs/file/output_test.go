package file_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/file"
	"github.com/syslane/syslane/outputs/outputtest"
)

var _ outputs.Output = (*file.Output)(nil)

func open(t *testing.T, cfg file.Config) *file.Output {
	t.Helper()
	cfg.Name, cfg.Logger = "out", zerolog.New(zerolog.NewTestWriter(t))
	o, err := file.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// lines returns the lines of all files beneath dir but the note, in the order of
// the names of the files; compressed ones are read as what they hold.
func lines(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".syslane-") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		var r io.Reader = f
		switch {
		case strings.HasSuffix(path, ".gz"):
			if r, err = gzip.NewReader(f); err != nil {
				return err
			}
		case strings.HasSuffix(path, ".zst"):
			z, err := zstd.NewReader(f)
			if err != nil {
				return err
			}
			defer z.Close()
			r = z
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(b)) {
			if !strings.HasSuffix(line, "\n") {
				t.Errorf("%s ends within a line: %q", path, line)
			}
			all = append(all, strings.TrimSuffix(line, "\n"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestConformance(t *testing.T) {
	for _, format := range []string{file.Text, file.JSON, file.Raw} {
		t.Run(format, func(t *testing.T) {
			outputtest.Run(t, func(t *testing.T) outputtest.Subject {
				dir := t.TempDir()
				away := filepath.Join(t.TempDir(), "away")
				logs := filepath.Join(dir, "logs")
				o := open(t, file.Config{Path: filepath.Join(logs, "{host}.log"), Format: format})
				return outputtest.Subject{
					Output:   o,
					Received: func() []string { return lines(t, logs) },
					Break: func() {
						// Its folder is gone, and cannot be made.
						if err := os.Rename(logs, away); err != nil {
							t.Fatal(err)
						}
						if err := os.Symlink("/dev/full/none", logs); err != nil {
							t.Fatal(err)
						}
					},
					Mend: func() {
						os.Remove(logs)
						if err := os.Rename(away, logs); err != nil {
							t.Error(err)
						}
					},
				}
			})
		})
	}
}

// expectOnce checks that the lines are those of the events from 1 to before next,
// each once and in order.
func expectOnce(t *testing.T, lines []string, next uint64) {
	t.Helper()
	for i, line := range lines {
		if want := fmt.Sprintf("message number %d", i+1); !strings.HasSuffix(line, want) {
			t.Fatalf("line %d is %q, want %q", i+1, line, want)
		}
	}
	if uint64(len(lines)) != next-1 {
		t.Fatalf("there are %d lines, want %d", len(lines), next-1)
	}
}

func write(t *testing.T, o *file.Output, first uint64, n int) {
	t.Helper()
	if r := outputtest.WriteAll(t, o, outputtest.Batch(first, n)); r != nil {
		t.Fatal(r)
	}
}

// What a crash leaves is the state of the files at some moment; the log goes on
// at its cursor, which may be some batches behind.
func TestACrashNeitherLosesNorDoublesALine(t *testing.T) {
	f := func(name string, crash func(t *testing.T, dir string, o *file.Output), resume, n int, next uint64) {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "all.log")
			o := open(t, file.Config{Path: path})
			write(t, o, 1, 100)
			write(t, o, 101, 100)
			write(t, o, 201, 100)
			crash(t, path, o)
			again := open(t, file.Config{Path: path})
			defer again.Close()
			write(t, again, uint64(resume), n)
			write(t, again, next, 50)
			expectOnce(t, lines(t, dir), next+50)
		})
	}
	nothing := func(*testing.T, string, *file.Output) {}
	torn := func(t *testing.T, path string, _ *file.Output) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, info.Size()-1000); err != nil {
			t.Fatal(err)
		}
	}
	f("after the batch, before the cursor moved", nothing, 201, 100, 301)
	f("and the batch comes again larger", nothing, 201, 300, 501)
	f("within the batch", torn, 201, 100, 301)
	f("with the cursor two batches behind", nothing, 1, 300, 301)
	f("within the batch, with the cursor behind", torn, 101, 250, 351)
	f("after the cursor moved", nothing, 301, 100, 401)
	f("after the end", func(_ *testing.T, _ string, o *file.Output) { o.Close() }, 301, 10, 311)
}

func TestABatchThatComesAgainIsWrittenOnce(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.Config{Path: filepath.Join(dir, "all.log")})
	defer o.Close()
	write(t, o, 1, 100)
	write(t, o, 101, 100)
	write(t, o, 101, 100)
	write(t, o, 101, 150)
	write(t, o, 251, 50)
	expectOnce(t, lines(t, dir), 301)
}

func TestLinesThatSomebodyElseHasWrittenAreNotCutOff(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "all.log")
	o := open(t, file.Config{Path: path})
	write(t, o, 1, 10)
	other, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(other, "not ours")
	other.Close()
	again := open(t, file.Config{Path: path})
	defer again.Close()
	write(t, again, 1, 10)
	if all := lines(t, dir); !slices.Contains(all, "not ours") || len(all) != 21 {
		t.Errorf("there are %d lines: %q", len(all), all)
	}
}

func TestFilesAreRotatedCompressedAndTheOldestDeleted(t *testing.T) {
	for _, compress := range []string{file.None, file.Gzip, file.Zstd} {
		t.Run(compress, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "all.log")
			o := open(t, file.Config{Path: path, MaxSize: 10_000, Compress: compress})
			for i := range uint64(10) {
				write(t, o, 1+100*i, 100) // more than 5000 octets each
			}
			ending := map[string]string{file.None: "", file.Gzip: ".gz", file.Zstd: ".zst"}[compress]
			deadline := time.Now().Add(time.Minute)
			for {
				names, _ := filepath.Glob(path + "-*")
				if len(names) == 9 && !slices.ContainsFunc(names, func(n string) bool { return !strings.HasSuffix(n, ending) }) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the rotated files are %q", names)
				}
				time.Sleep(5 * time.Millisecond)
			}
			o.Close()
			all := lines(t, dir)
			if len(all) != 1000 {
				t.Errorf("there are %d lines, want 1000", len(all))
			}
			slices.Sort(all)
			if n := len(slices.Compact(all)); n != 1000 {
				t.Errorf("there are %d different lines, want 1000", n)
			}

			o = open(t, file.Config{Path: path, MaxSize: 1, Keep: 3, Compress: compress})
			write(t, o, 1001, 1)
			deadline = time.Now().Add(time.Minute)
			for {
				names, _ := filepath.Glob(path + "-*")
				if len(names) == 3 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the rotated files are %q, want 3", names)
				}
				time.Sleep(5 * time.Millisecond)
			}
			o.Close()
		})
	}
}

// As after a clock that ran ahead and was put right.
func TestTheOldestFilesAreDeletedThoughTheirNamesAreOfTheFuture(t *testing.T) {
	const keep = 3
	for _, compress := range []string{file.None, file.Gzip} {
		for _, ahead := range [][]string{
			{}, // more in a second than are kept
			{"-20990101-000000", "-20990101-000001", "-20990101-000002"},
			{"-20990101-000000.gz", "-20990101-000000.002", "-20990101-000000.999.gz"},
		} {
			dir := t.TempDir()
			path := filepath.Join(dir, "all.log")
			for _, stamp := range ahead {
				if err := os.WriteFile(path+stamp, []byte("old\n"), 0o640); err != nil {
					t.Fatal(err)
				}
			}
			o := open(t, file.Config{Path: path, MaxSize: 1, Keep: keep, Compress: compress})
			const last = 9
			for i := range uint64(last) {
				write(t, o, 1+i, 1) // rotates what the one before has written
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			all := lines(t, dir)
			slices.Sort(all)
			if len(all) != 1+keep {
				t.Fatalf("%s: there are %q, want the newest %d lines", ahead, all, 1+keep)
			}
			for i, line := range all {
				if want := fmt.Sprintf("number %d", last-keep+i); !strings.HasSuffix(line, want) {
					t.Errorf("%s: line %d is %q, want %s", ahead, i, line, want)
				}
			}
		}
	}
}

// oneByOne writes batches of one event of a host, one after the other.
func oneByOne(t *testing.T, o *file.Output) (write func(host string)) {
	position := uint64(0)
	return func(host string) {
		t.Helper()
		b := batchOf(eventOf(host, "app", "x"))
		position++
		b.First, b.Next = position, position+1
		if err := o.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// A sender names its host as it likes, and so a file.
func TestNoMessageTakesTheNameOfARotatedFile(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.Config{Path: filepath.Join(dir, "{host}.log"), MaxSize: 1, Keep: 2, Compress: file.Gzip})
	write := oneByOne(t, o)
	write("web1")
	write("web1")
	write("web1")
	foreign := []string{"web1.log-99991231-235958", "web1.log-99991231-235959", "web1.log-99991231-235959.002", "web1.log-99991231-235959.gz"}
	for _, host := range foreign {
		write(host)
	}
	folder := filepath.Join(dir, "web1.log-99991231-235959")
	if err := os.Mkdir(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	write("web1")
	deadline := time.Now().Add(time.Minute)
	for {
		names, _ := filepath.Glob(filepath.Join(dir, "web1.log-*.gz"))
		if len(names) == 2 && strings.HasPrefix(filepath.Base(names[0]), "web1.log-2") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("compressed are %q, want the two newest that were rotated", names)
		}
		time.Sleep(5 * time.Millisecond)
	}
	o.Close()
	for _, host := range foreign {
		if b, err := os.ReadFile(filepath.Join(dir, host+".log")); err != nil || strings.Count(string(b), "\n") != 1 {
			t.Errorf("the file of host %s holds %q, %v", host, b, err)
		}
	}
}

func TestACrashAroundARotationNeitherLosesNorDoublesALine(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "all.log")
	o := open(t, file.Config{Path: path, MaxSize: 10_000})
	write(t, o, 1, 150)
	write(t, o, 151, 150) // the first is rotated
	_ = o
	again := open(t, file.Config{Path: path, MaxSize: 10_000})
	write(t, again, 1, 400) // the cursor had not moved
	again.Close()
	all := lines(t, dir)
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != 400 || len(all) != 400 {
		t.Errorf("there are %d lines, %d of them different, want 400", len(all), n)
	}
}

// The note may speak of another log than the one whose first batch finds a rotation
// due, as that of the dead letters that are sent again.
func TestPositionsOfAnotherLogAreNotTakenForThisOnes(t *testing.T) {
	for _, crash := range []bool{false, true} {
		t.Run(fmt.Sprintf("crash %v", crash), func(t *testing.T) {
			dir := t.TempDir()
			cfg := file.Config{Path: filepath.Join(dir, "{host}.log"), MaxSize: 1}
			o := open(t, cfg)
			old := batchOf(eventOf("a", "app", "1"))
			old.Stream, old.First, old.Next = "old/out", 5000, 5001
			if err := o.Write(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			inTheWay := filepath.Join(dir, "b.log")
			if err := os.Mkdir(inTheWay, 0o750); err != nil {
				t.Fatal(err)
			}
			b := batchOf(eventOf("a", "app", "2"), eventOf("b", "app", "3"))
			if err := o.Write(t.Context(), b); err == nil {
				t.Fatal("there is a folder in the place of a file, and Write succeeds")
			}
			if err := os.Remove(inTheWay); err != nil {
				t.Fatal(err)
			}
			if crash {
				o = open(t, cfg)
			}
			if err := o.Write(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			o.Close()
			if all := lines(t, dir); len(all) != 3 {
				t.Errorf("the lines are %q, want 3", all)
			}
		})
	}
}

func TestALogRestoredFromABackupLosesNothingThoughItGivesPositionsTwice(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "all.log")
	o := open(t, file.Config{Path: path})
	write(t, o, 1, 100)
	write(t, o, 101, 100)
	o.Close()

	// The log goes back to position 51, and gives positions from there on to other
	// messages.
	next := uint64(201)
	o = open(t, file.Config{Path: path})
	for _, at := range []uint64{51, 151} {
		b := outputtest.Batch(next, 100)
		b.First, b.Next = at, at+100
		if r := outputtest.WriteAll(t, o, outputtest.WithIDs(b)); r != nil {
			t.Fatal(r)
		}
		next += 100
	}
	expectOnce(t, lines(t, dir), next)
	o.Close()

	// From there on its positions are known again.
	o = open(t, file.Config{Path: path})
	defer o.Close()
	b := outputtest.Batch(301, 150)
	b.First, b.Next = 151, 301
	if r := outputtest.WriteAll(t, o, outputtest.WithIDs(b)); r != nil {
		t.Fatal(r)
	}
	expectOnce(t, lines(t, dir), 451)
}

func TestANoteWithoutAnIDIsBelieved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "all.log")
	o := open(t, file.Config{Path: path})
	write(t, o, 1, 100)
	write(t, o, 101, 100)
	o.Close()
	note := filepath.Join(dir, ".syslane-out")
	b, err := os.ReadFile(note)
	if err != nil {
		t.Fatal(err)
	}
	b = regexp.MustCompile(`"id":"[^"]*",`).ReplaceAll(b, nil)
	if err := os.WriteFile(note, b, 0o600); err != nil {
		t.Fatal(err)
	}
	o = open(t, file.Config{Path: path})
	defer o.Close()
	if r := outputtest.WriteAll(t, o, outputtest.WithIDs(outputtest.Batch(51, 250))); r != nil {
		t.Fatal(r)
	}
	expectOnce(t, lines(t, dir), 301)
}

// As dead letters that are sent again while the collector runs.
func TestAnotherProcessLeavesTheNoteAndTheNamesOfFilesAlone(t *testing.T) {
	dir := t.TempDir()
	cfg := file.Config{Path: filepath.Join(dir, "{host}.log"), MaxSize: 1}
	o := open(t, cfg)
	if err := o.Write(t.Context(), batchOf(eventOf("a", "app", "1"))); err != nil {
		t.Fatal(err)
	}
	cfg.Beside = true
	other := open(t, cfg)
	for i := range uint64(2) {
		b := batchOf(eventOf("b", "app", "2"))
		b.Stream, b.First, b.Next = "deadletter/1", 1+i, 2+i
		if err := other.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	other.Close()
	if names, _ := filepath.Glob(filepath.Join(dir, "*.log-*")); len(names) > 0 {
		t.Errorf("%q were rotated under the hands of who has them open", names)
	}
	cfg.Beside = false
	o = open(t, cfg) // as after a crash before the cursor moved
	defer o.Close()
	if err := o.Write(t.Context(), batchOf(eventOf("a", "app", "1"))); err != nil {
		t.Fatal(err)
	}
	if all := lines(t, dir); len(all) != 3 {
		t.Errorf("the lines are %q, want one of a and two of b", all)
	}
}

func TestWhatAnotherProcessWritesDuringARotationIsKept(t *testing.T) {
	dir := t.TempDir()
	cfg := file.Config{Path: filepath.Join(dir, "all.log"), MaxSize: 1, Compress: file.Gzip}
	o := open(t, cfg)
	defer o.Close()
	cfg.Beside = true
	other := open(t, cfg)
	defer other.Close()
	const batches = 200
	var writing sync.WaitGroup
	for i, out := range []*file.Output{o, other} {
		writing.Go(func() {
			for n := range uint64(batches) {
				b := outputtest.Batch(1+uint64(i)*batches+n, 1)
				b.Stream = fmt.Sprint(i)
				if err := out.Write(t.Context(), b); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	writing.Wait()
	o.Close()
	all := lines(t, dir)
	slices.Sort(all)
	if n := len(slices.Compact(all)); len(all) != 2*batches || n != len(all) {
		t.Errorf("there are %d lines, %d of them once, want %d", len(all), n, 2*batches)
	}
}

// As where a replay is stopped by Ctrl-Z.
func TestALockThatIsNeverGivenUpIsToldAndHoldsUpNoEnd(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.Config{Path: filepath.Join(dir, "all.log")})
	write(t, o, 1, 10)
	lock, err := os.OpenFile(filepath.Join(dir, ".syslane-out.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	b := outputtest.Batch(11, 10)
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := o.Write(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write returned %v", err)
		}
		cancel()
	}
	if err := o.Write(t.Context(), b); err == nil || !strings.Contains(err.Error(), "another process has had "+lock.Name()+" locked for 5s") {
		t.Errorf("Write returned %v", err)
	}
	lock.Close()
	write(t, o, 11, 10)
	expectOnce(t, lines(t, dir), 21)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherProcessWritesNothingBehindWhatIsYetToBeCutOff(t *testing.T) {
	dir := t.TempDir()
	cfg := file.Config{Path: filepath.Join(dir, "all.log")}
	o := open(t, cfg)
	write(t, o, 1, 100)
	write(t, o, 101, 100)
	info, err := os.Stat(cfg.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(cfg.Path, info.Size()-3000); err != nil { // as after a crash
		t.Fatal(err)
	}
	cfg.Beside = true
	other := open(t, cfg)
	defer other.Close()
	b := outputtest.Batch(301, 10)
	b.Stream = "deadletter/1"
	if err := other.Write(t.Context(), b); err == nil || !strings.Contains(err.Error(), "all.log: a batch is not finished") {
		t.Errorf("Write returned %v", err)
	}
	cfg.Beside = false
	o = open(t, cfg)
	defer o.Close()
	write(t, o, 101, 200)
	if r := outputtest.WriteAll(t, other, b); r != nil {
		t.Fatal(r)
	}
	expectOnce(t, lines(t, dir), 311)
}

// Any host may send any name, also that of what others have in the folder.
func TestANameThatIsTakenCostsOnlyTheMessagesOfThatName(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "auth.log"), nil, 0o600), os.MkdirAll(filepath.Join(dir, "web", "app.log"), 0o700),
		os.Symlink("loop", filepath.Join(dir, "loop"))); err != nil {
		t.Fatal(err)
	}
	o := open(t, file.Config{Path: filepath.Join(dir, "{host}", "{app}.log")})
	defer o.Close()
	var rejected *outputs.Rejected
	err := o.Write(t.Context(), batchOf(eventOf("good", "a", "first"), eventOf("auth.log", "a", "a folder that is a file"),
		eventOf("web", "app", "a file that is a folder"), eventOf("loop", "a", "a loop"), eventOf("good", "a", "last")))
	if !errors.As(err, &rejected) || len(rejected.Items) != 3 || rejected.Items[0].Index != 1 || rejected.Items[2].Index != 3 {
		t.Errorf("Write returned %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "good", "a.log")); err != nil || strings.Count(string(b), "\n") != 2 {
		t.Errorf("the others' file holds %q, %v", b, err)
	}
	for path, want := range map[string]bool{ // as one who may not write there finds them
		filepath.Join(dir, "auth.log", "a.log"): true,
		filepath.Join(dir, "good", "a.log"):     true,
		filepath.Join(dir, "new", "a.log"):      false, // then nothing can be made in dir
	} {
		if o.NeverCan(path, syscall.EACCES) != want {
			t.Errorf("%s: whether only its name is in the way, want %v", path, want)
		}
	}
}

func TestAFolderThatWasDeletedIsMadeAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	o := open(t, file.Config{Path: filepath.Join(dir, "all.log")})
	defer o.Close()
	write(t, o, 1, 10)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	write(t, o, 11, 10)
	if n := len(lines(t, dir)); n != 10 {
		t.Errorf("there are %d lines, want 10", n)
	}
}

func TestAFileThatWasMovedAwayIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "all.log")
	o := open(t, file.Config{Path: path})
	defer o.Close()
	write(t, o, 1, 10)
	if err := os.Rename(path, path+".1"); err != nil { // as logrotate does
		t.Fatal(err)
	}
	write(t, o, 11, 10)
	if b, err := os.ReadFile(path); err != nil || strings.Count(string(b), "\n") != 10 {
		t.Errorf("the new file holds %q, %v", b, err)
	}
	if n := len(lines(t, dir)); n != 20 {
		t.Errorf("there are %d lines, want 20", n)
	}
}

// eventOf is an event with these fields.
func eventOf(host, app, text string) *syslog.Event {
	e := &syslog.Event{ID: syslog.MakeID(time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), [4]byte{1}, 1), Input: "udp"}
	e.Raw, e.Timestamp, e.Format = []byte(host+app+text), syslog.NoTimestamp, syslog.RFC3164
	h, a := uint32(len(host)), uint32(len(host)+len(app))
	e.Hostname, e.AppName, e.Text = syslog.Span{End: h}, syslog.Span{Start: h, End: a}, syslog.Span{Start: a, End: uint32(len(e.Raw))}
	return e
}

func batchOf(events ...*syslog.Event) *outputs.Batch {
	b := &outputs.Batch{Stream: "0123abcd/out", First: 1, Next: 1 + uint64(len(events)), Count: len(events)}
	for _, e := range events {
		b.Events = syslog.AppendRecord(b.Events, e)
	}
	return b
}

func TestNamesHoldTheFieldsOfTheMessage(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.Config{Path: filepath.Join(dir, "hosts/{host}/{year}-{month}-{day}/{app}.log"), Location: time.UTC})
	defer o.Close()
	if err := o.Write(t.Context(), batchOf(eventOf("web1", "nginx", "a\nb\x1b[2J\ttab"), eventOf("..", "../../../etc/passwd", "x"))); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "hosts/web1/2026-03-04/nginx.log"))
	if want := "2026-03-04T05:06:07.000000+00:00 web1 nginx: a#012b#033[2J\ttab\n"; err != nil || string(b) != want {
		t.Errorf("the line is %q, want %q, %v", b, want, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "hosts/_./2026-03-04/_._.._.._etc_passwd.log")); err != nil {
		filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { t.Log(path); return nil })
		t.Error(err)
	}
}

func TestNoMessageLeadsOutOfTheFolder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		outer, err := os.MkdirTemp("", "file-test")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(outer)
		dir := filepath.Join(outer, "a", "b")
		o, err := file.New(file.Config{Name: "out", Path: filepath.Join(dir, "{host}", "{app}"), Logger: zerolog.Nop()})
		if err != nil {
			rt.Fatal(err)
		}
		defer o.Close()
		name := rapid.OneOf(rapid.StringMatching(`[./~a\x00\n-]{0,80}`), rapid.String())
		e := eventOf(name.Draw(rt, "host"), name.Draw(rt, "app"), "x")
		if err := o.Write(t.Context(), batchOf(e)); err != nil {
			rt.Fatal(err)
		}
		n := 0
		err = filepath.WalkDir(outer, func(path string, d fs.DirEntry, err error) error {
			rel, _ := filepath.Rel(outer, path)
			if depth := strings.Count(rel, "/"); !d.IsDir() && !strings.HasPrefix(d.Name(), ".syslane-out") {
				if n++; depth != 3 {
					rt.Errorf("%q is written for host %q and app %q", rel, e.Field(e.Hostname), e.Field(e.AppName))
				}
			}
			return err
		})
		if err != nil || n != 1 {
			rt.Errorf("%d files, %v", n, err)
		}
	})
}

func TestManyHostsKeepFewFilesOpen(t *testing.T) {
	dir := t.TempDir()
	o := open(t, file.Config{Path: filepath.Join(dir, "{host}.log")})
	defer o.Close()
	const hosts = 600
	for round := range 2 {
		var events []*syslog.Event
		for i := range hosts {
			events = append(events, eventOf(fmt.Sprintf("h%d", i), "a", "x"))
		}
		b := batchOf(events...)
		b.First += uint64(round * hosts)
		b.Next += uint64(round * hosts)
		if err := o.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(lines(t, dir)); n != 2*hosts {
		t.Errorf("there are %d lines, want %d", n, 2*hosts)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err == nil && len(open) > 400 {
		t.Errorf("%d files are open", len(open))
	}
}

// Batches are large, and a sender chooses the files of each.
func TestTheMemoryForLinesIsBoundedThoughEachBatchIsForAnotherFile(t *testing.T) {
	o := open(t, file.Config{Path: filepath.Join(t.TempDir(), "{host}.log")})
	defer o.Close()
	text := strings.Repeat("x", 1<<20)
	for i := range 20 {
		e := eventOf(fmt.Sprintf("h%d", i), "app", text)
		b := batchOf(e, e, e, e)
		b.First, b.Next = uint64(1+4*i), uint64(5+4*i)
		if err := o.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if kept := o.Kept(); kept > 32<<20 {
		t.Errorf("%d MiB are kept", kept>>20)
	}
}

// withDescriptors runs the test in a process that may have so many descriptors: it tells
// whether this is that process.
func withDescriptors(t *testing.T, n uint64) bool {
	t.Helper()
	const limited = "FILE_TEST_DESCRIPTORS_ARE_LIMITED"
	if os.Getenv(limited) == "" {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), limited+"=1")
		if said, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, said)
		}
		return false
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
		t.Fatal(err)
	}
	return true
}

func TestAFileThatCannotBeMadeDurableGivesItsDescriptorBack(t *testing.T) {
	if !withDescriptors(t, 100) {
		return
	}
	dir := t.TempDir()
	o := open(t, file.Config{Path: filepath.Join(dir, "all.log")})
	defer o.Close()
	var others []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		others = append(others, f)
	}
	others[0].Close() // there is one left, for the file but not for its folder
	if err := o.Write(t.Context(), outputtest.Batch(1, 10)); err == nil {
		t.Error("the folder cannot be opened to be synced, and Write succeeds")
	}
	if f, err := os.Open(os.DevNull); err != nil {
		t.Error("the descriptor was not given back:", err)
	} else {
		f.Close()
	}
	for _, f := range others[1:] {
		f.Close()
	}
	write(t, o, 1, 10)
	expectOnce(t, lines(t, dir), 11)
}

func TestABatchForMoreFilesThanDescriptorsIsWritten(t *testing.T) {
	if !withDescriptors(t, 500) {
		return
	}
	dir := t.TempDir()
	var events []*syslog.Event
	for i := range 600 {
		events = append(events, eventOf(fmt.Sprintf("h%d", i), "a", "x"))
	}
	first, second := batchOf(events...), batchOf(events...)
	second.First, second.Next = first.Next, first.Next+600
	cfg := file.Config{Path: filepath.Join(dir, "{host}.log")}
	o := open(t, cfg)
	for _, b := range []*outputs.Batch{batchOf(events[400:500]...), first, second} {
		if err := o.Write(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	o = open(t, cfg) // as after a crash before the cursor moved
	defer o.Close()
	if err := o.Write(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if n := len(lines(t, dir)); n != 1200 {
		t.Errorf("there are %d lines, want 1200", n)
	}
}

func TestADeletedFileIsLetGo(t *testing.T) {
	f := func(name string, after func(write func(host string)), want ...string) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, err := filepath.EvalSymlinks(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				o := open(t, file.Config{Path: filepath.Join(dir, "{host}.log")})
				defer o.Close()
				write := oneByOne(t, o)
				write("a")
				if err := os.Remove(filepath.Join(dir, "a.log")); err != nil {
					t.Fatal(err)
				}
				after(write)
				synctest.Wait()
				open, _ := os.ReadDir("/proc/self/fd")
				var own []string
				for _, fd := range open {
					if name, _ := os.Readlink(filepath.Join("/proc/self/fd", fd.Name())); strings.HasPrefix(name, dir) {
						own = append(own, filepath.Base(name))
					}
				}
				if len(open) > 0 && !slices.Equal(own, want) {
					t.Errorf("open are %q, want %q", own, want)
				}
			})
		})
	}
	f("where others are written to", func(write func(host string)) {
		for range 4 {
			time.Sleep(file.IdleTime / 4)
			write("b")
		}
	}, "b.log")
	f("where nothing comes", func(func(host string)) { time.Sleep(file.IdleTime) })
	f("and is opened again", func(write func(host string)) {
		time.Sleep(file.IdleTime)
		write("a")
	}, "a.log")
}

func TestMistakesInTheConfigurationAreErrors(t *testing.T) {
	f := func(want string, cfg file.Config) {
		t.Helper()
		cfg.Name = "out"
		if cfg.Path == "" {
			cfg.Path = "/var/log/all.log"
		}
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("is not absolute", file.Config{Path: "logs/all.log"})
	f("{hots} is none of {host}", file.Config{Path: "/var/log/{hots}.log"})
	f(`format "xml"`, file.Config{Format: "xml"})
	f(`compress "lzma"`, file.Config{Compress: "lzma"})
	f(`must not end in a field`, file.Config{Path: "/var/log/{host}", MaxSize: 1})
	for _, end := range []string{".gz", ".zst", ".gz.part", "gz", "t", "9", "-99991231-235959", ".002", "002.zst"} {
		f(`must not end as the name of a rotated file can`, file.Config{Path: "/var/log/{host}" + end, MaxAge: 1})
	}
}

func TestTheNamesThatAnotherOutputGivesRotatedFilesAreKnown(t *testing.T) {
	f := func(want bool, own, other string) {
		t.Helper()
		rotating := file.Config{Path: other, MaxAge: 1}
		if got := (file.Config{Path: own}).NamesRotated(rotating); got != want {
			t.Errorf("%s beside %s: %v", own, other, got)
		}
		if (file.Config{Path: own}).NamesRotated(file.Config{Path: other}) || (file.Config{Path: own, MaxAge: 1}).NamesRotated(rotating) {
			t.Errorf("%s beside %s: they do not both have what is rotated", own, other)
		}
	}
	f(true, "/var/log/{app}", "/var/log/{host}.log")
	f(true, "/var/log/{host}.gz", "/var/log/{host}.log")
	f(true, "/var/log/{app}", "/var/log/messages")
	f(true, "/var/log/m{app}", "/var/log/messages")
	f(true, "/var/log/messages-{year}{month}{day}-{hour}0000", "/var/log/messages")
	f(true, "/var/log/{host}/{app}", "/var/log/{app}/x.log")
	f(true, "/var/log/{host}/{app}", "/var/log/web1/x.log")
	f(true, "/var/log//{app}", "/var/log/./messages")
	f(false, "/var/log/{app}.log", "/var/log/{host}.log")
	f(false, "/var/log/{app}/2", "/var/log/{host}/messages")
	f(false, "/var/log/all", "/var/log/{host}.log")
	f(false, "/var/log/app-{app}", "/var/log/messages")
	f(false, "/var/log/a/{app}", "/var/log/b/{host}.log")
	f(false, "/var/log/webs{host}/{app}", "/var/log/web/x.log")
	f(false, "/var/log/{host}/{app}", "/var/log/{host}.log")
}

func TestWhatCannotTakeTheNameOfARotatedFileIsNoMistake(t *testing.T) {
	for _, path := range []string{"/var/log/{host}.log", "/var/log/{host}.log2", "/var/log/{host}/2", "/var/log/messages.1", "/var/log/{app}.txt"} {
		if err := (file.Config{Name: "out", Path: path, MaxSize: 1, MaxAge: 1}).Validate(); err != nil {
			t.Error(err)
		}
	}
}
