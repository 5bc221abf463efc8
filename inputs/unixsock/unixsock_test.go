package unixsock

import (
	"context"
	"errors"
	"fmt"
	"log/syslog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/activation"
	event "github.com/syslane/syslane/internal/syslog"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("UNIXSOCK_TEST_SEND"); path != "" {
		os.Exit(sendOther(path))
	}
	if path := os.Getenv("UNIXSOCK_TEST_PASSED"); path != "" {
		os.Exit(servePassed(path, os.Getenv("UNIXSOCK_TEST_STREAM") != ""))
	}
	goleak.VerifyTestMain(m)
}

// start runs an input and returns its path and the function that stops it and waits.
func start(t *testing.T, cfg Config, s inputs.Sink) (path string, stop func()) {
	t.Helper()
	cfg.Name, cfg.Host = "unix-test", "here"
	if cfg.Path == "" {
		cfg.Path = filepath.Join(t.TempDir(), "log")
	}
	cfg.Logger = inputtest.Logger(t)
	in, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Path, inputtest.Run(t, in, s)
}

func expect(t *testing.T, s *inputtest.Sink, want ...string) {
	t.Helper()
	inputtest.Eventually(t, fmt.Sprint(len(want), " messages"), func() bool { return s.Count() >= len(want) })
	if got := s.Texts(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func self() event.Credentials {
	return event.Credentials{Known: true, PID: uint32(os.Getpid()), UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
}

func TestEachDatagramIsOneMessageWithTheSendersCredentials(t *testing.T) {
	s := &inputtest.Sink{}
	path, _ := start(t, Config{MaxMessageSize: 100}, s)
	c := inputtest.Dial(t, "unixgram", path)
	long := strings.Repeat("x", 100)
	for _, d := range []string{"<13>one", "<13>two\n", "<13>three\x00", "", "<13>a\nb\n\n", long + "\n", long + "yz\r\n"} {
		if _, err := c.Write([]byte(d)); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, s, "<13>one", "<13>two", "<13>three", "<13>a\nb\n", long, long)
	for i, m := range s.All() {
		if want := (inputs.Origin{Host: "here", Local: true, Credentials: self()}); s.Origins()[i] != want {
			t.Errorf("%q is from %+v, want %+v", m.Text, s.Origins()[i], want)
		}
		if (m.Warnings == event.WarnTruncated) != (i == 5) {
			t.Errorf("message %d has warnings %v", i, m.Warnings.Names(nil))
		}
	}
}

func TestEachProcessIsToldApart(t *testing.T) {
	s := &inputtest.Sink{}
	path, _ := start(t, Config{}, s)
	c := inputtest.Dial(t, "unixgram", path)
	fmt.Fprint(c, "<13>first")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), "UNIXSOCK_TEST_SEND="+path)
	if out, err := other.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	fmt.Fprint(c, "<13>last")
	expect(t, s, "<13>first", "<13>other", "<13>last")
	for i, pid := range []int{os.Getpid(), other.Process.Pid, os.Getpid()} {
		if got := s.Origins()[i].Credentials.PID; got != uint32(pid) {
			t.Errorf("message %d is from process %d, want %d", i, got, pid)
		}
	}
}

// sendOther is another process that sends one message.
func sendOther(path string) int {
	c, err := net.Dial("unixgram", path)
	if err == nil {
		_, err = fmt.Fprint(c, "<13>other")
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

func TestFilesThatASenderPassesAreNotTaken(t *testing.T) {
	s := &inputtest.Sink{}
	path, _ := start(t, Config{}, s)
	raw, err := inputtest.Dial(t, "unixgram", path).(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	for range 100 {
		var sendErr error
		if err := raw.Write(func(fd uintptr) bool {
			sendErr = unix.Sendmsg(int(fd), []byte("<13>with files"), unix.UnixRights(0, 1, 2), nil, 0)
			return sendErr != unix.EAGAIN
		}); err != nil || sendErr != nil {
			t.Fatal(err, sendErr)
		}
	}
	inputtest.Eventually(t, "the messages", func() bool { return s.Count() == 100 })
	if now := openFiles(t); now > before {
		t.Errorf("%d files are open, %d were", now, before)
	}
	if s.Origins()[99].Credentials != self() {
		t.Error("the credentials are missing")
	}
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestMessagesOnAStreamEndWithNULOrLineFeed(t *testing.T) {
	s := &inputtest.Sink{}
	path, stop := start(t, Config{Stream: true, MaxMessageSize: 8000}, s)
	c := inputtest.Dial(t, "unix", path)
	long := strings.Repeat("x", 8000)
	fmt.Fprint(c, "<13>one\x00<13>two\n\n9 <13>3\n456", long, "yz\n", "<13>last")
	c.Close()
	inputtest.Eventually(t, "5 messages", func() bool { return s.Count() == 5 })
	stop()
	expect(t, s, "<13>one", "<13>two", "<13>3\n456", long, "<13>last")
	for i, want := range []event.Warnings{0, 0, 0, event.WarnTruncated, event.WarnUnterminated} {
		if m, o := s.All()[i], s.Origins()[i]; m.Warnings != want || o.Credentials != self() || !o.Local {
			t.Errorf("message %d: %v %+v", i, m.Warnings.Names(nil), o)
		}
	}
}

func TestFurtherConnectionsWaitForRoom(t *testing.T) {
	s := &inputtest.Sink{}
	path, _ := start(t, Config{Stream: true, MaxConnections: 1}, s)
	a, b := inputtest.Dial(t, "unix", path), inputtest.Dial(t, "unix", path)
	fmt.Fprint(b, "<13>b\n")
	fmt.Fprint(a, "<13>a\n")
	expect(t, s, "<13>a")
	a.Close()
	expect(t, s, "<13>a", "<13>b")
}

// What a send has taken must come out of the sink, and what comes too late must
// be refused: nothing may vanish between.
func TestNothingThatWasSentIsLostAtTheEnd(t *testing.T) {
	for _, stream := range []bool{false, true} {
		network := map[bool]string{false: "unixgram", true: "unix"}[stream]
		s := &inputtest.Sink{}
		path, stop := start(t, Config{Stream: stream}, s)
		var sent [4]int
		var senders sync.WaitGroup
		for i := range sent {
			c := inputtest.Dial(t, network, path)
			senders.Go(func() {
				for {
					if _, err := fmt.Fprintf(c, "<13>sender %d sends %d\n", i, sent[i]); err != nil {
						return
					}
					sent[i]++
				}
			})
		}
		inputtest.Eventually(t, "some messages", func() bool { return s.Count() > 1000 })
		stop()
		senders.Wait()
		total := 0
		for _, n := range sent {
			total += n
		}
		got := map[string]int{}
		for _, text := range s.Texts() {
			got[text]++
		}
		for i, n := range sent {
			for k := range n {
				if text := fmt.Sprintf("<13>sender %d sends %d", i, k); got[text] != 1 {
					t.Fatalf("%s: %q came %d times", network, text, got[text])
				}
			}
		}
		// A stream's last write may have been cut.
		if n := s.Count(); n < total || n > total+len(sent) {
			t.Errorf("%s: %d messages, %d were sent", network, n, total)
		}
	}
}

func TestASenderWaitsWhileTheLogTakesNothing(t *testing.T) {
	s := &inputtest.Sink{Gate: make(chan struct{})}
	path, stop := start(t, Config{}, s)
	c := inputtest.Dial(t, "unixgram", path)
	big := strings.Repeat("x", 60_000)
	c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	n := 0
	for ; n < 100_000; n++ {
		if _, err := c.Write([]byte(big)); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			break
		}
	}
	close(s.Gate)
	stop()
	if got := s.Count(); got != n || n == 100_000 {
		t.Errorf("%d messages of %d sent", got, n)
	}
}

func TestSocketFilesAreReplacedOnlyWhereNobodyListens(t *testing.T) {
	dir := t.TempDir()
	f := func(name string, prepare func(path string), want string) {
		t.Helper()
		path := filepath.Join(dir, name)
		prepare(path)
		in, err := New(Config{Name: "a", Path: path})
		if err != nil {
			t.Fatal(err)
		}
		err = in.Listen()
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error is %v, want one with %q", name, err, want)
		}
		_, statErr := os.Lstat(path)
		if statErr != nil {
			t.Errorf("%s: %v", name, statErr)
		}
		in.close()
		if _, err := os.Lstat(path); (want == "") != errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: at the end %v", name, err)
		}
	}
	listen := func(network string, stays bool) func(string) {
		return func(path string) {
			if network == "unix" {
				l, err := net.ListenUnix(network, &net.UnixAddr{Name: path, Net: network})
				if err != nil {
					t.Fatal(err)
				}
				l.SetUnlinkOnClose(false)
				if !stays {
					l.Close()
				}
				t.Cleanup(func() { l.Close() })
				return
			}
			c, err := net.ListenUnixgram(network, &net.UnixAddr{Name: path, Net: network})
			if err != nil {
				t.Fatal(err)
			}
			if !stays {
				c.Close()
			}
			t.Cleanup(func() { c.Close() })
		}
	}
	f("new", func(string) {}, "")
	f("stale datagrams", listen("unixgram", false), "")
	f("stale stream", listen("unix", false), "")
	f("datagrams in use", listen("unixgram", true), "another program listens")
	f("stream in use", listen("unix", true), "another program listens")
	f("file", func(path string) { os.WriteFile(path, []byte("precious"), 0o600) }, "no socket")
	f("link", func(path string) { os.Symlink("/run/systemd/journal/dev-log", path) }, "journald")
}

func TestTheSocketFileHasItsModeAndGoesAtTheEnd(t *testing.T) {
	f := func(mode, want os.FileMode) {
		t.Helper()
		path, stop := start(t, Config{Mode: mode}, &inputtest.Sink{})
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("mode is %o, want %o", got, want)
		}
		stop()
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
	}
	f(0, 0o666)
	f(0o600, 0o600)
}

func TestTheSocketFileOfASuccessorStays(t *testing.T) {
	path, stop := start(t, Config{}, &inputtest.Sink{})
	os.Remove(path)
	successor, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer successor.Close()
	stop()
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestTheModeIsThatOfTheInputThatRuns(t *testing.T) {
	for _, stream := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "log")
		open := func(mode os.FileMode) *Input {
			in, err := New(Config{Name: "unix-test", Path: path, Stream: stream, Mode: mode, Logger: inputtest.Logger(t)})
			if err != nil {
				t.Fatal(err)
			}
			return in
		}
		mode := func() os.FileMode {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			return info.Mode().Perm()
		}
		before := open(0o600)
		s := &inputtest.Sink{}
		inputtest.Run(t, before, s)
		keep(t, before)

		refused := open(0o666)
		if err := refused.Listen(); err != nil {
			t.Fatal(err)
		}
		refused.Retire()
		ended, end := context.WithCancel(t.Context())
		end()
		if err := refused.Run(ended, s); err != nil {
			t.Error(err)
		}
		if mode() != 0o600 {
			t.Errorf("mode is %o after an input that did not run, want 600", mode())
		}

		inputtest.Run(t, open(0o640), s)
		inputtest.Eventually(t, "the mode of the next input", func() bool { return mode() == 0o640 })
		before.Retire()
		network := map[bool]string{false: "unixgram", true: "unix"}[stream]
		fmt.Fprint(inputtest.Dial(t, network, path), "<13>hello\n")
		expect(t, s, "<13>hello")
	}
}

