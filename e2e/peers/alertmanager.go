package peers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
)

// AlertmanagerServer is a running Alertmanager of Prometheus.
type AlertmanagerServer struct {
	*proc.Process
	// URL is that of its page.
	URL string
}

// StartAlertmanager runs an Alertmanager until the test ends. It tells what it gets to
// the webhook at told.
func StartAlertmanager(t testing.TB, told string) *AlertmanagerServer {
	t.Helper()
	program := Find(t, Alertmanager)
	dir, listen := t.TempDir(), proc.FreeAddr(t)
	conf := filepath.Join(dir, "alertmanager.yml")
	text := fmt.Sprintf("route:\n  receiver: hook\n  group_by: ['...']\n  group_wait: 1s\n  group_interval: 1s\nreceivers:\n- name: hook\n  webhook_configs:\n  - url: %s\n    send_resolved: true\n", told)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	a := &AlertmanagerServer{URL: "http://" + listen}
	a.Process = proc.Start(t, proc.Config{Name: "alertmanager", Log: filepath.Join(dir, "alertmanager.log"), Args: []string{program,
		"--config.file=" + conf, "--storage.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + listen, "--cluster.listen-address="}})
	await.Until(t, 30*time.Second, "Alertmanager", func() error {
		if err := a.Exited(); err != nil {
			return await.Hopeless(fmt.Errorf("%w\n%s", err, a.Tail()))
		}
		resp, err := http.Get(a.URL + "/-/ready")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", resp.Status)
		}
		return nil
	})
	return a
}

// KnownAlert is an alert that an Alertmanager knows.
type KnownAlert struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	Status              struct{ State string }
}

// Alerts returns what fires to its knowledge.
func (a *AlertmanagerServer) Alerts() (list []KnownAlert, err error) {
	resp, err := http.Get(a.URL + "/api/v2/alerts")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", resp.Status)
	}
	return list, json.NewDecoder(resp.Body).Decode(&list)
}
