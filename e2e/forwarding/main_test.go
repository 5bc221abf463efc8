package forwarding

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/syslane"
)

// arrival is how long messages may take to get anywhere, on a slow machine.
const arrival = 2 * time.Minute

func TestMain(m *testing.M) { syslane.Main(m) }

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
