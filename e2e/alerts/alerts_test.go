package alerts

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

func TestMain(m *testing.M) { syslane.Main(m) }

// patience is how long the tests wait for what must come.
const patience = 30 * time.Second

// hook is a webhook that remembers what it was told.
type hook struct {
	*httptest.Server
	mu   sync.Mutex
	told []notice
}

type notice struct {
	ID, Status, Alert, Summary string
	Labels                     map[string]string
	Value                      uint64
}

func startHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var document struct{ Alerts []notice }
		if err := json.Unmarshal(body, &document); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.told = append(h.told, document.Alerts...)
	}))
	t.Cleanup(h.Close)
	return h
}

// lines are what it was told: "firing failures web1".
func (h *hook) lines() (lines []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.told {
		lines = append(lines, n.Status+" "+n.Alert+" "+n.Labels["host"])
	}
	return lines
}

func (h *hook) has(line string) func() error {
	return func() error {
		if got := h.lines(); !slices.Contains(got, line) {
			return fmt.Errorf("told was %q", got)
		}
		return nil
	}
}

// send sends n messages of a host.
func send(t *testing.T, address, host string, n int) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range n {
		fmt.Fprintf(conn, "<38>1 %s %s sshd %d - - Failed password for root\n", time.Now().UTC().Format(time.RFC3339Nano), host, i)
	}
}

func TestACollectorThatIsKilledTellsEachAlertAndItsEndOnce(t *testing.T) {
	known := startHook(t)
	am := peers.StartAlertmanager(t, known.URL)
	h := startHook(t)
	listen, out := proc.FreeAddr(t), filepath.Join(t.TempDir(), "out")
	c := syslane.Start(t, "collector", fmt.Sprintf(`
[[input]]
type = "tcp"
listen = %q
[[alert]]
name = "failures"
query = 'app:sshd "failed password"'
by = ["host"]
condition = "count > 20"
window = "10s"
severity = "warning"
summary = "{count} on {host}"
labels = { team = "ops" }
[[alert]]
name = "never"
query = "host:db1"
absent = "1h"
[[notify]]
type = "webhook"
url = %q
[[notify]]
type = "alertmanager"
url = %q
[[notify]]
type = "exec"
command = ["/bin/sh", "-c", "cat >>%s"]
`, listen, h.URL, am.URL, out))
	send(t, listen, "web1", 21)
	send(t, listen, "web2", 20)
	await.Until(t, patience, "the alert at the webhook", h.has("firing failures web1"))
	await.Until(t, patience, "the alert at Alertmanager", func() error {
		alerts, err := am.Alerts()
		if err != nil {
			return err
		}
		if len(alerts) != 1 {
			return fmt.Errorf("it knows %v", alerts)
		}
		if l := alerts[0].Labels; l["alertname"] != "failures" || l["host"] != "web1" || l["severity"] != "warning" || l["team"] != "ops" || alerts[0].Annotations["summary"] != "21 on web1" {
			return fmt.Errorf("it knows %v", alerts)
		}
		return nil
	})
	await.Until(t, patience, "the program", func() error {
		b, err := os.ReadFile(out)
		if err == nil && !strings.Contains(string(b), `"status":"firing"`) {
			err = fmt.Errorf("its input was %q", b)
		}
		return err
	})
	list, err := exec.Command(syslane.Binary(t), "alert", "list", "--server", "http://"+c.HTTP).CombinedOutput()
	if !regexp.MustCompile(`failures +firing(.*\n)+  host=web1 +firing +21`).Match(list) || status(err) != 1 {
		t.Errorf("%v\n%s", err, list)
	}
	for range 3 { // while it fires, and perhaps when it ends
		c.Kill()
		c.Restart(t)
	}
	await.Until(t, patience, "the end", h.has("resolved failures web1"))
	send(t, listen, "web2", 21)
	await.Until(t, patience, "another", h.has("firing failures web2"))
	await.Until(t, patience, "the end at Alertmanager", func() error {
		if alerts, err := am.Alerts(); err != nil || len(alerts) != 1 || alerts[0].Labels["host"] != "web2" {
			return fmt.Errorf("it knows %v, %v", alerts, err)
		}
		return nil
	})
	c.Shutdown(t)
	if got := h.lines(); !slices.Equal(got, []string{"firing failures web1", "resolved failures web1", "firing failures web2"}) {
		t.Errorf("told was %q", got)
	}
	// The log knows it all still.
	past, err := exec.Command(syslane.Binary(t), "alert", "test", c.Config(), "--only", "failures").CombinedOutput()
	if err != nil || !strings.Contains(string(past), "host=web1") || !strings.Contains(string(past), "host=web2") || !strings.Contains(string(past), "fired 2 times") {
		t.Errorf("%v\n%s", err, past)
	}
}

// status is that with which a program has ended.
func status(err error) int {
	if e, ok := err.(*exec.ExitError); ok {
		return e.ExitCode()
	}
	return -1
}
