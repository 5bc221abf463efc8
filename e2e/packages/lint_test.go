package packages

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
)

func TestDebIsCleanByLintian(t *testing.T) {
	lintian := peers.Find(t, peers.Lintian)
	out, err := exec.Command(lintian, "--allow-root", "--tag-display-limit=0", "--fail-on=error,warning", one(t, distribution(t), "*_amd64.deb")).CombinedOutput()
	if err != nil {
		t.Errorf("%v: explain it in packaging/deb/lintian-overrides, or mend it:\n%s", err, out)
	}
}

func TestRpmIsCleanByRpmlint(t *testing.T) {
	rpmlint := peers.Find(t, peers.Rpmlint)
	out, err := exec.Command(rpmlint, "--config", source+"/packaging/rpm/rpmlint.toml", one(t, distribution(t), "*.x86_64.rpm")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 0 errors, 0 warnings") {
		t.Errorf("%v: explain it in packaging/rpm/rpmlint.toml, or mend it:\n%s", err, out)
	}
}
