package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/internal/node"
)

// That nothing may be seen does not mean that nothing is there.
func TestAFolderThatMayNotBeLookedAtIsNotTakenForAbsent(t *testing.T) {
	home, err := os.MkdirTemp("/tmp", "rights")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if err := os.Chmod(home, 0o755); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(home, "syslane/collector")
	if err := os.MkdirAll(node.DeadLetterDir(state), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(state, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(state, 0o755) }) // or it could not be removed
	t.Setenv("XDG_STATE_HOME", home)
	for _, args := range [][]string{
		{"deadletter", "list"}, {"deadletter", "list", "--json"}, {"deadletter", "list", "--dir", state}, {"deadletter", "show", "es"},
		{"spool", "status"}, {"spool", "status", "--dir", state}, {"spool", "verify"}, {"spool", "repair", "--dir", state},
		{"reload"}, {"reload", "--state", state},
	} {
		var out string
		var err error
		proc.AsNobody(t, func() { out, err = syslane(t, args...) })
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "as the owner of the folder") || out != "" {
			t.Errorf("%q printed %q and returned %v", args, out, err)
		}
	}

	// What can be seen is shown all the same.
	relay := filepath.Join(home, "syslane/relay")
	if err := os.CopyFS(relay, os.DirFS(newStoppedLog(t, 5))); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{relay, node.LogDir(relay), filepath.Join(node.LogDir(relay), "cursors")} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err = filepath.WalkDir(relay, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chmod(path, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	var out string
	proc.AsNobody(t, func() { out, err = syslane(t, "spool", "status") })
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(out, "holds     5 of 5 messages stored") {
		t.Errorf("status printed %q and returned %v", out, err)
	}
}
