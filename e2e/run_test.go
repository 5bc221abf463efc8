package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// make run is what a newcomer types first. This test does what it then says.
func TestNewcomerSendsAndFindsAMessageAsMakeRunSaysAndCtrlCEndsItInOrder(t *testing.T) {
	peers.Find(t, peers.Logger)
	binary := syslane.Binary(t)
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	run := proc.Start(t, proc.Config{
		Name: "scripts/run.sh", Dir: "..", Args: []string{"scripts/run.sh", state},
		Env: []string{"SYSLANE_BINARY=" + binary}, Log: filepath.Join(dir, "run.log"),
	})
	// Killed outright, as Start does at the end, it could not end what it started.
	t.Cleanup(func() { run.Stop(30 * time.Second) })
	printed := func() string {
		b, err := os.ReadFile(filepath.Join(dir, "run.log"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	await.Until(t, 30*time.Second, "make run to say what to type next", func() error {
		if err := run.Exited(); err != nil {
			return await.Hopeless(fmt.Errorf("%w (it needs the ports of etc/*.toml free)\n%s", err, run.Tail()))
		}
		if !strings.Contains(printed(), "Ctrl-C ends both") {
			return fmt.Errorf("so far: %s", printed())
		}
		return nil
	})
	command := func(name string) string {
		m := regexp.MustCompile(`(?m)^  ` + name + ` +(.*)$`).FindStringSubmatch(printed())
		if m == nil {
			t.Fatalf("it does not say what to type for %q:\n%s", name, printed())
		}
		return m[1]
	}
	shell := func(line string) string {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir, cmd.Env = "..", append(os.Environ(), "USER=newcomer")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Logf("%s: %v: %s", line, err, stderr.Bytes())
		}
		return string(out)
	}
	second := exec.Command("scripts/run.sh", filepath.Join(dir, "second"))
	second.Dir, second.Env = "..", append(os.Environ(), "SYSLANE_BINARY="+binary)
	if out, err := second.CombinedOutput(); err == nil || !strings.Contains(string(out), "something listens on 127.0.0.1:8514 already") {
		t.Errorf("a second make run: %v: %s", err, out)
	}
	const hello = "hello from newcomer"
	shell(command("send"))
	await.Until(t, time.Minute, "the message to be found", func() error {
		if out := shell(command("find")); !strings.Contains(out, hello) {
			return fmt.Errorf("search prints %q", out)
		}
		return nil
	})

	// Ctrl-C reaches the foreground's process group.
	if err := syscall.Kill(-run.PID(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(30 * time.Second); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	if out := shell(binary + " search --dir " + state + "/collector hello"); !strings.Contains(out, hello) {
		t.Errorf("after the end search --dir prints %q", out)
	}
}
