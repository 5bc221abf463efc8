package node

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/etc"
	"github.com/syslane/syslane/internal/config"
)

// everything is a configuration with each kind of part, but for what needs files.
const everything = `
[log]
max_size = "9500000001"
max_age = "36h"
[http]
listen = "127.0.0.1:8514"
token = "file:TOKEN"
[[http.client]]
name = "page"
token = "${SYSLANE_TEST_TOKEN}"
role = "read"
[[http.client]]
name = "other"
token = "literal"
role = "read"
[[input]]
type = "udp"
listen = "127.0.0.1:${SYSLANE_TEST_PORT}"
time_zones = { "10.0.0.0/8" = "Europe/Zurich" }
[[input]]
type = "tcp"
listen = "127.0.0.1:5514"
framing = "octet-counting"
dedupe = { window = "90s", fields = ["app"] }
[[input]]
type = "relp"
listen = "127.0.0.1:2514"
link_from = []
[[input]]
type = "journal"
listen = "127.0.0.1:19532"
[[input]]
type = "unix"
path = "/run/syslane.sock"
[[input]]
type = "file"
include = ["/var/log/*.log", "/srv/$${x}/\"odd\".log"]
[[output]]
type = "relp"
targets = ["127.0.0.1:2515"]
[[output]]
type = "syslog"
targets = ["127.0.0.1:2516"]
[[output]]
type = "file"
path = "/var/log/syslane/%host%.log"
[[output]]
type = "elasticsearch"
hosts = ["http://127.0.0.1:9200"]
api_key = "key"
[[transform]]
match = 'app == "x"'
set = { "host" = "a" }
redact = ["email"]
hash = { key = "0123456789abcdef" }
[[route]]
to = ["relp"]
[dedupe]
window = "10s"
[[limit]]
rate = 10.5
by = ["host"]
[[notify]]
type = "webhook"
url = "https://hooks.example.net/"
headers = { "X-Key" = "secret" }
[[alert]]
name = "silent"
absent = "10m"
by = ["host"]
`

func TestWhatIsSecretOfAddressesAndHeadersIsNotShown(t *testing.T) {
	t.Setenv("SYSLANE_TEST_PROXY", "http://p:hunter2@proxy.example.net:3128")
	t.Setenv("SYSLANE_TEST_PASSWORD", "hunter2")
	header := filepath.Join(t.TempDir(), "header")
	if err := os.WriteFile(header, []byte("Basic hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(`
[http]
listen = "127.0.0.1:8514"
[[output]]
type = "elasticsearch"
hosts = ["https://u:${SYSLANE_TEST_PASSWORD}@es1.example.net:9200", "u:hunter2@es2:9200", "es3:9200"]
proxy_url = "${SYSLANE_TEST_PROXY}"
headers = { Authorization = "file:HEADER", X-Other = "hunter2" }
[search.elasticsearch]
index = "logs-*"
[[notify]]
type = "webhook"
url = "https://hooks.example.net/services/hunter2?key=hunter2"
[[alert]]
name = "silent"
absent = "10m"
`, "HEADER", header)
	for _, origin := range []bool{false, true} {
		told := shown(t, "secrets.toml", []byte(text), origin)
		if strings.Contains(told, "hunter2") {
			t.Errorf("a secret is shown:\n%s", told)
		}
		for _, want := range []string{
			`hosts = ["https://(secret)@es1.example.net:9200", "(secret)@es2:9200", "es3:9200"]`,
			`proxy_url = "${SYSLANE_TEST_PROXY}"`,
			`Authorization = "file:` + header + `"`,
			`X-Other = "(secret)"`,
			`url = "https://hooks.example.net/(secret)"`,
		} {
			if !strings.Contains(told, want) {
				t.Errorf("it does not show %s:\n%s", want, told)
			}
		}
	}
}

func shown(t *testing.T, name string, text []byte, origin bool) string {
	t.Helper()
	f, err := config.Parse(name, text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	if _, err := Load(f, Options{NewLogger: func(LoggingConfig) zerolog.Logger { return zerolog.Nop() }}); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var b bytes.Buffer
	if err := f.Show(&b, origin); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWhatIsShownOfAConfigurationLoadsAgainAndIsShownTheSame(t *testing.T) {
	t.Setenv("SYSLANE_TEST_TOKEN", "from the environment")
	t.Setenv("SYSLANE_TEST_PORT", "5514")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	every := []byte(strings.Replace(everything, "file:TOKEN", "file:"+token, 1))
	filled := 0
	fill := func(text string) []byte { // in the place of each mask, a secret of its own
		for strings.Contains(text, `"(secret)"`) {
			filled++
			text = strings.Replace(text, `"(secret)"`, fmt.Sprintf(`"0123456789abcdef%d"`, filled), 1)
		}
		return []byte(text)
	}
	for name, text := range map[string][]byte{"collector.toml": etc.Collector, "relay.toml": etc.Relay, "every.toml": every} {
		once := shown(t, name, text, false)
		if again := shown(t, name, fill(once), false); again != once {
			t.Errorf("%s is shown as\n%s\nand that as\n%s", name, once, again)
		}
		if told := shown(t, name, fill(shown(t, name, text, true)), false); told != once {
			t.Errorf("%s with its origins means\n%s, not\n%s", name, told, once)
		}
		for _, secret := range []string{"from the", "literal", `"key"`, "0123456789abcdef", `"secret"`} {
			if strings.Contains(once, secret) {
				t.Errorf("%s shows the secret %s:\n%s", name, secret, once)
			}
		}
	}
	told := shown(t, "every.toml", every, true)
	for _, want := range []string{
		`listen = "127.0.0.1:5514"  # every.toml:18, environment SYSLANE_TEST_PORT` + "\n",
		`max_connections = 10000  # default` + "\n",
		`max_size = 9500000001  # every.toml:3` + "\n",
		`max_age = "36h"  # every.toml:4` + "\n",
		`token = "file:` + token + `"  # every.toml:7` + "\n",
		`token = "${SYSLANE_TEST_TOKEN}"  # every.toml:10, environment SYSLANE_TEST_TOKEN` + "\n",
		`token = "(secret)"  # every.toml:14` + "\n",
		`include = ["/var/log/*.log", "/srv/$${x}/\"odd\".log"]  # every.toml:`,
	} {
		if !strings.Contains(told, want) {
			t.Errorf("it does not show %q:\n%s", want, told)
		}
	}
}
