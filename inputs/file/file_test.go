package file

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/syslog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is a message as the sink sees it.
type line struct {
	text, path string
	warnings   syslog.Warnings
}

// sink keeps lines and marks together, as the log does.
type sink struct {
	mu    sync.Mutex
	lines []line
	marks map[string]uint64
	fail  func() error // decides about each submit
}

func newSink() *sink { return &sink{marks: make(map[string]uint64)} }

func (s *sink) Submit(ctx context.Context, b *inputs.Batch) error { return s.SubmitMarked(ctx, b, nil) }

func (s *sink) SubmitMarked(_ context.Context, b *inputs.Batch, marks []inputs.Mark) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(); err != nil {
			return err
		}
	}
	if len(marks) > inputs.MaxMarks {
		return errors.New("too many marks")
	}
	for _, f := range b.Frames {
		s.lines = append(s.lines, line{string(f.Of(b.Data)), filepath.Base(b.Origins[f.Origin].Path), f.Warnings})
	}
	for _, m := range marks {
		if m.Value == 0 {
			delete(s.marks, m.Key)
		} else {
			s.marks[m.Key] = m.Value
		}
	}
	return nil
}

func (s *sink) Marks(prefix string) (marks []inputs.Mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, value := range s.marks {
		if strings.HasPrefix(key, prefix) {
			marks = append(marks, inputs.Mark{Key: key, Value: value})
		}
	}
	return marks
}

func (s *sink) texts() (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		texts = append(texts, l.text)
	}
	return texts
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines)
}

// tester follows files in a folder of its own.
type tester struct {
	*testing.T
	dir  string
	sink *sink
	stop func()
}

func newTester(t *testing.T) *tester { return &tester{T: t, dir: t.TempDir(), sink: newSink()} }

// start follows *.log, or what cfg names, until stop is called or the test ends.
func (t *tester) start(cfg Config) {
	t.Helper()
	cfg.Name, cfg.Host, cfg.Logger = "files", "here", inputtest.Logger(t.T)
	for i, p := range cfg.Include {
		cfg.Include[i] = filepath.Join(t.dir, p)
	}
	if cfg.Include == nil {
		cfg.Include = []string{filepath.Join(t.dir, "*.log")}
	}
	if cfg.ScanInterval == 0 {
		cfg.ScanInterval = 50 * time.Millisecond
	}
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.stop = inputtest.Run(t, in, t.sink)
}

func (t *tester) path(name string) string { return filepath.Join(t.dir, name) }

// write appends to a file.
func (t *tester) write(name, text string) {
	t.Helper()
	f, err := os.OpenFile(t.path(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err == nil {
		_, err = f.WriteString(text)
		f.Close()
	}
	t.check(err)
}

func (t *tester) check(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *tester) rename(from, to string) {
	t.Helper()
	t.check(os.Rename(t.path(from), t.path(to)))
}

func (t *tester) eventually(what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s; there are %d lines: %.300s", what, t.sink.count(), fmt.Sprintf("%q", t.sink.texts()))
		}
	}
}

