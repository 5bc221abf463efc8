package operations

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/syslane"
)

// promtool runs Prometheus's own tool on what stands beside the rules.
func promtool(t *testing.T, stdin io.Reader, args ...string) string {
	t.Helper()
	cmd := exec.Command(peers.Find(t, peers.Promtool), args...)
	cmd.Dir, cmd.Stdin = "../../etc/prometheus", stdin
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("promtool %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestAlertRulesAreGoodAndFireWhereTheyShould(t *testing.T) {
	if out := promtool(t, nil, "check", "rules", "syslane.rules.yml"); !strings.Contains(out, "SUCCESS: 18 rules found") {
		t.Errorf("check rules: %s", out)
	}
	promtool(t, nil, "test", "rules", "syslane.rules_test.yml")
}

// promtool's linter looks at names, types and help of what a real node serves.
func TestMetricsPassTheLinterOfPrometheus(t *testing.T) {
	peers.Find(t, peers.Promtool)
	n := syslane.Start(t, "collector", "[[input]]\ntype = \"udp\"\nlisten = \"127.0.0.1:0\"\n[[output]]\ntype = \"relp\"\ntargets = [\"127.0.0.1:1\"]\n")
	resp, err := http.Get("http://" + n.HTTP + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	promtool(t, resp.Body, "check", "metrics")
}
