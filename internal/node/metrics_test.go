package node

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/syslane/syslane/internal/tlsconf"
)

// metric is what the documentation says of one.
type metric struct{ name, kind, labels, help string }

// certificateFiles makes a folder with ca.pem, and with cert.pem and key.pem for a name,
// good for a time.
func certificateFiles(t *testing.T, name string, lifetime time.Duration) (dir string) {
	t.Helper()
	dir = t.TempDir()
	authority, err := tlsconf.NewAuthority("test", max(lifetime, time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ca, _, err := authority.PEM()
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue([]string{name}, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"ca.pem": ca, "cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// everyMetric returns the metrics of a collector that has every kind of input and
// output, in the order of their names.
func everyMetric(t *testing.T) []metric {
	t.Helper()
	dir := certificateFiles(t, "localhost", time.Hour)
	text := strings.ReplaceAll(`
[http]
listen = "127.0.0.1:0"
[dedupe]
window = "10s"
[[limit]]
rate = 1
[[transform]]
tag = ["x"]
[[route]]
to = ["file"]
[[alert]]
name = "a"
query = "severity<=err"
condition = "count > 1"
window = "1m"
[[notify]]
name = "ops"
type = "webhook"
url = "http://127.0.0.1:1"
[[input]]
type = "udp"
listen = "127.0.0.1:0"
[[input]]
type = "tcp"
listen = "127.0.0.1:0"
[[input]]
type = "tls"
listen = "127.0.0.1:0"
tls = { cert_file = "DIR/cert.pem", key_file = "DIR/key.pem" }
[[input]]
type = "relp"
listen = "127.0.0.1:0"
[[input]]
type = "journal"
listen = "127.0.0.1:0"
[[input]]
type = "unix"
path = "DIR/datagrams"
[[input]]
type = "unix"
path = "DIR/streams"
stream = true
[[input]]
type = "file"
include = ["DIR/*.log"]
[[output]]
type = "relp"
targets = ["127.0.0.1:1", "127.0.0.1:2"]
[[output]]
type = "syslog"
targets = ["127.0.0.1:1"]
protocol = "tls"
tls = { ca_file = "DIR/cert.pem" }
[[output]]
type = "syslog"
name = "udp"
targets = ["127.0.0.1:1"]
protocol = "udp"
[[output]]
type = "file"
path = "DIR/out"
[[output]]
type = "elasticsearch"
hosts = ["http://127.0.0.1:1"]
manage_template = false
`, "DIR", dir)
	plan, err := load(t, text, filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	leaveCursor(t, filepath.Join(dir, "state"), "gone")
	n, err := Open(Role{Name: "collector", KeepDelivered: true, Search: true}, plan)
	if err != nil {
		t.Fatal(err)
	}
	defer n.close()

	descs := make(chan *prometheus.Desc, 1000)
	plan.registry.Describe(descs)
	close(descs)
	kinds := map[string]string{}
	families, err := plan.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		kinds[f.GetName()] = map[dto.MetricType]string{
			dto.MetricType_COUNTER: "counter", dto.MetricType_GAUGE: "gauge", dto.MetricType_HISTOGRAM: "histogram", dto.MetricType_SUMMARY: "summary",
		}[f.GetType()]
	}
	described := regexp.MustCompile(`^Desc\{fqName: "([^"]*)", help: ("(?:[^"\\]|\\.)*"), (?:unit: "[^"]*", )?constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	constant := regexp.MustCompile(`(\w+)="`)
	var list []metric
	for d := range descs {
		m := described.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("cannot read %s", d)
		}
		name := m[1]
		if !strings.HasPrefix(name, "syslane_") {
			continue
		}
		help, err := strconv.Unquote(m[2])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		kind := kinds[name]
		if kind == "" && strings.HasSuffix(name, "_total") { // nothing was counted yet
			kind = "counter"
		}
		if kind == "" || help == "" || !strings.HasSuffix(help, ".") {
			t.Errorf("%s has the type %q and the help %q: want a sentence, and a sample where the name does not end in _total", name, kind, help)
		}
		if strings.HasSuffix(name, "_total") != (kind == "counter") {
			t.Errorf("%s is a %s", name, kind)
		}
		labels := strings.ReplaceAll(m[4], ",", ", ")
		for _, l := range constant.FindAllStringSubmatch(m[3], -1) {
			labels = strings.TrimSuffix(l[1]+", "+labels, ", ")
		}
		list = append(list, metric{name, kind, labels, help})
	}
	slices.SortFunc(list, func(a, b metric) int { return strings.Compare(a.name, b.name) })
	return slices.Compact(list)
}

// sections of the list, by how names begin.
var sections = []struct{ prefix, title string }{
	{"syslane_input_", "Inputs"},
	{"syslane_log_", "The log"},
	{"syslane_output_", "Outputs"},
	{"syslane_search_", "Searches"},
	{"syslane_alert_", "Alerts"},
	{"syslane_", "Others"},
}

const listMark = "<!-- What follows is made from the code: UPDATE=1 go test ./internal/node -run Metric -->\n"

func TestEveryMetricIsInTheDocumentationAsTheCodeHasIt(t *testing.T) {
	const file = "../../docs/METRICS.md"
	metrics := everyMetric(t)
	var b bytes.Buffer
	done := map[string]bool{}
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | |\n|---|---|---|---|\n", s.title)
		for _, m := range metrics {
			if strings.HasPrefix(m.name, s.prefix) && !done[m.name] {
				done[m.name] = true
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, m.labels, strings.ReplaceAll(m.help, "|", `\|`))
			}
		}
	}
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	intro, list, found := strings.Cut(string(have), listMark)
	if !found {
		t.Fatalf("%s has no %q", file, listMark)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(intro+listMark+b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if list != b.String() {
		t.Errorf("%s does not say what the code has; UPDATE=1 go test ./internal/node -run Metric writes it. It should go on:\n%s", file, b.String())
	}
}

// Metrics that only some configurations have must be in the list, too: what the code
// names is found there.
func TestTheDocumentationOfMetricsLeavesNoneOut(t *testing.T) {
	text, err := os.ReadFile("../../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`"(syslane_[a-z]+_[a-z_]*[a-z])"`)
	found := 0
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{"e2e", "bench", ".git", "bin", "dist"}, d.Name()) {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range literal.FindAllSubmatch(source, -1) {
			found++
			if !bytes.Contains(text, append(append([]byte("`"), m[1]...), '`')) {
				t.Errorf("%s names %s, which docs/METRICS.md does not have: let the configuration of everyMetric bring it about", path, m[1])
			}
		}
		return nil
	})
	if err != nil || found < 40 {
		t.Errorf("%d names, %v", found, err)
	}
}
