package chaos

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// previous is the commit of the build that nodes are upgraded from: an older one
// whose logs and links this one must go on with.
const previous = "a64b8f21807dcf5f618ee4f3e5428d45b87e3e14"

// root is the top of the source from here; git gives of a commit only what is beneath
// the folder that it is asked in.
const root = "../.."

// buildPrevious builds that; where the history is not there it says so and returns "".
func buildPrevious(t testing.TB) string {
	t.Helper()
	if err := run("git", "-C", root, "cat-file", "-e", previous+"^{commit}"); err != nil {
		t.Logf("NO UPGRADES: the previous build's commit is not in this clone: %v", err)
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
