package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// diskSize is what a disk of a node holds, in octets.
const diskSize = 512 << 20

// disk is a file system of its own for the state of one node.
type disk struct{ dir string }

// newDisk makes and mounts an ext4 file system that goes with the test.
func newDisk(t testing.TB) *disk {
	t.Helper()
	tmp := t.TempDir()
	image, dir := filepath.Join(tmp, "image"), filepath.Join(tmp, "disk")
	err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, diskSize), os.Mkdir(dir, 0o755))
	if err == nil {
		err = run("mkfs.ext4", "-q", "-m", "0", image)
	}
	if err == nil {
		err = run("mount", "-o", "loop", image, dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// What still holds files on it is killed by cleanups that run later.
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return &disk{dir: dir}
}

// state is the folder on it for a node.
func (d *disk) state() string { return filepath.Join(d.dir, "state") }

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill takes all the room that is left.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	size := int64(0)
	for step := int64(64 << 20); step >= 4096; {
		switch err := syscall.Fallocate(int(f.Fd()), 0, size, step); err {
		case nil:
			size += step
		case syscall.ENOSPC:
			step /= 2
		case syscall.EINTR:
		default:
			return fmt.Errorf("fill %s: %w", d.dir, err)
		}
	}
	return nil
}

// free gives the room back.
func (d *disk) free() error { return os.Remove(d.ballast()) }
