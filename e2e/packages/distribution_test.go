package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// source is the source tree.
const source = "../.."

var made struct {
	once sync.Once
	dir  string
	err  error
}

// distribution returns the folder with the packages under test: the one that
// SYSLANE_PACKAGES names, or one made of the tree, once for all tests. Beneath
// previous/ are packages of a version before, with other shipped configuration.
func distribution(t testing.TB) string {
	t.Helper()
	made.once.Do(func() {
		if made.dir, made.err = os.MkdirTemp("", "syslane-packages-"); made.err != nil {
			return
		}
		if dir := os.Getenv("SYSLANE_PACKAGES"); dir != "" {
			made.err = os.CopyFS(made.dir, os.DirFS(dir))
		} else {
			made.err = build(source, made.dir)
		}
		if _, err := os.Stat(filepath.Join(made.dir, "previous")); err != nil && made.err == nil {
			made.err = makePrevious(made.dir)
		}
	})
	if made.err != nil {
		t.Fatal(made.err)
	}
	return made.dir
}

// build makes the packages of a source tree.
func build(source, dir string, args ...string) error {
	source, err := filepath.Abs(source)
	if err != nil {
		return err
	}
	cmd := exec.Command("go", append([]string{"run", "./build", "-source", source, "-out", dir, "-arch", "amd64"}, args...)...)
	cmd.Dir = filepath.Join(source, "packaging")
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build packages: %w\n%s", err, out)
	}
	return nil
}

// one returns the only file of a folder that matches.
func one(t testing.TB, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d files %v, want one", filepath.Join(dir, pattern), len(found), err)
	}
	return found[0]
}

func TestMain(m *testing.M) {
	status := m.Run()
	if made.dir != "" {
		os.RemoveAll(made.dir)
	}
	os.Exit(status)
}
