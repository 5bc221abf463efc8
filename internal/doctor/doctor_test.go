package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/syslane/syslane/internal/node"
)

// Every value that a key outside the list can have is planted, and some in places where
// a list might be too kind.
func TestNoSecretOfAConfigurationIsShown(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PLANTED_IN_ENV", "SECRET-env-1")
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("SECRET-file-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "the.toml"), []byte(`
# SECRET-comment-1
state = "/var/lib/syslane"
[http]
listen = "127.0.0.1:8514"
token = "SECRET-http-1"
[[http.client]]
name = "grafana"
token = "file:token"
role = "read"
[[input]]
type = "tcp"
listen = "0.0.0.0:5514"
charset = "${PLANTED_IN_ENV}"
[[output]]
type = "elasticsearch"
hosts = ["https://SECRET-user-1:SECRET-password-1@es.example.net:9200/SECRET-path-1?key=SECRET-query-1"]
username = "SECRET-user-2"
password = "${PLANTED_IN_ENV:-SECRET-default-1}"
api_key = "SECRET-key-1"
service_token = "SECRET-service-1"
cloud_id = "SECRET-cloud-1"
proxy_url = "http://p:SECRET-proxy-1@proxy.example.net:3128"
headers = { Authorization = "Basic SECRET-header-1", "X-Other" = "SECRET-header-2", id = "SECRET-header-3" }
[[output]]
type = "relp"
targets = ["SECRET-at-1@host:2514", "good.example.net:2514"]
[[transform]]
match = 'message contains "SECRET-match-1"'
redact_patterns = ['SECRET-pattern-1']
set = { 'sd["a"]["b"]' = "SECRET-set-1" }
hash = { key = "SECRET-hash-key-1" }
[[route]]
match = 'sd["k"]["v"] == "SECRET-match-2"'
to = ["relp"]
[[notify]]
name = "ops"
type = "webhook"
url = "https://hooks.example.net/services/SECRET-hook-1"
token = "SECRET-notify-1"
password = "12345678"
command = ["/usr/bin/page", "SECRET-argument-1"]
[log]
max_size = "20GiB"
max_age = "30d"
`), 0o600); err != nil {
		t.Fatal(err)
	}
	text, secrets := Configuration([]string{filepath.Join(dir, "the.toml"), filepath.Join(dir, "none.toml")})
	if strings.Contains(text, "SECRET") || strings.Contains(text, "12345678") {
		t.Errorf("it shows\n%s", text)
	}
	for _, want := range []string{`"0.0.0.0:5514"`, "https://es.example.net:9200", "good.example.net:2514", `"20GiB"`, `"30d"`, `"grafana"`, "cannot be read", "/var/lib/syslane"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not shown in\n%s", want, text)
		}
	}
	// Whatever was hidden is found elsewhere as well, and what it stands for.
	report, err := NewReport(secrets)
	if err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"env", "file", "http", "password", "default", "key", "service", "cloud", "proxy", "header", "pattern", "set", "hash-key", "hook", "notify", "argument", "user", "path", "query"} {
		planted := "SECRET-" + where + "-1"
		if got := report.Clean("an error: " + planted + " was refused"); strings.Contains(got, planted) {
			t.Errorf("%s is not taken out of a log: %s", planted, got)
		}
	}
	for _, form := range []string{"Authorization: Bearer abcdef0123456789abcdef", "someone@example.net", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"} {
		if got := report.Clean(form); got == form {
			t.Errorf("%q is left in", form)
		}
	}
}

func TestAConfigurationThatIsNoTOMLIsNotShown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "the.toml")
	if err := os.WriteFile(file, []byte("token = \"SECRET-torn-1\n[[input"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, secrets := Configuration([]string{file})
	if strings.Contains(text, "SECRET") || !strings.Contains(text, "is no TOML") || !strings.Contains(strings.Join(secrets, " "), "SECRET-torn-1") {
		t.Errorf("%s, %q", text, secrets)
	}
}

func TestJudgeSaysWhatIsWrongAndWhatToDo(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	metrics := fmt.Sprintf(`
# TYPE syslane_input_kernel_dropped_messages_total counter
syslane_input_kernel_dropped_messages_total{socket="udp"} 12
# TYPE syslane_input_receive_buffer_octets gauge
syslane_input_receive_buffer_octets{socket="udp"} 212992
# TYPE syslane_input_refused_connections_total counter
syslane_input_refused_connections_total{input="tcp",reason="max_connections"} 3
# TYPE syslane_input_tls_handshake_failures_total counter
syslane_input_tls_handshake_failures_total{input="tls",reason="no certificate"} 4
# TYPE syslane_output_target_up gauge
syslane_output_target_up{output="c",target="a.example.net:2514"} 0
syslane_output_target_up{output="c",target="b.example.net:2514"} 1
# TYPE syslane_alert_notifications_pending gauge
syslane_alert_notifications_pending{channel="ops"} 2
# TYPE syslane_alert_missed_messages_total counter
syslane_alert_missed_messages_total 31
# TYPE syslane_log_quarantined_files gauge
syslane_log_quarantined_files 1
# TYPE syslane_tls_reload_failing gauge
syslane_tls_reload_failing{endpoint="http"} 1
# TYPE syslane_tls_certificate_expiry_timestamp_seconds gauge
syslane_tls_certificate_expiry_timestamp_seconds{endpoint="http"} %d
`, now.Add(50*time.Hour).Unix())
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(metrics))
	if err != nil {
		t.Fatal(err)
	}
	f := &Facts{
		Version: "v2", Now: now, Metrics: families, Config: errors.New("x.toml:3:1: unknown key"), ReceiveMax: 212992,
		Unmeasured: errors.New("403 Forbidden"), Others: []string{"relay"},
		DiskFree: 1 << 30, MaxSize: 20 << 30, Processes: []Process{{PID: 7, Files: 900, MaxFiles: 1024}},
		Status: &node.Status{
			Version: "v1", Time: now.Add(5 * time.Minute),
			Log:    node.LogStatus{Full: true, DiskLow: true, Damaged: 5},
			Inputs: []node.InputStatus{{Name: "udp", Counts: map[string]uint64{"dropped_messages": 9}}},
			Outputs: []node.OutputStatus{
				{Name: "es", Error: "connection refused", Retained: 77},
				{Name: "c", Up: true, DeadLettered: 6, Dropped: 8, Damaged: 2},
			},
			Unclaimed: []node.UnclaimedStatus{{Name: "old", Retained: 21}},
		},
	}
	got := Text(Judge(f))
	for _, want := range []string{
		"unknown key", "disk of the log is full", "5 messages of the log are damaged", `"es" takes nothing, 77 messages wait: connection refused`, `"c" has refused 6`,
		"lost 8 messages", "lost 2 messages", `keeps 21 messages for the output "old"`, "spool drop-cursor", `"udp" has dropped 9`, "version v1, this program v2", "5m0s apart", "dropped 12 datagrams of socket udp",
		"only 212992 octets", "3 connections were refused (input tcp, reason max_connections)", "4 TLS handshakes", "1 damaged parts", "New certificates of endpoint http",
		"A target takes nothing (output c, target a.example.net:2514)", "2 notices of alerts wait (channel ops)", "31 messages were deleted before",
		"metrics cannot be read: 403 Forbidden", "A relay runs here as well",
		"expires in 50h", "only 1024 free", "900 of at most 1024",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	for _, finding := range Judge(f) {
		if !strings.HasSuffix(finding.Do, ".") {
			t.Errorf("%q says not what to do: %q", finding.What, finding.Do)
		}
	}
	if got := Text(Judge(&Facts{Now: now, Version: "v1", Status: &node.Status{Version: "v1", Time: now}})); got != "Nothing looks wrong.\n" {
		t.Errorf("where all is well it says %s", got)
	}
}