// keep has the socket of an input be there for the next one, as a reload does.
func keep(t *testing.T, in *Input) {
	t.Helper()
	release, err := activation.Keep(in.Sockets()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
}

func TestAnInputThatWasOpenedAndNotRunLeavesDatagramsToTheOneBefore(t *testing.T) {
	cfg := Config{Name: "unix-test", Path: filepath.Join(t.TempDir(), "log"), Logger: inputtest.Logger(t)}
	open := func() *Input {
		in, err := New(cfg)
		if err == nil {
			err = in.Listen()
		}
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	before := open()
	keep(t, before)
	refused := open()
	fmt.Fprint(inputtest.Dial(t, "unixgram", cfg.Path), "<13>one")
	refused.Retire()
	ended, end := context.WithCancel(t.Context())
	end()
	s := &inputtest.Sink{}
	if err := refused.Run(ended, s); err != nil {
		t.Error(err)
	}
	if got := s.Texts(); len(got) > 0 {
		t.Errorf("the input that does not run got %q", got)
	}
	inputtest.Run(t, before, s)
	expect(t, s, "<13>one")
}

func TestTheSocketFileIsBackBeforeWhatCameIsStored(t *testing.T) {
	for _, stream := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "log")
		open := func(stream bool) *Input {
			in, err := New(Config{Name: "unix-test", Path: path, Stream: stream, Logger: inputtest.Logger(t)})
			if err == nil {
				err = in.Listen()
			}
			if err != nil {
				t.Fatal(err)
			}
			return in
		}
		network := map[bool]string{false: "unixgram", true: "unix"}
		before := open(!stream)
		s := &inputtest.Sink{}
		inputtest.Run(t, before, s)
		keep(t, before)

		refused := open(stream)
		fmt.Fprint(inputtest.Dial(t, network[stream], path), "<13>refused\n")
		ended, end := context.WithCancel(t.Context())
		end()
		var dialErr error
		if err := refused.Run(ended, submitFunc(func(context.Context, *inputs.Batch) error {
			var c net.Conn
			if c, dialErr = net.Dial(network[!stream], path); dialErr == nil {
				c.Close()
			}
			return nil
		})); err != nil {
			t.Error(err)
		}
		if dialErr != nil {
			t.Errorf("the socket that goes on is not to be reached: %v", dialErr)
		}
		fmt.Fprint(inputtest.Dial(t, network[!stream], path), "<13>goes on\n")
		expect(t, s, "<13>goes on")
	}
}

