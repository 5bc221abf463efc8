package chaos

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// previous is the commit of the build that nodes are upgraded from: an older one
// whose logs and links this one must go on with.
const previous = "628675f40d262567461ec5bb8dae438336e2fc3b"

// root is the top of the source from here; git gives of a commit only what is beneath
// the folder that it is asked in.
const root = "../.."

// buildPrevious builds that. Where there is no history, as in a shallow clone, it says so
// and returns ""; where there is one nothing may keep it from being built.
func buildPrevious(t testing.TB) string {
	t.Helper()
	shallow, err := exec.Command("git", "-C", root, "rev-parse", "--is-shallow-repository").CombinedOutput()
	if answer := strings.TrimSpace(string(shallow)); err != nil || answer != "false" {
		t.Logf("NO UPGRADES: the previous build's commit is not here; is this clone shallow? %s, %v", answer, err)
		return ""
	}
	dir := t.TempDir()
	archive := filepath.Join(dir, "source.tar")
	if err := run("git", "-C", root, "archive", "--output", archive, previous); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("tar", "-xf", archive, "-C", dir).CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("unpack the previous build: %w: %s", err, out))
	}
	return buildWithClock(t, dir)
}
