package syslane

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
)

const (
	// healthyLimit is how long a start may take, recovery of the log included.
	healthyLimit = time.Minute
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
	place               proc.Place
	env                 []string
	client              http.Client
}

// Options say as what and where a node runs. The zero value is the binary of this
// tree, here, with its state in a folder of the test.
type Options struct {
	// Binary is the program.
	Binary string
	// Place is where it runs.
	Place proc.Place
	// State is the state folder.
	State string
	// Env is added to its environment.
	Env []string
}

// Start writes the configuration and runs a node until the test ends. text is
// TOML without the keys state and http, which Start adds.
func Start(t testing.TB, role, text string) *Node {
	t.Helper()
	return StartWith(t, role, Options{}, text)
}

// StartWith is Start with options.
func StartWith(t testing.TB, role string, o Options, text string) *Node {
	t.Helper()
	dir := t.TempDir()
	n := &Node{
		Role: role, HTTP: proc.FreeAddr(t), State: o.State,
		binary: o.Binary, config: filepath.Join(dir, role+".toml"), log: filepath.Join(dir, role+".log"),
		place: o.Place, env: o.Env,
		client: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialContext: o.Place.Dial, DisableKeepAlives: true}},
	}
	if n.State == "" {
		n.State = filepath.Join(dir, "state")
	}
	if n.binary == "" {
		n.binary = Binary(t)
	}
	n.Reconfigure(t, text)
	t.Cleanup(func() {
		if err := n.panicked(); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	})
	n.Restart(t)
	return n
}

// panics is how a line of a program's output begins, or what it holds, where Go code has
// panicked, be it in a handler that the server has caught, or raced.
var panics = regexp.MustCompile(`(?m)^(panic:|fatal error:|WARNING: DATA RACE|SIG[A-Z]+: ).*|.*panic serving.*`)

// panicked returns what any run of the node has written of a panic. A test that kills
// its nodes would not see that one had died of itself.
func (n *Node) panicked() error {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err
	}
	if at := panics.FindIndex(text); at != nil {
		return fmt.Errorf("it panicked:\n%.4000s", text[at[0]:])
	}
	return nil
}

// Use makes the next Restart run another binary, as an upgrade does.
func (n *Node) Use(binary string) { n.binary = binary }

// Config returns the path of the configuration.
func (n *Node) Config() string { return n.config }

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
	n.Process = proc.Start(t, n.process())
	await.Until(t, healthyLimit, n.Role+"'s /healthz", func() error {
		if err := n.Exited(); err != nil {
			return await.Hopeless(fmt.Errorf("%w\n%s", err, n.Tail()))
		}
		resp, err := n.client.Get("http://" + n.HTTP + "/healthz")
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

func (n *Node) process() proc.Config {
	return proc.Config{Name: n.Role, Args: []string{n.binary, n.Role, "--config", n.config}, Log: n.log, Place: n.place, Env: n.env}
}

// Shutdown ends the node as an operator does, and fails the test where it does
// not end well.
func (n *Node) Shutdown(t testing.TB) {
	t.Helper()
	if err := n.Stop(stopGrace); err != nil {
		t.Errorf("%s did not end well: %v\n%s", n.Role, err, n.Tail())
	}
}

// Reload has the node load its configuration again, as an operator does, and returns
// what "syslane reload" said and its exit status.
func (n *Node) Reload() (said string, status int, err error) {
	command := n.place.Command(n.binary, "reload", "--state", n.State)
	cmd := exec.Command(command[0], command[1:]...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode(), nil
	}
	return string(out), 0, err
}
