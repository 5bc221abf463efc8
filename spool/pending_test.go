package spool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
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

func TestTheNextGroupIsWrittenWhileTheLastIsSyncedAndFailsWithIt(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails=%v", fails), func(t *testing.T) {
			disk := vfs.NewMem()
			cfg := Config{Dir: "/log", FS: disk, MinFree: -1, Codec: CodecNone, BlockSize: 1 << 10, writeAhead: 1}
			l := mustOpen(t, cfg)
			mustAppend(t, l, "before")
			failed := errors.New("the disk is broken")
			syncing, goOn, wrote := make(chan struct{}), make(chan error), make(chan struct{}, 10)
			disk.SetHook(func(op vfs.Op) error {
				switch {
				case !strings.HasSuffix(op.Name, segmentSuffix):
				case op.Kind == vfs.OpWrite:
					wrote <- struct{}{}
				case op.Kind == vfs.OpSync:
					syncing <- struct{}{}
					return <-goOn
				}
				return nil
			})
			results := make(chan error, 2)
			put := func(what string) {
				_, err := l.Append(context.Background(), Batch{Records: run(strings.Repeat(what, 2<<10)), Count: 1})
				results <- err
			}
			nothingShows := func(head uint64) {
				t.Helper()
				if l.Head() != head {
					t.Errorf("head is %d, not %d: readers see what is not durable", l.Head(), head)
				}
				select {
				case err := <-results:
					t.Fatalf("an append returned while its sync lasts: %v", err)
				case <-time.After(20 * time.Millisecond):
				}
			}
			go put("1")
			<-wrote
			<-syncing
			go put("2")
			<-wrote
			nothingShows(2)
			if fails {
				goOn <- failed
				for range 2 {
					if err := <-results; !errors.Is(err, failed) {
						t.Errorf("append: %v", err)
					}
				}
			} else {
				goOn <- nil
				if err := <-results; err != nil {
					t.Errorf("append: %v", err)
				}
				<-syncing
				nothingShows(3)
				goOn <- nil
				if err := <-results; err != nil {
					t.Errorf("append: %v", err)
				}
			}
			disk.SetHook(nil)
			at := uint64(4)
			if fails {
				at = 2
			}
			if pos := mustAppend(t, l, "after"); pos != at {
				t.Errorf("appended at %d, not %d", pos, at)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = mustOpen(t, cfg)
			if got := readTo(t, l, 1, at+1); got[1] != "before" || got[at] != "after" || len(got) != int(at) {
				t.Errorf("%d records, %.20q and %.20q at the ends", len(got), got[1], got[at])
			}
			if s := l.Stats(); s.TornOctets != 0 {
				t.Errorf("%d torn octets", s.TornOctets)
			}
		})
	}
}
