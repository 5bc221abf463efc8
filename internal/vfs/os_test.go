package vfs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// lockChild is the environment variable that makes the test binary a process that
// holds a lock until it is killed.
const lockChild = "VFS_TEST_LOCK"

func TestMain(m *testing.M) {
	if path := os.Getenv(lockChild); path != "" {
		if _, err := OS.Lock(path, 0o640); err != nil {
			os.Stdout.WriteString(err.Error())
			os.Exit(1)
		}
		os.Stdout.WriteString("locked")
		time.Sleep(time.Minute)
	}
	os.Exit(m.Run())
}

func TestALockOfAnotherProcessEndsWithIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), lockChild+"="+path)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	said := make([]byte, 6)
	if _, err := out.Read(said); err != nil || string(said) != "locked" {
		cmd.Process.Kill()
		t.Fatalf("%q, %v", said, err)
	}
	if _, err := OS.Lock(path, 0o640); !errors.Is(err, ErrLocked) {
		t.Errorf("got %v", err)
	}
	must(t, cmd.Process.Kill())
	cmd.Wait()
	lock, err := OS.Lock(path, 0o640)
	must(t, err)
	must(t, lock.Close())
}

func TestFilesHaveTheModeThatWasAskedFor(t *testing.T) {
	dir := t.TempDir()
	must(t, OS.MkdirAll(dir+"/d", 0o750))
	must(t, WriteFileAtomic(OS, dir+"/d/f", []byte("x"), 0o640))
	for path, want := range map[string]os.FileMode{"/d": 0o750 | os.ModeDir, "/d/f": 0o640} {
		st, err := os.Stat(dir + path)
		must(t, err)
		if st.Mode()&^want != 0 { // the umask may take more
			t.Errorf("%s is %v, want %v", path, st.Mode(), want)
		}
	}
}

func TestAFileThatIsClosedCannotBeSynced(t *testing.T) {
	f, err := OS.Create(filepath.Join(t.TempDir(), "f"), 0o640)
	must(t, err)
	must(t, f.Datasync())
	must(t, f.Close())
	if err := f.Datasync(); err == nil {
		t.Fatal("no error")
	}
}
