package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// newStoppedLog makes a state folder whose log holds n messages, of which the
// output "out" has taken all but one.
func newStoppedLog(t *testing.T, n int) (state string) {
	t.Helper()
	state = t.TempDir()
	if err := os.MkdirAll(state, 0o750); err != nil {
		t.Fatal(err)
	}
	log, err := spool.Open(spool.Config{Dir: node.LogDir(state), KeepDelivered: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		raw := []byte("<13>message " + string(rune('a'+i)))
		e := syslog.Event{ID: syslog.MakeID(time.Now(), [4]byte{1}, uint32(i))}
		e.Raw, e.Timestamp, e.Text = raw, syslog.NoTimestamp, syslog.Span{Start: 4, End: uint32(len(raw))}
		if _, err := log.Append(t.Context(), spool.Batch{Records: syslog.AppendRecord(nil, &e), Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := log.Cursor("out", spool.FromTail)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(uint64(n), spool.Counts{Delivered: uint64(n - 1)}); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return state
}

// syslane runs a command line and returns what it printed and its error.
func syslane(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := Root()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestSpoolCommandsTellWhatALogHolds(t *testing.T) {
	state := newStoppedLog(t, 5)
	f := func(want string, args ...string) {
		t.Helper()
		got, err := syslane(t, append(args, "--dir", state)...)
		if err != nil {
			t.Errorf("%q: %v", args, err)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q printed\n%s\nwithout %q", args, got, want)
		}
	}
	f("holds     5 of 5 messages stored", "spool", "status")
	f("out     5       4          1", "spool", "status")
	f(`"routed":5,"delivered":4,"dead_lettered":0,"dropped":0,"skipped":0,"damaged":0,"retained":1`, "spool", "status", "--json")
	f("with 5 messages; nothing is damaged", "spool", "verify")
	f(`"message":"message c"`, "spool", "dump")
	f("13 <13>message d13 <13>message e", "spool", "dump", "--raw", "--from", "4")
	f("5 messages in 1 segments", "spool", "repair")
}

func TestRewoundOutputGetsItsMessagesAgain(t *testing.T) {
	state := newStoppedLog(t, 5)
	if out, err := syslane(t, "spool", "rewind", "out", "--since", "1h", "--dir", state); err != nil || !strings.Contains(out, "gets again 4 messages, from position 1 on") {
		t.Fatalf("rewind printed %q and returned %v", out, err)
	}
	if out, err := syslane(t, "spool", "status", "--dir", state); err != nil || !strings.Contains(out, "out     9       4          5") {
		t.Errorf("status printed\n%s and returned %v", out, err)
	}
}

func TestDroppedCursorIsForgotten(t *testing.T) {
	state := newStoppedLog(t, 5)
	if out, err := syslane(t, "spool", "drop-cursor", "out", "--dir", state); err != nil || !strings.Contains(out, "had not taken 1 messages") {
		t.Fatalf("drop-cursor printed %q and returned %v", out, err)
	}
	if out, err := syslane(t, "spool", "drop-cursor", "out", "--dir", state); err == nil || !strings.Contains(err.Error(), `knows no output "out"`) {
		t.Errorf("a second drop-cursor printed %q and returned %v", out, err)
	}
}

// flipBit changes an octet of a log with one segment.
func flipBit(t *testing.T, state string, at func(octets []byte) int) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(node.LogDir(state), "*.seg"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("the segments are %q, %v", paths, err)
	}
	octets, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	octets[at(octets)] ^= 1
	if err := os.WriteFile(paths[0], octets, 0o640); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsAFlippedBit(t *testing.T) {
	state := newStoppedLog(t, 5)
	flipBit(t, state, func(octets []byte) int { return bytes.Index(octets, []byte("message b")) })
	out, err := syslane(t, "spool", "verify", "--dir", state)
	var status exitStatus
	if !errors.As(err, &status) || status != 1 || !strings.Contains(out, "1 damaged blocks, 1 messages missing") {
		t.Errorf("verify printed\n%s and returned %v", out, err)
	}
	out, err = syslane(t, "spool", "dump", "--dir", state)
	if !errors.As(err, &status) || strings.Contains(out, "message b") || !strings.Contains(out, "message c") {
		t.Errorf("dump printed\n%s and returned %v", out, err)
	}
}

// What is passed over without a trace, a block whose header is damaged and a segment
// that is gone, shows in the positions.
func TestDumpTellsOfPositionsThatAreMissing(t *testing.T) {
	f := func(state string, want string, args ...string) {
		t.Helper()
		out, err := syslane(t, append([]string{"spool", "dump", "--raw", "--dir", state}, args...)...)
		var status exitStatus
		if want == "" && err == nil && !strings.Contains(out, "missing") {
			return
		}
		if want == "" || !errors.As(err, &status) || status != 1 || !strings.Contains(out, want) {
			t.Errorf("dump %q printed\n%.500s\nand returned %v, want %q", args, out, err, want)
		}
	}
	block := func(message string) (state string) {
		t.Helper()
		state = newStoppedLog(t, 5)
		flipBit(t, state, func(octets []byte) int {
			before := octets[:bytes.Index(octets, []byte(message))]
			return bytes.LastIndex(before, []byte("\xf1SB\x1a"))
		})
		return state
	}
	first := block("message a")
	f(first, "positions 1 to 1 are missing")
	f(first, "", "--from", "2")
	if out, err := syslane(t, "spool", "verify", "--dir", first); err == nil || !strings.Contains(out, "positions 1 to 1 are missing") {
		t.Errorf("verify printed\n%s and returned %v", out, err)
	}
	f(block("message c"), "positions 3 to 3 are missing")

	state := t.TempDir()
	log, err := spool.Open(spool.Config{Dir: node.LogDir(state), KeepDelivered: true, SegmentSize: 1, Codec: spool.CodecNone})
	if err != nil {
		t.Fatal(err)
	}
	e := syslog.Event{ID: syslog.MakeID(time.Now(), [4]byte{1}, 1)}
	e.Raw, e.Timestamp = bytes.Repeat([]byte("x"), 1<<10), syslog.NoTimestamp
	for log.Stats().Segments < 4 {
		if _, err := log.Append(t.Context(), spool.Batch{Records: syslog.AppendRecord(nil, &e), Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	segments, err := log.View().Segments()
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	f(state, "")
	gone := segments[1] // the newest is the first
	if err := os.Remove(filepath.Join(node.LogDir(state), fmt.Sprintf("%020d.seg", gone.First))); err != nil {
		t.Fatal(err)
	}
	f(state, fmt.Sprintf("positions %d to %d are missing", gone.First, gone.Next-1))
	f(state, fmt.Sprintf("positions %d to %d are missing", gone.First+1, gone.Next-1), "--from", fmt.Sprint(gone.First+1))
	f(state, "", "--from", fmt.Sprint(gone.Next))
}

func TestChangingCommandsRefuseALogInUse(t *testing.T) {
	state := newStoppedLog(t, 2)
	log, err := spool.Open(spool.Config{Dir: node.LogDir(state)})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for _, args := range [][]string{{"repair"}, {"drop-cursor", "out"}, {"rewind", "out", "--since", "1h"}} {
		if out, err := syslane(t, append(append([]string{"spool"}, args...), "--dir", state)...); !errors.Is(err, spool.ErrLocked) {
			t.Errorf("%q printed %q and returned %v", args, out, err)
		}
	}
	if out, err := syslane(t, "spool", "verify", "--dir", state); err != nil {
		t.Errorf("verify beside a running node printed %q and returned %v", out, err)
	}
}

// A folder of something else is named by mistake, as that of the state folders is.
func TestChangingCommandsLeaveAFolderWithoutALogAsItIs(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "another.tmp"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"repair"}, {"drop-cursor", "out"}, {"rewind", "out", "--since", "1h"}} {
		out, err := syslane(t, append(append([]string{"spool"}, args...), "--dir", dir)...)
		if err == nil || !strings.Contains(err.Error(), dir+" holds no log") {
			t.Errorf("%q printed %q and returned %v", args, out, err)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 1 || files[0].Name() != "another.tmp" {
			t.Errorf("after %q the folder has %v, %v", args, files, err)
		}
	}
}

// What only lost its identity is a log, and mended.
func TestALogWithoutItsIdentityIsRepaired(t *testing.T) {
	state := newStoppedLog(t, 5)
	if err := os.Remove(filepath.Join(node.LogDir(state), "log.id")); err != nil {
		t.Fatal(err)
	}
	if out, err := syslane(t, "spool", "repair", "--dir", state); err != nil || !strings.Contains(out, "5 messages in 1 segments") {
		t.Errorf("repair printed %q and returned %v", out, err)
	}
}
