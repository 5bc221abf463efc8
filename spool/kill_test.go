package spool

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

var kills = flag.Int("kills", 20, "how often the process is killed")

// killChild is the environment variable that makes the test binary a process
// that appends until it is killed.
const killChild = "SPOOL_TEST_APPEND_TO"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killChild); dir != "" {
		appendUntilKilled(dir)
	}
	if dir := os.Getenv(openChild); dir != "" {
		if err := openAndDrain(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// appendUntilKilled prints "position record" for each append that returned.
func appendUntilKilled(dir string) {
	l, err := Open(Config{Dir: dir, MinFree: -1, SegmentSize: 256 << 10, BlockSize: 4 << 10, writeAhead: 4 << 10})
	if err != nil {
		fmt.Println("open:", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	for g := range 8 {
		go func() {
			for i := 0; ; i++ {
				rec := fmt.Sprintf("%d/%d/%d", os.Getpid(), g, i)
				first, err := l.Append(context.Background(), Batch{Records: run(rec), Count: 1})
				if err != nil {
					fmt.Println("append:", err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Println(first, rec)
				mu.Unlock()
			}
		}()
	}
	select {}
}

func TestKillingTheProcessLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	acked := map[uint64]string{}
	rounds := *kills
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killChild+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Killed once it has acknowledged so many, wherever it then is.
		lines := bufio.NewReader(out)
		for n := 0; n < 50+97*(round%20); n++ {
			if err := readAcked(lines, acked); err != nil {
				t.Fatal(err)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for readAcked(lines, acked) == nil {
		}
		cmd.Wait()
	}
	l := mustOpen(t, testConfig(t, dir))
	got := readTo(t, l, 1, l.Head())
	for pos, rec := range acked {
		if got[pos] != rec {
			t.Fatalf("position %d holds %q, acknowledged was %q", pos, got[pos], rec)
		}
	}
	seen := map[string]bool{}
	for pos, rec := range got {
		if seen[rec] {
			t.Fatalf("%q is there twice, also at %d", rec, pos)
		}
		seen[rec] = true
	}
	if st := l.Stats(); st.DamagedStretches > 0 {
		t.Errorf("%d damaged stretches", st.DamagedStretches)
	}
	t.Logf("%d acknowledged in %d lives, %d in the log", len(acked), rounds, len(got))
}

func readAcked(r *bufio.Reader, acked map[uint64]string) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return io.ErrUnexpectedEOF // the last line may be torn
	}
	var pos uint64
	var rec string
	if _, err := fmt.Sscan(line, &pos, &rec); err != nil {
		return fmt.Errorf("child says %q", line)
	}
	acked[pos] = rec
	return nil
}

func TestTwoProcessesCannotOpenOneFolder(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killChild+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = Open(testConfig(t, dir))
	if err == nil || time.Since(start) > 5*time.Second {
		t.Fatalf("open beside a running process: %v", err)
	}
	t.Log(err)
}
