package operations

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

func TestTopShowsARunningCollectorOnceAndLive(t *testing.T) {
	dir, http, in := t.TempDir(), proc.FreeAddr(t), proc.FreeAddr(t)
	conf := filepath.Join(dir, "collector.toml")
	text := fmt.Sprintf("[[input]]\ntype = \"tcp\"\nname = \"lines\"\nlisten = %q\n[[output]]\ntype = \"relp\"\nname = \"away\"\ntargets = [\"127.0.0.1:1\"]\n[http]\nlisten = %q\ntoken = \"a-token-of-tests\"\n", in, http)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	startFile(t, "collector", conf, http)
	conn, err := net.Dial("tcp", in)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 300 {
		now := time.Now().UTC().Format(time.RFC3339Nano)
		for _, host := range []string{"noisy", "quiet", "noisy"} {
			fmt.Fprintf(conn, "<13>1 %s %s app - - - message %d\n", now, host, i)
		}
	}

	if _, errs, err := run(t, "", "top", "--once", "--server", "http://"+http); err == nil || !strings.Contains(errs, "token") {
		t.Errorf("without a token: %v %s", err, errs)
	}
	t.Setenv("SYSLANE_TOKEN", "a-token-of-tests")
	await.Until(t, time.Minute, "what top --once shows", func() error {
		out, errs, err := run(t, "", "top", "--once", "--interval", "100ms", "--server", "http://"+http)
		if err != nil {
			return fmt.Errorf("%w: %s", err, errs)
		}
		for _, want := range []string{"syslane collector", "lines", "900", "away", "DOWN: ", "600 noisy", "300 quiet"} {
			if !strings.Contains(out, want) {
				return fmt.Errorf("%q is not in\n%s", want, out)
			}
		}
		return nil
	})

	// Live, in a terminal of its own, until q.
	script, err := exec.LookPath("script")
	if err != nil {
		peers.LeaveOut(t, "script of util-linux is not installed")
	}
	screens := filepath.Join(dir, "screens")
	cmd := exec.Command(script, "-qfec", fmt.Sprintf("stty cols 60 rows 12; exec %s top --interval 100ms --server http://%s", syslane.Binary(t), http), screens)
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	await.Until(t, time.Minute, "two screens", func() error {
		text, err := os.ReadFile(screens)
		if n := strings.Count(string(text), "syslane collector"); err != nil || n < 2 {
			return fmt.Errorf("%d screens, %v", n, err)
		}
		return nil
	})
	fmt.Fprint(keys, "q")
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("after q: %v", err)
		}
	case <-time.After(time.Minute):
		cmd.Process.Kill()
		t.Error("q does not end it")
	}
	text2, _ := os.ReadFile(screens)
	if !strings.Contains(string(text2), "\x1b[?1049l") {
		t.Error("the terminal is not given back")
	}
}