// expect waits for exactly these lines.
func (t *tester) expect(want ...string) {
	t.Helper()
	t.eventually(fmt.Sprintf("%q", want), func() bool { return t.sink.count() >= len(want) })
	if got := t.sink.texts(); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func TestLinesAreFollowedAsTheyAreWritten(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\ntwo\r\n\n")
	f.start(Config{})
	f.expect("one", "two")
	f.write("a.log", "three\nfo")
	f.expect("one", "two", "three")
	f.write("a.log", "ur\n")
	f.expect("one", "two", "three", "four")
	f.write("b.log", "five\n")
	f.write("c.txt", "not followed\n")
	f.expect("one", "two", "three", "four", "five")
	for i, l := range f.sink.lines {
		if want := map[bool]string{false: "a.log", true: "b.log"}[i == 4]; l.path != want || l.warnings != 0 {
			t.Errorf("%q is from %s with %v", l.text, l.path, l.warnings.Names(nil))
		}
	}
}

func TestReadingGoesOnWhereItStopped(t *testing.T) {
	f := newTester(t)
	var want []string
	for i := range 40 {
		text := fmt.Sprintf("line %d %s", i, strings.Repeat("x", i*5))
		f.write("a.log", text+"\n")
		want = append(want, text)
		f.start(Config{})
		f.expect(want...)
		f.stop()
	}
	if n := len(f.sink.marks); n != 1 {
		t.Errorf("the log keeps %d places, want 1: %v", n, f.sink.marks)
	}
}

func TestARenamedFileIsReadToItsEnd(t *testing.T) {
	for _, include := range []string{"a.log", "a.log*"} {
		f := newTester(t)
		f.write("a.log", "one\n")
		f.start(Config{Include: []string{include}})
		f.expect("one")
		f.rename("a.log", "a.log.1")
		f.write("a.log.1", "two\n") // the program has not noticed
		f.expect("one", "two")
		f.write("a.log", "three\n")
		f.expect("one", "two", "three")
		f.write("a.log.1", "four\n")
		f.expect("one", "two", "three", "four")
		f.stop()
	}
}

func TestAFileRenamedWhileNobodyLookedIsReadToItsEnd(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\n")
	f.start(Config{})
	f.expect("one")
	f.stop()
	f.write("a.log", "two\n")
	f.rename("a.log", "a.log.1")
	f.write("a.log", "three\n")
	f.write("b.txt", "not followed\n")
	f.start(Config{})
	f.eventually("all lines", func() bool { return f.sink.count() == 3 })
	got := f.sink.texts()
	slices.Sort(got)
	if want := []string{"one", "three", "two"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestADeletedFileIsReadToItsEnd(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\n")
	f.start(Config{})
	f.expect("one")
	old, err := os.OpenFile(f.path("a.log"), os.O_APPEND|os.O_WRONLY, 0)
	f.check(err)
	defer old.Close()
	f.check(os.Remove(f.path("a.log")))
	fmt.Fprintln(old, "two")
	f.expect("one", "two")
	f.write("a.log", "three\n")
	f.expect("one", "two", "three")
}

// reader returns a reader of *.log that reads when it is told to.
func (t *tester) reader(cfg Config) *reader {
	t.Helper()
	cfg.Name, cfg.Include, cfg.Logger = "files", []string{t.path("*/*.log")}, inputtest.Logger(t.T)
	in, err := New(cfg)
	t.check(err)
	r := newReader(in, t.sink)
	t.Cleanup(func() {
		for _, f := range r.files {
			r.close(f)
		}
	})
	return r
}

// round scans and reads what there is.
func (t *tester) round(r *reader) {
	t.Helper()
	r.scan()
	for len(r.queue) > 0 {
		f := r.queue[0]
		r.queue, f.queued = r.queue[1:], false
		if r.turn(f) {
			r.enqueue(f)
		}
	}
	t.check(r.submit(t.Context()))
}

func TestFilesThatWereAwayWithTheirFolderAreReadOn(t *testing.T) {
	for name, cfg := range map[string]Config{"open": {}, "closed": {MaxOpenFiles: 1}} {
		f := newTester(t)
		f.check(os.MkdirAll(f.path("else/where"), 0o755))
		f.check(os.Mkdir(f.path("logs"), 0o755))
		f.write("logs/a.log", "a1\na2\n")
		f.write("logs/b.log", "b1\n")
		f.write("logs/c.log", "c1\n")
		r := f.reader(cfg)
		f.round(r)
		f.rename("logs", "else/where/logs")
		f.write("else/where/logs/c.log", "c2\n")
		f.rename("else/where/logs/c.log", "else/where/logs/c.log.1") // a name that no pattern has
		for range 3 {
			f.round(r)
			for _, file := range r.files {
				file.gone = file.gone.Add(-2 * goneGrace)
			}
		}
		if len(r.files) > 0 {
			t.Errorf("%s: %d files are still followed", name, len(r.files))
		}
		f.write("else/where/logs/b.log", "b2\n")
		f.rename("else/where/logs", "logs")
		f.round(r)
		got := f.sink.texts()
		slices.Sort(got)
		if want := []string{"a1", "a2", "b1", "b2", "c1", "c2"}; !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		if n := len(f.sink.marks); n != 3 {
			t.Errorf("%s: the log keeps %d places, want 3: %v", name, n, f.sink.marks)
		}
	}
}

func TestARotationBehindALinkToAnotherFileSystemLeavesNoPlace(t *testing.T) {
	elsewhere, err := os.MkdirTemp("/dev/shm", "syslane-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(elsewhere)
	f := newTester(t)
	f.check(os.Mkdir(f.path("logs"), 0o755))
	target := filepath.Join(elsewhere, "a.log")
	write := func(text string) { f.check(os.WriteFile(target, []byte(text), 0o644)) }
	write("one\n")
	f.check(os.Symlink(target, f.path("logs/a.log")))
	r := f.reader(Config{})
	f.round(r)
	for _, text := range []string{"two\n", "three\n"} {
		f.check(os.Rename(target, target+".1"))
		write(text)
		f.round(r)
		for _, file := range r.files {
			if !file.gone.IsZero() {
				file.gone = file.gone.Add(-2 * goneGrace)
			}
		}
		f.round(r)
	}
	f.expect("one", "two", "three")
	if len(r.marks) > 0 {
		t.Errorf("files count as away: %v", r.marks)
	}
}

func TestThePlacesOfFilesThatDoNotComeBackAreForgotten(t *testing.T) {
	f := newTester(t)
	for _, folder := range []string{"logs", "others", "else/where"} {
		f.check(os.MkdirAll(f.path(folder), 0o755))
	}
	f.write("logs/a.log", "one\n")
	f.write("others/deleted.log", "two\n")
	f.write("others/renamed.log", "three\n")
	f.write("others/b.log", "four\n")
	r := f.reader(Config{})
	f.round(r)
	f.rename("logs", "else/where/logs")
	f.check(os.Remove(f.path("others/deleted.log")))
	f.rename("others/renamed.log", "others/renamed.log.1")
	pass := func(d time.Duration) {
		t.Helper()
		for _, file := range r.files {
			if !file.gone.IsZero() {
				file.gone = file.gone.Add(-d)
			}
		}
		for _, marks := range r.marks {
			for i := range marks {
				marks[i].since = marks[i].since.Add(-d)
			}
		}
		f.round(r)
		f.write("others/b.log", "more\n") // with which marks are set and forgotten
		f.round(r)
	}
	expect := func(when string, want int) {
		t.Helper()
		if n := len(f.sink.marks); n != want {
			t.Errorf("%s the log keeps %d places, want %d: %v", when, n, want, f.sink.marks)
		}
	}
	expect("at first", 4)
	f.round(r)
	pass(2 * goneGrace)
	expect("after a while", 2) // of what may come back, and what is there
	pass(forgetAfter)
	expect("after an hour", 1)
	if len(r.marks) > 0 {
		t.Errorf("places are kept: %v", r.marks)
	}
}

func TestAFileIsNotDroppedBeforeWhatWasReadOfItIsStored(t *testing.T) {
	f := newTester(t)
	f.check(os.Mkdir(f.path("logs"), 0o755))
	f.write("logs/a.log", "one\n")
	r := f.reader(Config{MaxOpenFiles: 1})
	f.round(r)
	f.write("logs/a.log", "two\n")
	r.scan()
	file := r.queue[0]
	r.queue, file.queued = nil, false
	r.turn(file)
	r.close(file)
	f.check(os.RemoveAll(f.path("logs")))
	f.check(os.Mkdir(f.path("logs"), 0o755))
	r.scan()
	f.check(r.submit(t.Context()))
	f.write("logs/b.log", "three\n")
	f.round(r)
	f.write("logs/b.log", "four\n")
	f.round(r)
	f.expect("one", "two", "three", "four")
	if n := len(f.sink.marks); n != 1 {
		t.Errorf("the log keeps %d places, want 1: %v", n, f.sink.marks)
	}
}

func TestATruncatedFileIsReadFromItsStart(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\ntwo\n")
	f.start(Config{})
	f.expect("one", "two")
	f.check(os.Truncate(f.path("a.log"), 0))
	f.write("a.log", "three\n")
	f.expect("one", "two", "three")
	// Longer than before at once, so that only the content tells.
	f.check(os.WriteFile(f.path("a.log"), []byte("four, and much longer than what was there\n"), 0o644))
	f.expect("one", "two", "three", "four, and much longer than what was there")
	f.stop()
	f.start(Config{})
	f.write("a.log", "five\n")
	f.expect("one", "two", "three", "four, and much longer than what was there", "five")
}

// A program that does not append writes on at its old place after a truncation;
// what lies before reads as NULs.
func TestTheHoleThatATruncationLeavesIsNoLine(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\n")
	f.start(Config{})
	f.expect("one")
	w, err := os.OpenFile(f.path("a.log"), os.O_WRONLY, 0)
	f.check(err)
	defer w.Close()
	f.check(w.Truncate(0))
	_, err = w.WriteAt([]byte("two\n"), 1<<20)
	f.check(err)
	f.expect("one", "two")
}

func TestAnotherFileWithTheSameInodeIsReadFromItsStart(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\ntwo\n")
	f.start(Config{})
	f.expect("one", "two")
	f.stop()
	// The same inode, and longer, as after a deletion.
	f.check(os.WriteFile(f.path("a.log"), []byte("other\ncontent\n"), 0o644))
	f.start(Config{})
	f.expect("one", "two", "other", "content")
}

func TestALineWithoutEndWaitsForItNotForEver(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\npartial")
	f.start(Config{FlushAfter: 100 * time.Millisecond})
	f.expect("one", "partial")
	if w := f.sink.lines[1].warnings; w != syslog.WarnUnterminated {
		t.Errorf("warnings are %v", w.Names(nil))
	}
	f.write("a.log", "\ntwo\n")
	f.expect("one", "partial", "two")
}

func TestTheLastLineOfADeletedFileIsTakenWithoutAnEnd(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\npartial")
	in, err := New(Config{Name: "files", Include: []string{f.path("*.log")}, FlushAfter: time.Hour, Logger: inputtest.Logger(t)})
	f.check(err)
	r := newReader(in, f.sink)
	r.scan()
	file := r.queue[0]
	r.queue = nil
	defer r.close(file)
	r.turn(file)
	f.check(r.submit(t.Context()))
	f.check(os.Remove(f.path("a.log")))
	r.scan()
	if file.gone.IsZero() {
		t.Fatal("the file is not missed")
	}
	file.gone = file.gone.Add(-2 * goneGrace)
	for range 2 {
		r.scan()
		f.check(r.submit(t.Context()))
	}
	f.expect("one", "partial")
	if w := f.sink.lines[1].warnings; w != syslog.WarnUnterminated {
		t.Errorf("warnings are %v", w.Names(nil))
	}
	if len(r.files) > 0 {
		t.Error("the file is followed on")
	}
}

func TestALineWithoutEndIsTakenAfterAReadThatFailed(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\npartial")
	in, err := New(Config{Name: "files", Include: []string{f.path("*.log")}, FlushAfter: time.Nanosecond, Logger: inputtest.Logger(t)})
	f.check(err)
	r := newReader(in, f.sink)
	r.scan()
	file := r.queue[0]
	r.queue, file.queued = nil, false
	defer r.close(file)
	r.turn(file)
	f.check(r.submit(t.Context()))

	place, known := file.pos, file.id
	file.pos, file.id = -1, identity{} // where nothing can be read
	r.flush()
	if len(r.queue) != 1 {
		t.Fatal("the line was read")
	}
	file.pos, file.id = place, known
	r.turn(file)
	r.flush()
	f.check(r.submit(t.Context()))
	f.expect("one", "partial")
}

func TestAnInputThatIsNotToRunReadsNothing(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\n")
	ended, end := context.WithCancel(t.Context())
	end()
	for range 50 { // what it does first is left to chance
		in, err := New(Config{Name: "files", Include: []string{f.path("*.log")}, Logger: inputtest.Logger(t)})
		f.check(err)
		f.check(in.Run(ended, f.sink))
	}
	if got := f.sink.texts(); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestLongLinesAreCutAndFlagged(t *testing.T) {
	f := newTester(t)
	x := strings.Repeat("x", 1<<20)
	f.write("a.log", x[:1000]+"\n"+x[:1001]+"\r\n"+x+"\nnext\n"+x)
	f.start(Config{MaxMessageSize: 1000, FlushAfter: 200 * time.Millisecond})
	f.expect(x[:1000], x[:1000], x[:1000], "next", x[:1000])
	for i, want := range []syslog.Warnings{0, syslog.WarnTruncated, syslog.WarnTruncated, 0, syslog.WarnTruncated | syslog.WarnUnterminated} {
		if w := f.sink.lines[i].warnings; w != want {
			t.Errorf("line %d: %v", i, w.Names(nil))
		}
	}
}

func TestCompressedAndExcludedFilesAreNotFollowed(t *testing.T) {
	f := newTester(t)
	f.write("a.log.gz", "\x1f\x8b\x08 by its name\n")
	f.write("b.log", "\x1f\x8b\x08 by its content\n")
	f.write("c.log", "\x28\xb5\x2f\xfd by its content\n")
	f.write("debug.log", "excluded by name\n")
	f.write("d.log", "excluded by path\n")
	f.check(os.Mkdir(f.path("folder.log"), 0o755))
	f.write("z.log", "followed\n")
	f.start(Config{Include: []string{"*.log", "*.gz"}, Exclude: []string{"debug*", f.path("d.*")}})
	f.expect("followed")
}

func TestFilesThatMatchTwiceAreFollowedOnce(t *testing.T) {
	f := newTester(t)
	f.write("a.log", "one\n")
	f.check(os.Symlink("a.log", f.path("link.log")))
	f.check(os.Link(f.path("a.log"), f.path("hard.log")))
	f.start(Config{Include: []string{"*.log", "a*"}})
	f.expect("one")
	f.write("a.log", "two\n")
	f.expect("one", "two")
}

func TestThousandsOfFilesNeedFewOpenOnes(t *testing.T) {
	f := newTester(t)
	const files = 2000
	want := make(map[string]int)
	for round := range 2 {
		for i := range files {
			text := fmt.Sprintf("file %d round %d", i, round)
			f.write(fmt.Sprintf("%d.log", i), text+"\n")
			want[text] = 1
		}
		if round == 0 {
			f.start(Config{MaxOpenFiles: 10})
		}
		f.eventually("all lines", func() bool { return f.sink.count() >= len(want) })
	}
	open, err := os.ReadDir("/proc/self/fd")
	f.check(err)
	if len(open) > 100 {
		t.Errorf("%d files are open", len(open))
	}
	got := make(map[string]int)
	for _, text := range f.sink.texts() {
		got[text]++
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d different lines, want %d", len(got), len(want))
	}
	f.stop()
	f.start(Config{MaxOpenFiles: 10})
	f.write("0.log", "the last\n")
	f.eventually("the last line", func() bool { return f.sink.count() > len(want) })
	if n := f.sink.count(); n != len(want)+1 {
		t.Errorf("%d lines, want %d", n, len(want)+1)
	}
}

// As where a scan of very many files takes longer than the time until the next.
func TestScansLeaveTimeForReading(t *testing.T) {
	f := newTester(t)
	const files = 500
	for i := range files {
		f.write(fmt.Sprintf("%d.log", i), "x\n")
	}
	in, err := New(Config{Name: "files", Include: []string{f.path("*.log")}, ScanInterval: time.Nanosecond, Logger: inputtest.Logger(t)})
	f.check(err)
	r := newReader(in, f.sink)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		err := r.run(ctx, nil)
		for _, file := range r.files {
			r.close(file)
		}
		ended <- err
	}()
	f.eventually("all lines", func() bool { return f.sink.count() == files })
	end()
	f.check(<-ended)
	if r.scans > files/4 {
		t.Errorf("there were %d scans before %d lines were read", r.scans, files)
	}
}

func TestFilesBeyondTheLimitAreLeftAlone(t *testing.T) {
	f := newTester(t)
	for i := range 5 {
		f.write(fmt.Sprintf("%d.log", i), "x\n")
	}
	f.start(Config{MaxFiles: 3})
	f.eventually("three lines", func() bool { return f.sink.count() >= 3 })
	time.Sleep(150 * time.Millisecond) // some scans
	if n := f.sink.count(); n != 3 {
		t.Errorf("%d lines, want 3", n)
	}
}

// The sink refuses at random, as if the process had been killed there, while
// files are written, rotated and deleted.
func TestEveryLineIsStoredOnceWhereverReadingStops(t *testing.T) {
	f := newTester(t)
	random, dice := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
	killed := make(chan struct{}, 1)
	f.sink.fail = func() error {
		if dice.IntN(4) == 0 {
			select {
			case killed <- struct{}{}:
			default:
			}
			return inputs.ErrClosed
		}
		return nil
	}
	var want []string
	n := 0
	end := time.Now().Add(3 * time.Second)
	rotations := 0
	for time.Now().Before(end) {
		f.start(Config{Include: []string{"*.log*"}, ScanInterval: 20 * time.Millisecond})
		for range 1 + random.IntN(5) {
			for range random.IntN(50) {
				text := fmt.Sprintf("line %d %s", n, strings.Repeat("y", random.IntN(100)))
				name := fmt.Sprintf("%d.log", random.IntN(3))
				f.write(name, text+"\n")
				want = append(want, text)
				n++
			}
			if random.IntN(3) == 0 {
				rotations++
				name := fmt.Sprintf("%d.log", random.IntN(3))
				os.Rename(f.path(name), f.path(fmt.Sprintf("%s.%d", name, rotations)))
			}
		}
		select {
		case <-killed:
		case <-time.After(50 * time.Millisecond):
		}
		f.stop()
	}
	f.sink.mu.Lock()
	f.sink.fail = nil
	f.sink.mu.Unlock()
	f.start(Config{Include: []string{"*.log*"}})
	f.eventually("all lines", func() bool { return f.sink.count() >= len(want) })
	f.stop()
	got := f.sink.texts()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d lines came, want %d", len(got), len(want))
	}
}

func TestKeysOfMarksComeBack(t *testing.T) {
	f := func(id identity) {
		t.Helper()
		key := id.key("files")
		if len(key) > 200 {
			t.Errorf("key of %d octets", len(key))
		}
		if got, ok := parseKey("files", key); !ok || got != id {
			t.Errorf("%s came back as %+v", key, got)
		}
		if _, ok := parseKey("file", key); ok {
			t.Error("another input took the key")
		}
	}
	f(identity{inode{1, 2}, 3, [8]byte{4}})
	f(identity{inode{1<<64 - 1, 1<<64 - 1}, headSize, [8]byte{255, 255, 255, 255, 255, 255, 255, 255}})
}

func FuzzParseKey(f *testing.F) {
	f.Add(identity{inode{1, 2}, 3, [8]byte{4}}.key("a"))
	f.Add("file/a/1.2.3.04")
	f.Fuzz(func(t *testing.T, key string) {
		id, ok := parseKey("a", key)
		if !ok {
			return
		}
		if again, ok := parseKey("a", id.key("a")); !ok || again != id {
			t.Errorf("%q is %+v, and then %+v", key, id, again)
		}
	})
}

// Whatever a file holds, and in whatever pieces it is written, the lines are those
// of the whole.
func FuzzLines(f *testing.F) {
	f.Add([]byte("one\ntwo\r\n\n\x00\x00three\nfour"), uint16(5))
	f.Add([]byte(strings.Repeat("x", 300)+"\n\n"), uint16(100))
	path := filepath.Join(f.TempDir(), fmt.Sprint(os.Getpid()))
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		in, err := New(Config{Name: "a", Include: []string{"/a"}, MaxMessageSize: 64})
		if err != nil {
			t.Fatal(err)
		}
		read := func(pieces ...[]byte) []string {
			s := newSink()
			r := newReader(in, s)
			r.buf = make([]byte, 128)
			w, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			info, _ := w.Stat()
			file := &followed{inode: inodeOf(info), path: path, at: path}
			r.files[file.inode] = file
			for _, p := range pieces {
				if _, err := w.Write(p); err != nil {
					t.Fatal(err)
				}
				for r.turn(file) {
					r.submit(context.Background())
				}
				r.submit(context.Background())
			}
			r.close(file)
			return s.texts()
		}
		at := min(int(cut), len(data))
		whole, parts := read(data), read(data[:at], data[at:])
		if !slices.Equal(whole, parts) {
			t.Errorf("in one piece %q, in two %q", whole, parts)
		}
		for _, text := range whole {
			if text == "" || len(text) > 64 || strings.Contains(text, "\n") {
				t.Errorf("line %q", text)
			}
		}
	})
}

func TestConfigurationMistakesAreTold(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	f(Config{Include: []string{"/a"}}, "name")
	f(Config{Name: "a"}, "include")
	f(Config{Name: "a", Include: []string{"a"}}, "absolute")
	f(Config{Name: "a", Include: []string{"/a/**/b"}}, "**")
	f(Config{Name: "a", Include: []string{"/a["}}, "syntax")
	f(Config{Name: "a", Include: []string{"/a"}, Exclude: []string{"["}}, "exclude")
	f(Config{Name: "a", Include: []string{"/a"}, MaxMessageSize: -1}, "max_message_size")
	f(Config{Name: "a", Include: []string{"/a"}, FlushAfter: -1}, "flush_after")
	f(Config{Name: "a", Include: []string{"/a"}, MaxOpenFiles: -1}, "max_open_files")
}
