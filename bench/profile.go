package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/syslane/syslane/bench/cases"
	"github.com/syslane/syslane/bench/subject"
)

// profiled is how long profiles are taken, from the first octet of the load.
const profiled = 2 // seconds

// profileTimes is how many times the messages of a case are sent then, so that there
// is load all the while.
const profileTimes = 3

// kinds are the profiles that are taken, all at once.
var kinds = []string{"profile", "allocs", "block", "mutex"}

// samples says what of each is shown.
var samples = map[string]string{"profile": "cpu", "allocs": "alloc_space", "block": "delay", "mutex": "delay"}

// profileCase runs a case twice for each subject: once with profiles taken, and
// once with the system calls counted, which makes them slow.
func profileCase(dir string, b *cases.Bench, c cases.Case) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, s := range c.Subjects {
		name := strings.NewReplacer(" ", "-", ",", "").Replace(c.Name + "." + s.Name)
		p := profiler{base: filepath.Join(dir, name)}
		b.Loading, b.Times = p.takeProfiles, profileTimes
		if _, err := c.Run(b, s); err != nil {
			return err
		}
		if err := p.finish(b.Tools.Syslane); err != nil {
			return err
		}
		b.Loading, b.Times = p.countCalls, 1
		if _, err := c.Run(b, s); err != nil {
			return err
		}
		if p.err != nil {
			return p.err
		}
	}
	return nil
}

// profiler looks into one subject during a case.
type profiler struct {
	// base is what the names of its files begin with.
	base   string
	taking errgroup.Group
	err    error
}

// takeProfiles takes the profiles that the subject serves at its --pprof.
func (p *profiler) takeProfiles(r *subject.Running) (done func()) {
	for _, kind := range kinds {
		p.taking.Go(func() error {
			return fetch(fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", r.PProf, kind, profiled), p.base+"."+kind+".pprof")
		})
	}
	return func() { p.err = p.taking.Wait() }
}

// countCalls has strace count the subject's system calls.
func (p *profiler) countCalls(r *subject.Running) (done func()) {
	file := p.base + ".syscalls.txt"
	cmd := exec.Command("strace", "-c", "-f", "-p", fmt.Sprint(r.PID()), "-o", file)
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: system calls are not counted:", err)
		return func() {}
	}
	time.Sleep(attach)
	return func() {
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Wait()
		fmt.Println(file)
	}
}

// attach is how long strace may take until it sees all threads.
const attach = 500 * time.Millisecond

func fetch(url, file string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, resp.Body); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// finish writes what is expensive in each profile as text beside it.
func (p *profiler) finish(binary string) error {
	if p.err != nil {
		return p.err
	}
	for _, kind := range kinds {
		file := p.base + "." + kind
		var text []byte
		for _, order := range []string{"-flat", "-cum"} {
			out, err := exec.Command("go", "tool", "pprof", "-top", "-nodecount=25", order, "-sample_index="+samples[kind], binary, file+".pprof").CombinedOutput()
			if err != nil {
				return fmt.Errorf("go tool pprof %s.pprof: %w: %s", file, err, out)
			}
			text = append(text, out...)
		}
		if err := os.WriteFile(file+".txt", text, 0o644); err != nil {
			return err
		}
		fmt.Println(file + ".txt")
	}
	return nil
}
