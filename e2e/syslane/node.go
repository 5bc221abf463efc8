package syslane

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
)

const (
	// healthyLimit is how long a start may take, recovery of the log included.
	healthyLimit = 30 * time.Second
	// stopGrace is how long an orderly end may take.
	stopGrace = 30 * time.Second
)

// Node is a relay or a collector: its configuration, its state, and the process
// that runs now.
type Node struct {
	*proc.Process
	// Role is "relay" or "collector".
	Role string
	// HTTP is the address of search, metrics and health.
	HTTP string
	// State is the state folder.
	State string

	binary, config, log string
}

// Start writes the configuration and runs a node until the test ends. text is
// TOML without the keys state and http, which Start adds.
func Start(t testing.TB, role, text string) *Node {
	t.Helper()
	dir := t.TempDir()
	n := &Node{
		Role: role, HTTP: proc.FreeAddr(t), State: filepath.Join(dir, "state"),
		binary: Binary(t), config: filepath.Join(dir, role+".toml"), log: filepath.Join(dir, role+".log"),
	}
	n.Reconfigure(t, text)
	n.Restart(t)
	return n
}

// Reconfigure writes another configuration for the next Restart, text as for Start.
func (n *Node) Reconfigure(t testing.TB, text string) {
	t.Helper()
	text = fmt.Sprintf("state = %q\n%s\n[http]\nlisten = %q\n", n.State, text, n.HTTP)
	if err := os.WriteFile(n.config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Restart runs the node again, on the same state and ports, after Kill or Stop.
func (n *Node) Restart(t testing.TB) {
	t.Helper()
	n.Process = proc.Start(t, proc.Config{Name: n.Role, Args: []string{n.binary, n.Role, "--config", n.config}, Log: n.log})
	await.Until(t, healthyLimit, n.Role+"'s /healthz", func() error {
		if err := n.Exited(); err != nil {
			return await.Hopeless(fmt.Errorf("%w\n%s", err, n.Tail()))
		}
		resp, err := http.Get("http://" + n.HTTP + "/healthz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/healthz: %s", resp.Status)
		}
		return nil
	})
}

// Shutdown ends the node as an operator does, and fails the test where it does
// not end well.
func (n *Node) Shutdown(t testing.TB) {
	t.Helper()
	if err := n.Stop(stopGrace); err != nil {
		t.Errorf("%s did not end well: %v\n%s", n.Role, err, n.Tail())
	}
}
