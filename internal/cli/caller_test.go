package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/syslane/syslane/internal/node"
)

// ofAnother gives all in a folder to a user that is not root.
func ofAnother(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return // it is already
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 54321, 54321)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// content returns what is in a folder, with what a change to it would change.
func content(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			list = append(list, fmt.Sprint(path, info.Mode(), info.Size(), info.ModTime()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestRootDoesNotChangeTheLogOfAnotherUser(t *testing.T) {
	state := newStoppedLog(t, 2)
	ofAnother(t, state)
	before := content(t, state)
	root := caller{0, "syslane spool rewind"}
	for _, dir := range []string{state, node.LogDir(state)} {
		log, err := openStopped(dir, root)
		if err == nil {
			log.Close()
			t.Fatalf("root opens %s", dir)
		}
		for _, want := range []string{node.LogDir(state) + " belongs to ", " syslane spool rewind …"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %q", err, want)
			}
		}
	}
	if after := content(t, state); !slices.Equal(after, before) {
		t.Errorf("there is\n%q after, and was\n%q", after, before)
	}
	log, err := openStopped(state, caller{54321, ""})
	if err != nil {
		t.Fatalf("its owner: %v", err)
	}
	log.Close()
}

func TestRootDoesNotReplayTheDeadLetterOfAnotherUser(t *testing.T) {
	state, _ := newDeadLetter(t, "one")
	ofAnother(t, state)
	before := content(t, state)
	folder := t.TempDir()
	file := filepath.Join(folder, "collector.toml")
	text := fmt.Sprintf("state = %q\n[[output]]\ntype = \"file\"\nname = \"es\"\npath = %q\n", state, filepath.Join(folder, "out", "all.log"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	c := replayCommand{file: file, caller: caller{0, "syslane deadletter replay"}}
	err := c.run(t.Context(), &out, "es")
	if err == nil || !strings.Contains(err.Error(), node.DeadLetterDir(state)+" belongs to ") || !strings.Contains(err.Error(), " syslane deadletter replay …") {
		t.Errorf("it printed %q and returned %v", out.String(), err)
	}
	if after := content(t, state); !slices.Equal(after, before) {
		t.Errorf("there is\n%q after, and was\n%q", after, before)
	}
	if _, err := os.Stat(filepath.Join(folder, "out")); !os.IsNotExist(err) {
		t.Errorf("the folder of the output was made: %v", err)
	}
	c.caller.euid = 54321
	if err := c.run(t.Context(), &out, "es"); err != nil || !strings.Contains(out.String(), "1 messages taken") {
		t.Errorf("its owner printed %q and got %v", out.String(), err)
	}
}
