package spool

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syslane/syslane/internal/vfs"
)

// tree returns the octets of the files of the log and of its cursors, by path.
func (f *fixture) tree(t *testing.T, disk *vfs.Mem) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, dir := range []string{"/log", "/log/" + cursorsDir} {
		names, err := disk.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if path := filepath.Join(dir, name); name != cursorsDir {
				if all[path], err = vfs.ReadFile(disk, path, 1<<20); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return all
}

func TestAFileInTheWayOfASegmentIsSetAsideAndCounted(t *testing.T) {
	disk := vfs.NewMem()
	l := mustOpen(t, Config{Dir: "/log", FS: disk, MinFree: -1})
	const stranger = "of someone else\n"
	if err := vfs.WriteFileAtomic(disk, l.segmentPath(1), []byte(stranger), 0o640); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "a record")
	if kept, err := vfs.ReadFile(disk, l.segmentPath(1)+badSuffix, 1<<10); err != nil || string(kept) != stranger {
		t.Errorf("set aside is %q, %v", kept, err)
	}
	if n := l.Stats().Quarantined; n != 1 {
		t.Errorf("%d files are counted", n)
	}
}

// Whichever file of the log is deleted, cut, zeroed or replaced: all segments but that
// one keep every octet, what is appended afterwards stands behind them, and all of it
// is there at the next start.
func TestNothingIsOverwrittenWhateverHappensToAFileOfTheLog(t *testing.T) {
	f := newFixture(t)
	before := f.tree(t, f.disk)
	if len(before) < len(f.segs)+4 {
		t.Fatalf("%d files", len(before))
	}
	try := func(path, what string, corrupt func(*vfs.Mem) error) {
		t.Helper()
		res := f.tryOpen(t, corrupt)
		where := fmt.Sprintf("%s %s", path, what)
		after := f.tree(t, res.disk)
		for name, octets := range before {
			if strings.HasSuffix(name, segmentSuffix) && name != path && !bytes.HasPrefix(after[name], octets) {
				t.Fatalf("%s: %s was overwritten", where, name)
			}
		}
		cfg := f.cfg
		cfg.FS = res.disk
		l, err := Open(cfg)
		if err != nil {
			t.Fatalf("%s: at the next start: %v", where, err)
		}
		defer l.Close()
		again := readTo(t, l, 1, l.Head())
		for pos, rec := range res.got {
			if again[pos] != rec {
				t.Fatalf("%s: at the next start position %d holds %q", where, pos, again[pos])
			}
		}
		if again[l.Head()-1] != "onwards" || len(again) != len(res.got)+1 {
			t.Fatalf("%s: at the next start there are %d records, the last is %q", where, len(again), again[l.Head()-1])
		}
	}
	step := 4 * octetStep()
	for path, octets := range before {
		size := int64(len(octets))
		try(path, "deleted", func(d *vfs.Mem) error { return d.Remove(path) })
		for cut := int64(0); cut < size; cut += step {
			try(path, fmt.Sprintf("cut to %d", cut), func(d *vfs.Mem) error { return truncate(d, path, cut) })
		}
		for name, fill := range map[string]byte{"zeroed": 0, "full of 0xff": 0xff} {
			if size == 0 {
				break
			}
			try(path, name, func(d *vfs.Mem) error {
				return patch(d, path, 0, int(size), func(b []byte) { copy(b, bytes.Repeat([]byte{fill}, len(b))) })
			})
		}
		try(path, "replaced", func(d *vfs.Mem) error {
			return vfs.WriteFileAtomic(d, path, []byte(strings.Repeat("of another\n", 99)), 0o640)
		})
	}
}
