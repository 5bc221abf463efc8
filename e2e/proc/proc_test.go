package proc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
)

// A test binary that is killed runs no cleanup; its programs must not live on.
func TestProgramsEndWithATestThatIsKilled(t *testing.T) {
	if log := os.Getenv("PROC_TEST_LOG"); log != "" {
		p, err := Run(Config{Name: "sleep", Args: []string{"sleep", "600"}, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("pid", p.PID())
		time.Sleep(time.Minute)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), "PROC_TEST_LOG="+filepath.Join(t.TempDir(), "log"))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said string
	if _, err := fmt.Fscanln(out, new(string), &said); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(said))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	await.Until(t, time.Minute, "the program to end", func() error {
		// Nobody of ours waits for it: where init does not either it stays as a zombie.
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && strings.Contains(string(state), ") Z ") {
			return nil
		}
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			return fmt.Errorf("process %d lives", pid)
		}
		return nil
	})
}
