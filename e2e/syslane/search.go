package syslane

import (
	"bufio"
	"bytes"
	"fmt"
	"os/exec"
	"testing"
)

// maxDocument bounds a line that search prints, in octets.
const maxDocument = 32 << 20

// Each runs `syslane search --json --limit 0` against the node's HTTP API, with
// more arguments if given, and calls f with every document.
func (n *Node) Each(t testing.TB, f func(document []byte) error, args ...string) {
	t.Helper()
	n.search(t, f, append([]string{"--server", "http://" + n.HTTP}, args...))
}

// EachOnDisk is Each directly on the folder of the log, whether the node runs or
// not.
func (n *Node) EachOnDisk(t testing.TB, f func(document []byte) error, args ...string) {
	t.Helper()
	n.search(t, f, append([]string{"--dir", n.State}, args...))
}

func (n *Node) search(t testing.TB, f func(document []byte) error, args []string) {
	t.Helper()
	command := n.place.Command(append([]string{n.binary, "search", "--json", "--limit", "0"}, args...)...)
	cmd := exec.Command(command[0], command[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxDocument)
	var bad error
	for lines.Scan() && bad == nil {
		bad = f(lines.Bytes())
	}
	if bad == nil {
		bad = lines.Err()
	}
	if bad != nil {
		cmd.Process.Kill()
	}
	// Exit status 1 says that there is no document.
	if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != 1 && bad == nil {
		bad = fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	if bad != nil {
		t.Fatalf("syslane search %q: %v", args, bad)
	}
}
