package operations

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/syslane"
)

// elsewhere are the pages whose commands other tests run, and which.
var elsewhere = map[string]string{
	"INSTALL.md": "the tests of the packages, in a system of their own",
}

// fence is the beginning of a block of commands: "sh", or "sh no-run: REASON" where a
// test cannot run it.
var fence = regexp.MustCompile("^```sh(?: (.*))?$")

// changes finds commands that would change the machine beyond the test's folder.
var changes = regexp.MustCompile(`^\s*(sudo|apt|apt-get|dnf|rpm|dpkg|systemctl|sysctl|docker|podman|make)\b`)

// commands returns the blocks of a page that are to be run, each with its line, and those
// that are not, with their reasons.
func commands(t *testing.T, page string) (script string, blocks int, left []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	inside, running := false, false
	for i, line := range strings.Split(string(text), "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case !inside && m != nil:
			inside, running = true, m[1] == ""
			reason, marked := strings.CutPrefix(m[1], "no-run: ")
			if !running && (!marked || reason == "") {
				t.Errorf("%s:%d: %q: want sh, or sh no-run: REASON", page, i+1, line)
			}
			if running {
				blocks++
				fmt.Fprintf(&b, "echo '>>> line %d' >&2\n", i+1)
			} else {
				left = append(left, fmt.Sprintf("%s:%d: %s", filepath.Base(page), i+1, reason))
			}
		case inside && line == "```":
			inside = false
		case inside && running && changes.MatchString(line):
			t.Fatalf("%s:%d: %q would change this machine: mark its block sh no-run: REASON", page, i+1, line)
		case inside && running:
			b.WriteString(line + "\n")
		}
	}
	return b.String(), blocks, left
}

// apart tells whether the commands can have a network of their own. Otherwise the ports
// that are shipped must be free, or they would talk to another Syslane.
func apart(t *testing.T) bool {
	t.Helper()
	if exec.Command("unshare", "--net", "ip", "link", "set", "lo", "up").Run() == nil {
		return true
	}
	for _, port := range []string{"2514", "5514", "8514", "2515", "5515", "8515", "6514", "8524"} {
		l, err := net.Listen("tcp", "127.0.0.1:"+port)
		if err != nil {
			t.Fatalf("the commands of the documentation need this port: %v", err)
		}
		l.Close()
	}
	return false
}

// Each page is one session of a shell in a folder of its own, with the real binary: what
// its first commands start, later ones use. The ports are those that are shipped.
func TestCommandsOfTheDocumentationRun(t *testing.T) {
	peers.Find(t, peers.Logger)
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, page := range append(pages, "../../README.md") {
		name := filepath.Base(page)
		if elsewhere[name] != "" {
			t.Logf("%s: run by %s", name, elsewhere[name])
			continue
		}
		script, blocks, left := commands(t, page)
		for _, l := range left {
			t.Logf("not run: %s", l)
		}
		if ran += blocks; blocks == 0 {
			continue
		}
		t.Run(strings.TrimSuffix(name, ".md"), func(t *testing.T) {
			dir := t.TempDir()
			bin := filepath.Join(dir, "bin")
			if err := os.Mkdir(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(syslane.Binary(t), filepath.Join(bin, "syslane")); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
			if apart(t) {
				cmd = exec.Command("unshare", "--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "-", "bash", "-euo", "pipefail", "-c", script)
			}
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "XDG_STATE_HOME="+filepath.Join(dir, "state"))
			log, err := os.Create(filepath.Join(dir, "output"))
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			cmd.Stdout, cmd.Stderr = log, log
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// What it has started in the background ends with it.
			defer syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			done := make(chan error, 1)
			go func() { done <- cmd.Wait() }()
			select {
			case err = <-done:
			case <-time.After(2 * time.Minute):
				err = fmt.Errorf("it still runs after two minutes")
			}
			if err != nil {
				out, _ := os.ReadFile(log.Name())
				t.Errorf("%s: %v\n%s", name, err, out[max(0, len(out)-4000):])
			}
		})
	}
	if ran < 15 {
		t.Errorf("only %d blocks of commands were found", ran)
	}
	t.Logf("%d blocks of commands", ran)
}