// submitFunc is a sink.
type submitFunc func(context.Context, *inputs.Batch) error

func (f submitFunc) Submit(ctx context.Context, b *inputs.Batch) error { return f(ctx, b) }

func TestAnInputMayBeToldToLeaveItsSocketWhileItEnds(t *testing.T) {
	for _, stream := range []bool{false, true} {
		in, err := New(Config{Name: "unix-test", Path: filepath.Join(t.TempDir(), "log"), Stream: stream, Logger: inputtest.Logger(t)})
		if err != nil {
			t.Fatal(err)
		}
		stop := inputtest.Run(t, in, &inputtest.Sink{})
		var ends sync.WaitGroup
		ends.Go(stop)
		inputtest.Eventually(t, "the end to begin", func() bool {
			_, err := os.Lstat(in.cfg.Path)
			return errors.Is(err, os.ErrNotExist)
		})
		in.Sockets() // as a reload does
		in.Retire()
		ends.Wait()
	}
}

func TestAClosedSinkEndsTheInput(t *testing.T) {
	s := &inputtest.Sink{}
	s.Fail(inputs.ErrClosed)
	path, stop := start(t, Config{}, s)
	fmt.Fprint(inputtest.Dial(t, "unixgram", path), "<13>never")
	stop()
}

func TestConfigurationMistakesAreToldBeforeASocketIsBound(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	f(Config{Path: "/dev/log"}, "name")
	f(Config{Name: "a", Path: "dev/log"}, "absolute")
	f(Config{Name: "a", Path: "/" + strings.Repeat("x", 107)}, "107")
	f(Config{Name: "a", Path: "/dev/log", Mode: 0o1666}, "mode")
	f(Config{Name: "a", Path: "/dev/log", MaxMessageSize: 1 << 30}, "max_message_size")
	f(Config{Name: "a", Path: "/dev/log", MaxConnections: -1}, "max_connections")
}

