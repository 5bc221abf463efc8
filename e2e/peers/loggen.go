package peers

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/syslane/syslane/e2e/proc"
)

// StartLoggen has loggen send the lines, as they are, over one TCP connection to
// addr, each ended by a line feed, rate of them in a second.
func StartLoggen(t testing.TB, addr string, lines []byte, rate int) *proc.Process {
	t.Helper()
	loggen := Find(t, Loggen)
	dir := t.TempDir()
	file := filepath.Join(dir, "lines")
	if err := os.WriteFile(file, lines, 0o644); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return proc.Start(t, proc.Config{
		Name: "loggen",
		Args: []string{
			loggen, "--inet", "--stream", "--read-file=" + file, "--dont-parse", "--no-framing",
			"--rate=" + strconv.Itoa(rate), "--number=1000000000", "--interval=3600", host, port,
		},
		Log: filepath.Join(dir, "loggen.log"),
	})
}
