package spool

import (
	"context"
	"io/fs"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// hangingFS is a disk whose syncs hang until let.
type hangingFS struct {
	vfs.FS
	let chan struct{}
}

type hangingFile struct {
	vfs.File
	let chan struct{}
}

func (h hangingFS) Create(name string, perm fs.FileMode) (vfs.File, error) {
	f, err := h.FS.Create(name, perm)
	return hangingFile{f, h.let}, err
}

func (h hangingFile) Datasync() error {
	<-h.let
	return h.File.Datasync()
}

func TestStatsShowWhatWaitsForADiskThatHangs(t *testing.T) {
	disk := hangingFS{vfs.NewMem(), make(chan struct{})}
	l := mustOpen(t, Config{Dir: "/log", FS: disk, MinFree: -1})
	done := make(chan error, 1)
	go func() {
		_, err := l.Append(context.Background(), Batch{Records: run("held up"), Count: 1, MinTime: 1, MaxTime: 2})
		done <- err
	}()
	for end := time.Now().Add(10 * time.Second); l.Stats().Pending == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing is pending")
		}
	}
	if s := l.Stats(); s.Groups+s.Failures != 0 {
		t.Errorf("%d groups written, %d failed", s.Groups, s.Failures)
	}
	close(disk.let)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// The append returns before its block is given back.
	for end := time.Now().Add(10 * time.Second); l.Stats().Pending != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d octets are still pending", l.Stats().Pending)
		}
	}
	if s := l.Stats(); s.Groups != 1 {
		t.Errorf("%d groups written", s.Groups)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
