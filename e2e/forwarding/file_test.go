package forwarding

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// A backlog is written to files, and the relay killed again and again meanwhile.
func TestAKilledRelayHasEachLineOnceInItsFiles(t *testing.T) {
	const count = 100_000
	listen := proc.FreeAddr(t)
	input := fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n", listen)
	// Nobody takes from the log yet, but it must keep what comes.
	node := syslane.Start(t, "relay", input+fmt.Sprintf("[[output]]\ntype = \"relp\"\nname = \"away\"\ntargets = [%q]\n", proc.FreeAddr(t)))
	set := numbered.New(count)
	lines := set.Lines()
	syslane.Send(t, listen, lines)
	node.WaitFor(t, arrival, count, "syslane_log_stored_messages_total")
	node.Shutdown(t)

	dir := t.TempDir()
	node.Reconfigure(t, input+fmt.Sprintf("[[output]]\ntype = \"file\"\npath = %q\nformat = \"raw\"\nbatch_size = \"64KiB\"\n",
		filepath.Join(dir, "hosts/{host}/messages.log")))
	for i := range 4 {
		node.Restart(t)
		node.WaitFor(t, arrival, float64(count*(i+1)/6), "syslane_output_delivered_messages_total", "output", "file")
		node.Kill()
	}
	node.Restart(t)
	await.Until(t, arrival, "the end of the backlog", func() error {
		m, err := node.Metrics()
		if held := m.Sum("syslane_output_retained_messages", "output", "file"); err == nil && held > 0 {
			err = fmt.Errorf("%v messages are left", held)
		}
		return err
	})
	node.Shutdown(t)
	files, err := filepath.Glob(filepath.Join(dir, "hosts/*/messages.log"))
	if err != nil || len(files) != 7 {
		t.Fatalf("the files are %q, %v; want one for each of 7 hosts", files, err)
	}
	var got []string
	for _, f := range files {
		got = append(got, linesOf(f)...)
	}
	var want []string
	for line := range bytes.Lines(lines) {
		want = append(want, string(bytes.TrimSuffix(line, []byte("\n"))))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%d lines are in the files, %d of them different, want %d", len(got), len(slices.Compact(slices.Clone(got))), len(want))
	}
}
