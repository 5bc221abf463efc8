// Package packages installs the packages on machines: small Debian systems that
// systemd-nspawn boots, each with a network of its own that has loopback only.
package packages

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
)

// machine is a booted system.
type machine struct {
	// root is its file system as the host sees it.
	root string
	pid  int // of its init
	lost int // groups, see lostGroups
}

// machines counts those that were booted: each needs a name of its own.
var machines atomic.Int32

// boot starts a fresh machine, with the packages at /packages, until the test ends.
func boot(t *testing.T) *machine {
	t.Helper()
	nspawn, image := peers.Find(t, peers.Nspawn), peers.DebianRoot(t)
	if os.Getuid() != 0 {
		peers.LeaveOut(t, "systemd-nspawn needs root")
	}
	dir := t.TempDir()
	m := &machine{root: filepath.Join(dir, "root")}
	if err := os.Mkdir(m.root, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-C", m.root, "-xf", image).CombinedOutput(); err != nil {
		t.Fatalf("unpack %s: %v\n%s", image, err, out)
	}
	// What the host has before it in the way of a package.
	for _, name := range []string{"etc/hostname", "etc/machine-id", "usr/sbin/policy-rc.d"} {
		os.Remove(filepath.Join(m.root, name))
	}
	p := proc.Start(t, proc.Config{Name: "systemd-nspawn", Log: filepath.Join(dir, "console"), Args: []string{nspawn,
		"--quiet", "--boot", "--directory", m.root, "--machine", fmt.Sprintf("syslane-test-%d-%d", os.Getpid(), machines.Add(1)), "--hostname", "testhost", "--private-network", "--register=no", "--keep-unit",
		"--link-journal=no", "--resolv-conf=off", "--timezone=off", "--console=pipe", "--bind-ro=" + distribution(t) + ":/packages"}})
	t.Cleanup(func() {
		// All of it ends with its init, and nspawn tidies up.
		if m.pid > 0 {
			syscall.Kill(m.pid, syscall.SIGKILL)
		}
		p.Wait(30 * time.Second)
	})
	await.Until(t, time.Minute, "the machine's init", func() (err error) {
		if err := p.Exited(); err != nil {
			return await.Hopeless(err)
		}
		m.pid, err = initOf(p.PID())
		return err
	})
	await.Until(t, time.Minute, "the machine to be up", func() error {
		out, _ := m.try("systemctl is-system-running")
		if state := strings.TrimSpace(out); state != "running" && state != "degraded" {
			return fmt.Errorf("it is %q", state)
		}
		return nil
	})
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := m.try("journalctl --no-pager -o short-monotonic | tail -60; systemctl --no-pager status 'syslane*'")
			t.Logf("the machine's journal:\n%s", out)
		}
	})
	return m
}

// initOf returns the process that nspawn has started as the machine's first. Others
// of its children only prepare that.
func initOf(nspawn int) (int, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", nspawn))
	if err != nil {
		return 0, err
	}
	for child := range strings.FieldsSeq(string(children)) {
		status, err := os.ReadFile("/proc/" + child + "/status")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			// The numbers of the process, from the host's to that in its own namespace.
			if ids, ok := strings.CutPrefix(line, "NSpid:"); ok && strings.HasSuffix(strings.TrimSpace(ids), "\t1") {
				return strconv.Atoi(child)
			}
		}
	}
	return 0, errors.New("there is none yet")
}

// try runs a line of the shell as the machine's root and returns what it prints.
func (m *machine) try(line string) (string, error) {
	cmd := exec.Command("nsenter", "--target", strconv.Itoa(m.pid), "--mount", "--uts", "--ipc", "--net", "--pid", "--root",
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
		"timeout", "120", "bash", "-c", "cd /root && "+line)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// lostGroups counts how often systemd has removed the control group of a unit, which it
// took for empty, before the process that it had started was in it. With control groups
// of version 1 that happens now and then, to any unit.
func (m *machine) lostGroups() int {
	out, _ := m.try("journalctl --no-pager -o cat | grep -c 'process exited.*status=219/CGROUP'")
	n, _ := strconv.Atoi(strings.TrimSpace(out))
	return n
}

// do is try that must succeed. What fails because a group was lost is tried again.
func (m *machine) do(t *testing.T, line string) string {
	t.Helper()
	out, err := m.try(line)
	if n := m.lost; err != nil {
		if m.lost = m.lostGroups(); m.lost > n {
			t.Logf("systemd has lost a control group; again: %s", line)
			out, err = m.try(line)
		}
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return out
}

// write puts a file there.
func (m *machine) write(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// has tells whether a file is there.
func (m *machine) has(path string) bool {
	_, err := os.Lstat(filepath.Join(m.root, path))
	return err == nil
}

// unit returns a property of a unit.
func (m *machine) unit(t *testing.T, name, property string) string {
	t.Helper()
	return strings.TrimSpace(m.do(t, "systemctl show --value -p "+property+" "+name))
}

// find waits until a search of the collector finds want messages with the words.
func (m *machine) find(t *testing.T, words string, want int) {
	t.Helper()
	await.Until(t, time.Minute, fmt.Sprintf("%d messages of %q", want, words), func() error {
		out, err := m.try("syslane search --limit 10000 --format raw '" + words + "'")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		if n := strings.Count(out, "\n"); n != want {
			return fmt.Errorf("there are %d: %.2000s", n, out)
		}
		return nil
	})
}

// onlyLoopback fails the test where something of Syslane's listens for others than
// this machine.
func (m *machine) onlyLoopback(t *testing.T) {
	t.Helper()
	for line := range strings.Lines(m.do(t, "ss -Hlntup")) {
		fields := strings.Fields(line)
		if len(fields) < 5 || !strings.Contains(line, "syslane") && !strings.Contains(line, "systemd") {
			continue
		}
		if !strings.HasPrefix(fields[4], "127.0.0.1:") && !strings.HasPrefix(fields[4], "[::1]:") {
			t.Errorf("listens beyond loopback: %s", line)
		}
	}
}
