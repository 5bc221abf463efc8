package chaos

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clockEnv names the file that holds by how much a node's clock is wrong.
const clockEnv = "SYSLANE_TEST_CLOCK"

// clock is the wall clock of one machine. Linux has one for all, so the binary
// under test is built with a time.Now that adds what stands in a file: 8 octets,
// seconds, in the machine's order. All else in it is as it ships.
type clock struct{ file string }

func newClock(t testing.TB) *clock {
	t.Helper()
	c := &clock{file: filepath.Join(t.TempDir(), "clock")}
	if err := c.set(0); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *clock) env() string { return clockEnv + "=" + c.file }

// set makes the clock wrong by d.
func (c *clock) set(d time.Duration) error {
	f, err := os.OpenFile(c.file, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	// In place: the node has the file mapped.
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(d/time.Second))), 0)
	return err
}

// tells returns an error where the node's own clock is not wrong by d. What does not
// answer, for some other fault, tells nothing.
func (n *node) tells(d time.Duration) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DialContext: n.dial, DisableKeepAlives: true}}
	resp, err := client.Get("http://" + n.syslane().HTTP + "/healthz")
	if err != nil {
		return nil
	}
	resp.Body.Close()
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return err
	}
	if wrong := time.Until(date); (wrong - d).Abs() > 10*time.Second {
		return fmt.Errorf("the clock of %s is wrong by %v, and should be by %v", n.name, wrong, d)
	}
	return nil
}

// shiftedNow is what time.Now begins with, and what it is made to begin with.
const (
	now        = "\tsec, nsec, mono := runtimeNow()\n"
	shiftedNow = now + "\tif shift != nil {\n\t\tsec += *shift\n\t}\n"
)

const shiftFile = `package time

import (
	"syscall"
	"unsafe"
)

// shift is by how many seconds this process's wall clock is wrong.
var shift *int64

func init() {
	path, ok := syscall.Getenv("` + clockEnv + `")
	if !ok {
		return
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		panic("open " + path + ": " + err.Error())
	}
	b, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("map " + path + ": " + err.Error())
	}
	shift = (*int64)(unsafe.Pointer(&b[0]))
}
`

// buildWithClock builds syslane from the tree at dir ("" for this one) with a
// clock that can be set.
func buildWithClock(t testing.TB, dir string) string {
	t.Helper()
	tmp := t.TempDir()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatalf("the sources of Go are needed for a clock that can be set: %v", err)
	}
	changed := strings.Replace(string(source), now, shiftedNow, 1)
	if changed == string(source) {
		t.Fatalf("%s: time.Now does not begin as expected; see clock.go", original)
	}
	write := func(name string, content []byte) string {
		path := filepath.Join(tmp, name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	overlay, _ := json.Marshal(map[string]any{"Replace": map[string]string{
		original: write("time.go", []byte(changed)),
		filepath.Join(filepath.Dir(original), "shift.go"): write("shift.go", []byte(shiftFile)),
	}})
	binary := filepath.Join(tmp, "syslane")
	cmd := exec.Command("go", "build", "-trimpath", "-overlay", write("overlay.json", overlay), "-o", binary, "github.com/syslane/syslane")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("build syslane: %w\n%s", err, out))
	}
	return binary
}
