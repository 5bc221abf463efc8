// Package proc runs the programs of the end-to-end tests: each in a process
// group of its own, its output in a file that is shown when the test fails.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tailShown is how much of a program's output a failed test shows, in octets.
const tailShown = 6 << 10

// Config says what to run.
type Config struct {
	// Name is what failures call the program.
	Name string
	// Args are the program and its arguments.
	Args []string
	// Env is added to this process's environment.
	Env []string
	// Log is the file that standard output and standard error are appended to.
	Log string
	// Dir is the folder to run in; empty for this process's.
	Dir string
	// Place is where it runs.
	Place Place
}

// Process is a program that was started.
type Process struct {
	cfg  Config
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	err  error         // how it ended; set before done is closed

	watcher *exec.Cmd
	leash   *os.File
}

// Start runs a program until the test ends, and shows the end of its output
// where the test failed.
func Start(t testing.TB, c Config) *Process {
	t.Helper()
	p, err := Run(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the end of %s's output:\n%s", c.Name, p.Tail())
		}
	})
	return p
}

// Run starts a program that the caller ends.
func Run(c Config) (*Process, error) {
	if err := os.MkdirAll(filepath.Dir(c.Log), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(c.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &Process{cfg: c, done: make(chan struct{})}
	args := c.Place.Command(c.Args...)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = c.Dir, log, log
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	if err := p.watch(); err != nil {
		p.signal(syscall.SIGKILL)
		p.cmd.Wait()
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// watch ties the program's life to ours. A test binary that runs into its
// time-out or is killed runs no cleanup; the watcher then reads the end of its
// standard input and kills the group.
func (p *Process) watch() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	p.watcher = exec.Command("sh", "-c", `read -r _ || kill -9 "-$0" 2>/dev/null`, strconv.Itoa(p.PID()))
	p.watcher.Stdin = r
	p.watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.watcher.Start(); err != nil {
		w.Close()
		return fmt.Errorf("watch %s: %w", p.cfg.Name, err)
	}
	p.leash = w
	return nil
}

// PID is the program's process id and that of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited returns nil while the program runs, and afterwards how it ended.
func (p *Process) Exited() error {
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("%s has exited: %w", p.cfg.Name, p.err)
		}
		return fmt.Errorf("%s has exited", p.cfg.Name)
	default:
		return nil
	}
}

// Kill ends the whole group at once, as a crash does, and waits for its end.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
	p.release()
}

// Stop asks the group to end, and returns how the program did: nil for exit
// status 0. One that has not ended after grace is killed and is an error.
func (p *Process) Stop(grace time.Duration) error {
	defer p.release()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
		return p.err
	case <-time.After(grace):
		p.signal(syscall.SIGKILL)
		<-p.done
		return fmt.Errorf("%s did not end within %v of SIGTERM", p.cfg.Name, grace)
	}
}

// Wait waits for the program to end by itself, and returns how it did.
func (p *Process) Wait(limit time.Duration) error {
	select {
	case <-p.done:
		return p.err
	case <-time.After(limit):
		return fmt.Errorf("%s still runs after %v", p.cfg.Name, limit)
	}
}

func (p *Process) signal(s syscall.Signal) {
	// ESRCH: the group has ended; nothing else can go wrong with a group of ours.
	_ = syscall.Kill(-p.PID(), s)
}

// release sends the watcher home.
func (p *Process) release() {
	if p.leash != nil {
		_, _ = p.leash.WriteString("\n")
		p.leash.Close()
		p.leash = nil
		_ = p.watcher.Wait()
	}
}

// Tail returns the end of the program's output.
func (p *Process) Tail() string {
	b, err := os.ReadFile(p.cfg.Log)
	if err != nil {
		return err.Error()
	}
	if len(b) > tailShown {
		b = append([]byte("... "), b[len(b)-tailShown:]...)
	}
	return string(bytes.TrimSpace(b))
}

// RSS returns the resident memory of the program's own process in octets.
func (p *Process) RSS() (int64, error) {
	return statusKiB(p.PID(), "VmRSS:")
}

// PeakRSS returns the most that RSS has ever been.
func (p *Process) PeakRSS() (int64, error) {
	return statusKiB(p.PID(), "VmHWM:")
}

func statusKiB(pid int, field string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no " + field + " in /proc")
}

// Freeze stops the whole group where it stands: its sockets stay open and nobody
// serves them.
func (p *Process) Freeze() { p.signal(syscall.SIGSTOP) }

// HangUp sends SIGHUP to the program itself.
func (p *Process) HangUp() { _ = syscall.Kill(p.PID(), syscall.SIGHUP) }

// Thaw lets it go on.
func (p *Process) Thaw() { p.signal(syscall.SIGCONT) }
