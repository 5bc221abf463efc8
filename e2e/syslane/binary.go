// Package syslane runs the real syslane binary as relay and collector, reads
// their metrics and searches their logs.
package syslane

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// module is what is built.
const module = "github.com/syslane/syslane"

var (
	buildOnce sync.Once
	buildDir  string
	buildErr  error
)

// Binary returns the path of the binary under test: the one that SYSLANE_BINARY
// names, or one built from the tree, once for all tests.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("SYSLANE_BINARY"); path != "" {
		return path
	}
	buildOnce.Do(func() {
		if buildDir, buildErr = os.MkdirTemp("", "syslane-e2e-"); buildErr != nil {
			return
		}
		// As the packages hold it.
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(buildDir, "syslane"), module)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			buildErr = fmt.Errorf("build syslane: %w\n%s", err, out)
		}
	})
	if buildErr != nil {
		t.Fatal(buildErr)
	}
	return filepath.Join(buildDir, "syslane")
}

// Main is the TestMain of packages that run the binary: it runs the tests, then what
// is to be ended after them, in order, and removes what Binary built.
func Main(m *testing.M, ends ...func()) {
	status := m.Run()
	for _, end := range ends {
		end()
	}
	clean()
	os.Exit(status)
}

func clean() {
	if buildDir != "" {
		os.RemoveAll(buildDir)
	}
}
