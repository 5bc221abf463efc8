package node

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/etc"
)

func TestTheExamplesOfAlertsAreGood(t *testing.T) {
	t.Setenv("SMTP_PASSWORD", "x")
	t.Setenv("HOOK_TOKEN", "x")
	text, err := os.ReadFile("../../docs/ALERTS.md")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, told, _ := strings.Cut(string(readme), "## Be told")
	told, _, _ = strings.Cut(told, "\n## ")
	text = append(text, told...)
	alerts, channels := 0, map[string]bool{}
	for _, part := range strings.Split(string(text), "```toml\n")[1:] {
		example, _, _ := strings.Cut(part, "\n```")
		p, err := load(t, around+example, t.TempDir())
		if err != nil {
			t.Fatalf("%s\n%v", example, err)
		}
		alerts += len(p.Alerts)
		for _, c := range p.Channels {
			channels[c.Type] = true
		}
	}
	if alerts < 5 || len(channels) != len(channelKinds) {
		t.Errorf("%d alerts, channels %v", alerts, channels)
	}
	_, shipped, _ := strings.Cut(string(etc.Collector), "alert test FILE\n")
	if p, err := load(t, strings.ReplaceAll(shipped, "# ", ""), ""); err != nil || len(p.Alerts) != 2 || len(p.Channels) != 1 {
		t.Errorf("etc/collector.toml: %v", err)
	}
}

func TestTheMetricsThatTheDocumentationWatchesAreThere(t *testing.T) {
	text, err := os.ReadFile("../../docs/ALERTS.md")
	if err != nil {
		t.Fatal(err)
	}
	p, err := load(t, strings.ReplaceAll(around, "127.0.0.1:1\"\n[[output", freeAddr(t)+"\"\n[[output")+"[[alert]]\ncondition = \"count > 1\"\nwindow = \"5m\"\n[[notify]]\ntype = \"exec\"\ncommand = [\"/bin/true\"]\n", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(Role{Name: "collector", Search: true, KeepDelivered: true}, p)
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()
	there := map[string]bool{}
	described := make(chan *prometheus.Desc, 1000)
	p.registry.Describe(described)
	close(described)
	for d := range described {
		_, name, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ = strings.Cut(name, `"`)
		there[name] = true
	}
	names := regexp.MustCompile(`syslane_[a-z_]+`).FindAllString(string(text), -1)
	if len(names) < 4 {
		t.Fatal(names)
	}
	for _, name := range names {
		if !there[name] {
			t.Errorf("there is no metric %s", name)
		}
	}
}

func TestMistakesInAlertsAreToldWithTheirPlace(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, err := load(t, text, t.TempDir())
		if err == nil {
			t.Errorf("\n%s\nis taken", text)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("of\n%s\nit is said\n%v\nwithout %q", text, err, w)
			}
		}
	}
	f("[[alert]]\nquery = 'app:sshd'", `say what fires`)
	f("[[alert]]\nquery = 'hst:web1'\nabsent = \"10m\"", `test.toml:2:9: alert.query`, `column 1: unknown field "hst"`)
	f("[[alert]]\nquery = 'a | count'\nabsent = \"10m\"", `test.toml:2:9: `, `takes no stages`)
	f("[[alert]]\nquery = '@timestamp>15m'\nabsent = \"10m\"", `takes no times`)
	f("[[alert]]\nabsent = \"10m\"\nwindow = \"5m\"", `takes no condition and no window`)
	f("[[alert]]\nabsent = \"10ms\"", `1s or more`)
	f("[[alert]]\ncondition = \"count > 5\"", `from 1s to 7d`)
	f("[[alert]]\ncondition = \"cnt > 5\"\nwindow = \"5m\"", `test.toml:2:13: alert.condition = "cnt > 5": want "count > N"`)
	f("[[alert]]\nabsent = \"10m\"\nby = [\"hots\"]", `test.toml:3:7: alert.by = "hots": no field has this name; did you mean "host"?`)
	f("[[alert]]\nabsent = \"10m\"\nseen_within = \"1d\"", `is for groups`)
	f("[[alert]]\nabsent = \"10m\"\nsummary = \"{host}\"", `{host} is none of`)
	f("[[alert]]\nabsent = \"10m\"\n[alert.labels]\n\"a-b\" = \"c\"", `"a-b" cannot be the name of a label`)
	f("[[alert]]\nabsent = \"10m\"\nnotify = [\"pagr\"]\n[[notify]]\ntype = \"exec\"\nname = \"pager\"\ncommand = [\"/bin/true\"]", `no [[notify]] has this name; did you mean "pager"?`)
	f("[[alert]]\nabsent = \"10m\"\nlate = \"3d\"", `up to 24h`)
	f("[[alert]]\nabsent = \"10m\"\nwhindow = \"5m\"", `did you mean "window"?`)
	f("[[alert]]\nname = \"a\"\nabsent = \"10m\"\n[[alert]]\nname = \"a\"\nabsent = \"10m\"", `another alert has this name`)
	f("[[notify]]\ntype = \"pigeon\"", `unknown type`)
	f("[[notify]]\ntype = \"webhook\"\nurl = \"hooks.example.net\"", `test.toml:3:7: notify.url`, `want a URL`)
	f("[[notify]]\ntype = \"email\"\nserver = \"smtp\"\nfrom = \"a@b\"\nto = [\"a@b\"]", `test.toml:3:10: notify.server`, `want host:port`)
	f("[[notify]]\ntype = \"exec\"\ncommand = [\"page\"]", `the whole path`)
}

func TestARelayHasNoAlerts(t *testing.T) {
	p, err := load(t, "[[alert]]\nabsent = \"10m\"", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Role{Name: "relay"}, p); err == nil || !strings.Contains(err.Error(), "test.toml:1:3: [[alert]]: alerts are for collectors") {
		t.Error(err)
	}
}
