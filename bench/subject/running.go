package subject

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startLimit is how long a subject may take until it listens.
const startLimit = 30 * time.Second

// Running is a subject that was started.
type Running struct {
	Subject
	*Site
	cmd    *exec.Cmd
	log    string
	exited chan struct{}
	err    error // how it ended; set before exited is closed
	// Took is how long it took from its start until it listened.
	Took time.Duration
}

// Start starts a subject and waits until it listens.
func Start(s Subject, site *Site) (*Running, error) {
	cmd, err := s.Launch(site)
	if err != nil {
		return nil, err
	}
	r := &Running{Subject: s, Site: site, cmd: cmd, log: filepath.Join(site.Dir, "output.log"), exited: make(chan struct{})}
	log, err := os.Create(r.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		r.err = cmd.Wait()
		close(r.exited)
	}()
	for !listening(site.In) {
		select {
		case <-r.exited:
			return nil, r.Blame(fmt.Errorf("it ended: %w", r.err))
		case <-time.After(time.Millisecond):
		}
		if time.Since(began) > startLimit {
			r.Kill()
			return nil, r.Blame(fmt.Errorf("it does not listen after %v", startLimit))
		}
	}
	r.Took = time.Since(began)
	return r, nil
}

// listening tells whether there is a socket, TCP or UDP, bound to addr and not yet
// connected. It asks the kernel, for a connection would be work for the subject.
func listening(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	n, _ := strconv.Atoi(port)
	for file, state := range map[string]string{"/proc/net/tcp": "0A", "/proc/net/udp": "07"} {
		table, _ := os.ReadFile(file)
		for line := range bytes.Lines(table) {
			f := strings.Fields(string(line))
			if len(f) > 3 && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", n)) && f[3] == state {
				return true
			}
		}
	}
	return false
}

// PID is its process id.
func (r *Running) PID() int { return r.cmd.Process.Pid }

// CPU is the CPU time that it has used, exact to nanoseconds: the clock of the
// process, for the ticks in /proc/PID/stat are 10 ms long.
func (r *Running) CPU() (time.Duration, error) {
	const scheduler = 2 // CPUCLOCK_SCHED of the whole process, see clock_getcpuclockid(3)
	var t unix.Timespec
	if err := unix.ClockGettime(^int32(r.PID())<<3|scheduler, &t); err != nil {
		return 0, r.Blame(fmt.Errorf("read its CPU time: %w", err))
	}
	return time.Duration(t.Nano()), nil
}

// Resident is its resident memory in octets, and the most that it has ever been.
func (r *Running) Resident() (now, peak int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.PID()))
	for line := range strings.Lines(string(status)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "VmRSS:":
			now = kib << 10
		case "VmHWM:":
			peak = kib << 10
		}
	}
	return now, peak, err
}

// Written is the octets of the files in its folder, but for what it says of itself: a
// daemon that cannot reach its output says so again and again.
func (r *Running) Written() (octets int64) {
	filepath.WalkDir(r.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && path != r.log {
			if info, err := d.Info(); err == nil {
				octets += info.Size()
			}
		}
		return nil
	})
	return octets
}

// Signal sends a signal.
func (r *Running) Signal(s os.Signal) error { return r.cmd.Process.Signal(s) }

// Kill ends it at once.
func (r *Running) Kill() {
	r.cmd.Process.Kill()
	<-r.exited
}

// Stop asks it to end, and kills it where it does not.
func (r *Running) Stop() {
	r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.exited:
	case <-time.After(15 * time.Second):
		r.Kill()
	}
}

// Blame adds to an error what the subject had to say, or that it ended.
func (r *Running) Blame(err error) error {
	if err == nil {
		return nil
	}
	select {
	case <-r.exited:
		err = errors.Join(err, fmt.Errorf("it has ended: %v", r.err))
	default:
	}
	said, _ := os.ReadFile(r.log)
	if said = bytes.TrimSpace(said); len(said) > 0 {
		err = fmt.Errorf("%w; it said: %s", err, said[max(0, len(said)-600):])
	}
	return err
}
