package forwarding

import (
	"bytes"
	"net"
	"os"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/syslane"
)

// arrival is how long messages may take to get anywhere, on a slow machine.
const arrival = 2 * time.Minute

func TestMain(m *testing.M) {
	status := m.Run()
	syslane.Clean()
	os.Exit(status)
}

// send writes lines over TCP, a message each.
func send(t *testing.T, addr string, lines []byte) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(lines); err != nil {
		t.Fatal(err)
	}
}

// linesOf returns the lines of a file that are whole.
func linesOf(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var lines []string
	for line := range bytes.Lines(b) {
		if rest, whole := bytes.CutSuffix(line, []byte("\n")); whole {
			lines = append(lines, string(rest))
		}
	}
	return lines
}