func TestTheSyslogPackageOfGoIsHeard(t *testing.T) {
	s := &inputtest.Sink{}
	path, _ := start(t, Config{}, s)
	w, err := syslog.Dial("unixgram", path, syslog.LOG_WARNING|syslog.LOG_LOCAL3, "goapp")
	if err != nil {
		t.Fatal(err)
	}
	w.Info("hello from go")
	w.Close()
	inputtest.Eventually(t, "the message", func() bool { return s.Count() == 1 })
	if text := s.Texts()[0]; !strings.HasPrefix(text, "<158>") || !strings.HasSuffix(text, fmt.Sprintf("goapp[%d]: hello from go", os.Getpid())) {
		t.Errorf("got %q", text)
	}
}

// servePassed is another process that takes the socket it is passed, and prints
// what comes until it has come to an end.
func servePassed(path string, stream bool) int {
	in, err := New(Config{Name: "passed", Path: path, Stream: stream})
	if err == nil {
		err = in.Listen()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &inputtest.Sink{}
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx, s) }()
	for s.Count() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
	fmt.Printf("%q by systemd %t\n", s.Texts(), in.file.Load() == nil)
	return 0
}

func TestSocketsThatSystemdPassesAreTakenAndLeftInPlace(t *testing.T) {
	f := func(bound, path string, stream bool, want string) {
		t.Helper()
		os.Remove(bound)
		socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: bound, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		fmt.Fprint(inputtest.Dial(t, "unixgram", bound), "<13>was waiting") // before the service runs
		file, err := socket.File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		// The shell has the process id that the program keeps.
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=2 exec "$0"`, os.Args[0])
		cmd.Env = append(os.Environ(), "UNIXSOCK_TEST_PASSED="+path)
		if stream {
			cmd.Env = append(cmd.Env, "UNIXSOCK_TEST_STREAM=1")
		}
		cmd.ExtraFiles = []*os.File{os.Stderr, file}
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("it said %q, want %q", out, want)
		}
		if _, err := os.Lstat(bound); err != nil {
			t.Error(err)
		}
	}
	dir := t.TempDir()
	bound, link := filepath.Join(dir, "dev-log"), filepath.Join(dir, "log")
	if err := os.Symlink(bound, link); err != nil {
		t.Fatal(err)
	}
	f(bound, bound, false, `["<13>was waiting"] by systemd true`)
	f(bound, link, false, `["<13>was waiting"] by systemd true`)
	f(bound, bound, true, "set stream = false")
}
