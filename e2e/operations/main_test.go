package operations

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

func TestMain(m *testing.M) { syslane.Main(m) }

// run runs the real binary, and returns what it printed and whether it ended well.
func run(t testing.TB, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command(syslane.Binary(t), args...)
	cmd.Stdin = bytes.NewBufferString(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// must is run that has to end well.
func must(t testing.TB, args ...string) string {
	t.Helper()
	out, errs, err := run(t, "", args...)
	if err != nil {
		t.Fatalf("syslane %q: %v\n%s", args, err, errs)
	}
	return out
}

// startFile runs a role with a configuration file as it is, and waits for its HTTP.
func startFile(t testing.TB, role, file, http string) *proc.Process {
	t.Helper()
	dir := t.TempDir()
	p := proc.Start(t, proc.Config{
		Name: role, Args: []string{syslane.Binary(t), role, "--config", file, "--state", filepath.Join(dir, "state")},
		Log: filepath.Join(dir, "log"),
	})
	healthy(t, p, http)
	return p
}

func healthy(t testing.TB, p *proc.Process, addr string) {
	t.Helper()
	await.Until(t, 30*time.Second, "/healthz", func() error {
		if err := p.Exited(); err != nil {
			return await.Hopeless(fmt.Errorf("%w\n%s", err, p.Tail()))
		}
		resp, err := http.Get("http://" + addr + "/healthz")
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

// number finds the numbers of test messages.
var number = regexp.MustCompile(`nr=(\d+)`)

// numbers returns the numbers of the messages in a text, sorted.
func numbers(text []byte) []string {
	list := []string{}
	for _, m := range number.FindAllSubmatch(text, -1) {
		list = append(list, string(m[1]))
	}
	slices.Sort(list)
	return list
}

// receiver takes whatever is sent to it over TCP or UDP.
type receiver struct {
	addr string
	mu   sync.Mutex
	got  []byte
}

func (r *receiver) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(append(r.got, p...), '\n')
	return len(p), nil
}

func (r *receiver) text() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func receiveTCP(t testing.TB) *receiver {
	t.Helper()
	l, err := net.Listen("tcp", proc.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	r := &receiver{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				var whole bytes.Buffer // a message may come in two reads
				buf := make([]byte, 64<<10)
				for {
					n, err := conn.Read(buf)
					whole.Write(buf[:n])
					if i := bytes.LastIndexByte(whole.Bytes(), '\n'); i >= 0 {
						r.Write(whole.Next(i + 1))
					}
					if err != nil {
						return
					}
				}
			}()
		}
	}()
	return r
}

func receiveUDP(t testing.TB) *receiver {
	t.Helper()
	c, err := net.ListenPacket("udp", proc.FreeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := &receiver{addr: c.LocalAddr().String()}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, _, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			r.Write(buf[:n])
		}
	}()
	return r
}
