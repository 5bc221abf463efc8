package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// previousVersion sorts before every version that is made of a commit.
const previousVersion = "0.0.9"

// previousText is what the shipped configuration of the version before said.
const previousText = "# As shipped with the version before.\n"

// makePrevious makes the packages of a version before in dir/previous: the same
// source, with another version and other shipped configuration.
func makePrevious(dir string) error {
	tree := filepath.Join(dir, "previous-source")
	if err := copySource(tree); err != nil {
		return err
	}
	defer os.RemoveAll(tree)
	if err := os.Setenv("SOURCE_DATE_EPOCH", "1700000000"); err != nil {
		return err
	}
	defer os.Unsetenv("SOURCE_DATE_EPOCH")
	return build(tree, filepath.Join(dir, "previous"), "-version", previousVersion)
}

// copySource copies the files that git knows, as they are now, without the
// repository, and changes what is shipped as configuration.
func copySource(to string) error {
	list, err := exec.Command("git", "-C", source, "ls-files", "-z").Output()
	if err != nil {
		return fmt.Errorf("list the source: %w", err)
	}
	for _, name := range strings.Split(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return err
		}
		if name == "etc/collector.toml" || name == "etc/relay.toml" {
			data = append([]byte(previousText), data...)
		}
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func TestTheSameSourceGivesTheSameOctetsInAnyFolder(t *testing.T) {
	first := filepath.Join(distribution(t), "previous")
	tree := filepath.Join(t.TempDir(), "quite", "another folder")
	if err := copySource(tree); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	t.Setenv("TZ", "Pacific/Auckland")
	second := t.TempDir()
	if err := build(tree, second, "-version", previousVersion); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadDir(first)
	if err != nil || len(made) < 5 {
		t.Fatalf("%d files, %v", len(made), err)
	}
	for _, f := range made {
		a, errA := os.ReadFile(filepath.Join(first, f.Name()))
		b, errB := os.ReadFile(filepath.Join(second, f.Name()))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %d and %d octets, %v, %v", f.Name(), len(a), len(b), errA, errB)
		}
	}
	if out, err := exec.Command("sh", "-c", "cd '"+second+"' && sha256sum --check --strict SHA256SUMS").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
