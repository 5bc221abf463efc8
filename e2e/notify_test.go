package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// The test is the service manager of sd_notify(3).
func TestServiceManagerHearsOfReadinessOfLifeAndOfTheEnd(t *testing.T) {
	dir := t.TempDir()
	path, config := filepath.Join(dir, "notify"), filepath.Join(dir, "relay.toml")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	text := fmt.Sprintf("state = %q\n[[input]]\ntype = \"udp\"\nlisten = %q\n", filepath.Join(dir, "state"), proc.FreeAddr(t))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := proc.Start(t, proc.Config{Name: "relay", Log: filepath.Join(dir, "log"),
		Env:  []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=400000"},
		Args: []string{syslane.Binary(t), "relay", "--config", config}})
	buf := make([]byte, 4096)
	hear := func(want string) {
		t.Helper()
		manager.SetReadDeadline(time.Now().Add(30 * time.Second))
		for {
			n, err := manager.Read(buf)
			if err != nil {
				t.Fatalf("waiting for %s: %v", want, err)
			}
			if states := strings.Split(string(buf[:n]), "\n"); states[0] == want || states[len(states)-1] == want {
				return
			}
		}
	}
	hear("READY=1")
	for range 3 {
		hear("WATCHDOG=1")
	}
	ended := make(chan error, 1)
	go func() { ended <- p.Stop(30 * time.Second) }()
	hear("STOPPING=1")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
