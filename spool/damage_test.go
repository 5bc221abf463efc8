package spool

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

// fixture is a small log of several segments with known blocks, in memory.
type fixture struct {
	disk   *vfs.Mem
	cfg    Config
	blocks []BlockInfo
	segs   []Segment // oldest first
	of     []int     // blocks[i] is in segs[of[i]]
	want   map[uint64]string
	head   uint64
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{disk: vfs.NewMem(), want: map[uint64]string{}}
	f.cfg = Config{
		Dir: "/log", FS: f.disk, MinFree: -1, SegmentSize: 4 << 10, BlockSize: 400, CursorInterval: time.Hour,
		Checkpoint: func() []byte { return []byte("the state so far") },
	}
	l := mustOpen(t, f.cfg)
	for i := range 90 {
		recs := []string{fmt.Sprintf("first record of batch %d", i), strings.Repeat(fmt.Sprintf("%d/", i*i), 30)}
		first, err := l.Append(context.Background(), Batch{Records: run(recs...), Count: 2, Note: []byte("note")})
		if err != nil {
			t.Fatal(err)
		}
		f.want[first], f.want[first+1] = recs[0], recs[1]
	}
	c, err := l.Cursor("out", FromTail)
	if err != nil {
		t.Fatal(err)
	}
	for pos := range uint64(3) {
		if err := c.Commit(10*(pos+1), Counts{Delivered: 10}); err != nil {
			t.Fatal(err)
		}
		if err := c.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	f.head = l.Head()
	v := l.View()
	segs, err := v.Segments()
	if err != nil {
		t.Fatal(err)
	}
	for i := len(segs) - 1; i >= 0; i-- {
		n := len(f.blocks)
		if f.blocks, err = v.Blocks(f.blocks, segs[i]); err != nil {
			t.Fatal(err)
		}
		for range len(f.blocks) - n {
			f.of = append(f.of, len(f.segs))
		}
		f.segs = append(f.segs, segs[i])
	}
	if len(f.segs) < 3 {
		t.Fatalf("%d segments", len(f.segs))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// result is what a damaged copy of the fixture gave.
type result struct {
	disk    *vfs.Mem
	got     map[uint64]string
	missing uint64
	stats   Stats
	cursor  CursorStatus
	head    uint64 // before the append
}

// tryOpen damages a copy of the log, opens it, reads all of it and appends. It
// fails the test if that does not work, or if a record was changed.
func (f *fixture) tryOpen(t *testing.T, corrupt func(*vfs.Mem) error) result {
	t.Helper()
	disk := f.disk.Clone()
	if err := corrupt(disk); err != nil {
		t.Fatal(err)
	}
	cfg := f.cfg
	cfg.FS = disk
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	res := result{disk: disk, got: map[uint64]string{}, head: l.Head()}
	if err := l.Notes(func(Note) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r := l.NewReader(1)
	defer r.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	next := uint64(1)
	for r.Position() < res.head {
		b, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("at %d of %d: %v", r.Position(), res.head, err)
		}
		if b.First != next+b.Missing {
			t.Fatalf("block at %d after %d says %d missing", b.First, next, b.Missing)
		}
		res.missing += b.Missing
		next = b.Next()
		for i, rec := range split(t, b) {
			pos := b.First + uint64(i)
			if f.want[pos] != rec {
				t.Fatalf("position %d holds %q, want %q", pos, rec, f.want[pos])
			}
			res.got[pos] = rec
		}
	}
	if cs := l.Cursors(); len(cs) > 0 {
		res.cursor = cs[0]
	}
	res.stats = l.Stats()
	if first := mustAppend(t, l, "onwards"); first < res.head {
		t.Fatalf("append at %d, the head was %d", first, res.head)
	}
	if b, err := r.Next(ctx); err != nil || split(t, b)[0] != "onwards" {
		t.Fatalf("what was appended after: %v %v", b, err)
	}
	names, err := disk.List(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, badSuffix) })
	if n := l.Stats().Quarantined; n != uint64(len(names)) {
		t.Fatalf("%d files are counted as quarantined of %q", n, names)
	}
	return res
}

// flip inverts one bit of a file.
func flip(disk *vfs.Mem, path string, off int64, bit int) error {
	return patch(disk, path, off, 1, func(b []byte) { b[0] ^= 1 << bit })
}

func patch(disk *vfs.Mem, path string, off int64, n int, change func([]byte)) error {
	f, err := disk.OpenWrite(path)
	if err != nil {
		return err
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		return err
	}
	change(b)
	if _, err := f.WriteAt(b, off); err != nil {
		return err
	}
	return f.Sync()
}

func truncate(disk *vfs.Mem, path string, size int64) error {
	f, err := disk.OpenWrite(path)
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	return f.Sync()
}

var exhaustive = flag.Bool("exhaustive", false, "damage every octet, not a sample of them")

// octetStep is the distance between octets that are damaged.
func octetStep() int64 {
	if *exhaustive {
		return 1
	}
	return 13
}

func (f *fixture) last() int { return len(f.segs) - 1 }

func TestAFlippedBitAnywhereCostsOneBlockAndIsCountedExactly(t *testing.T) {
	f := newFixture(t)
	step := octetStep()
	for si, seg := range f.segs {
		for off := int64(0); off < seg.Size; off += step {
			bad := -1
			for i, b := range f.blocks {
				if f.of[i] == si && off >= b.offset && off < b.offset+b.Octets {
					bad = i
				}
			}
			res := f.tryOpen(t, func(d *vfs.Mem) error { return flip(d, seg.path, off, int(off)%8) })
			where := fmt.Sprintf("segment %d of %d, offset %d, block %d of %d", si, len(f.segs), off, bad, len(f.blocks))
			if bad < 0 {
				// The header of the segment.
				if len(res.got) != len(f.want) {
					t.Fatalf("%s: %d of %d records", where, len(res.got), len(f.want))
				}
				continue
			}
			lost := f.blocks[bad]
			if len(res.got) != len(f.want)-lost.Count {
				t.Fatalf("%s: %d of %d records, the block had %d", where, len(res.got), len(f.want), lost.Count)
			}
			if bad == len(f.blocks)-1 && off < lost.offset+blockHeaderSize {
				// At the very end it cannot be told from a torn tail.
				if res.stats.TornOctets != uint64(lost.Octets) {
					t.Fatalf("%s: %d torn octets, want %d", where, res.stats.TornOctets, lost.Octets)
				}
				continue
			}
			if res.missing != uint64(lost.Count) || res.stats.DamagedRecords != uint64(lost.Count) ||
				res.stats.DamagedStretches != 1 || res.stats.DamagedOctets != uint64(lost.Octets) {
				t.Fatalf("%s: %d missing, stats %+v, block %+v", where, res.missing, res.stats, lost)
			}
			kept := fmt.Sprintf("%s.%d.bad", seg.path, lost.offset)
			if st, err := res.disk.Stat(kept); err != nil || st.Size != lost.Octets {
				t.Fatalf("%s: %s: %v, %d octets", where, kept, err, st.Size)
			}
		}
	}
}

func TestATruncatedSegmentKeepsItsWholeBlocks(t *testing.T) {
	f := newFixture(t)
	step := octetStep()
	for _, si := range []int{0, 1, f.last()} {
		seg := f.segs[si]
		for size := int64(0); size < seg.Size; size += step {
			whole := 0
			for i, b := range f.blocks {
				if f.of[i] != si || b.offset+b.Octets <= size {
					whole += b.Count
				}
			}
			res := f.tryOpen(t, func(d *vfs.Mem) error { return truncate(d, seg.path, size) })
			if len(res.got) != whole {
				t.Fatalf("segment %d cut to %d: %d records, want %d", si, size, len(res.got), whole)
			}
			if si < f.last() && res.missing != uint64(len(f.want)-whole) {
				t.Fatalf("segment %d cut to %d: %d missing, want %d", si, size, res.missing, len(f.want)-whole)
			}
		}
	}
}

func TestTheLogOpensWhateverIsMissingOrZeroed(t *testing.T) {
	f := newFixture(t)
	count := func(si int) (n int) {
		for i, b := range f.blocks {
			if f.of[i] == si {
				n += b.Count
			}
		}
		return n
	}
	all := len(f.want)
	cursor := "/log/cursors/out.cursor"
	zero := func(path string) func(*vfs.Mem) error {
		return func(d *vfs.Mem) error {
			st, err := d.Stat(path)
			if err != nil {
				return err
			}
			return patch(d, path, 0, int(st.Size), func(b []byte) { clear(b) })
		}
	}
	remove := func(paths ...string) func(*vfs.Mem) error {
		return func(d *vfs.Mem) error {
			for _, p := range paths {
				if err := d.Remove(p); err != nil {
					return err
				}
			}
			return nil
		}
	}
	write := func(path, text string) func(*vfs.Mem) error {
		return func(d *vfs.Mem) error { return vfs.WriteFileAtomic(d, path, []byte(text), 0o640) }
	}
	last := f.segs[f.last()]
	for _, row := range []struct {
		name    string
		corrupt func(*vfs.Mem) error
		records int
		cursor  uint64
		check   func(t *testing.T, r result)
	}{
		{name: "nothing", corrupt: func(*vfs.Mem) error { return nil }, records: all, cursor: 30},
		{name: "log.id deleted", corrupt: remove("/log/log.id"), records: all, cursor: 30},
		{name: "log.id zeroed", corrupt: zero("/log/log.id"), records: all, cursor: 30},
		{name: "log.id empty", corrupt: write("/log/log.id", ""), records: all, cursor: 30},
		{name: "log.id of another log", corrupt: write("/log/log.id", strings.Repeat("ab", 16)), records: all, cursor: 30},
		{name: "lock deleted", corrupt: remove("/log/lock"), records: all, cursor: 30},
		{name: "cursor zeroed", corrupt: zero(cursor), records: all, cursor: 20},
		{name: "cursor empty", corrupt: write(cursor, ""), records: all, cursor: 20},
		{name: "cursor deleted", corrupt: remove(cursor), records: all, cursor: 20},
		{name: "cursor and its copy zeroed", corrupt: func(d *vfs.Mem) error {
			return errors.Join(zero(cursor)(d), zero(cursor+".prev")(d))
		}, records: all, cursor: 1},
		{name: "temporary files left", corrupt: func(d *vfs.Mem) error {
			return errors.Join(write("/log/log.id.tmp", "x")(d), write(cursor+".tmp", "x")(d))
		}, records: all, cursor: 30, check: func(t *testing.T, r result) {
			for _, p := range []string{"/log/log.id.tmp", cursor + ".tmp"} {
				if _, err := r.disk.Stat(p); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v", p, err)
				}
			}
		}},
		{name: "strangers", corrupt: func(d *vfs.Mem) error {
			return errors.Join(write("/log/README", "mine")(d), write("/log/7.seg", "mine")(d),
				write("/log/cursors/notes.txt", "mine")(d))
		}, records: all, cursor: 30, check: func(t *testing.T, r result) {
			for _, p := range []string{"/log/README", "/log/7.seg", "/log/cursors/notes.txt"} {
				if _, err := r.disk.Stat(p); err != nil {
					t.Error(err)
				}
			}
		}},
		{name: "oldest segment deleted", corrupt: remove(f.segs[0].path), records: all - count(0), cursor: 30},
		{name: "segment in the middle deleted", corrupt: remove(f.segs[1].path), records: all - count(1), cursor: 30},
		{name: "segment in the middle zeroed", corrupt: zero(f.segs[1].path), records: all - count(1), cursor: 30},
		{name: "last segment deleted", corrupt: remove(last.path), records: all - count(f.last()), cursor: 30},
		{name: "last segment zeroed", corrupt: zero(last.path), records: all - count(f.last()), cursor: 30},
		{name: "all segments deleted", corrupt: func(d *vfs.Mem) error {
			for _, s := range f.segs {
				if err := d.Remove(s.path); err != nil {
					return err
				}
			}
			return nil
		}, records: 0, cursor: 30, check: func(t *testing.T, r result) {
			if r.head != 30 {
				t.Errorf("head is %d: positions that a cursor has passed are given out again", r.head)
			}
		}},
		{name: "header of the last segment zeroed", corrupt: func(d *vfs.Mem) error {
			return patch(d, last.path, 0, segmentPrologue, func(b []byte) { clear(b) })
		}, records: all, cursor: 30},
		{name: "zeros after the end", corrupt: func(d *vfs.Mem) error {
			return truncate(d, last.path, last.Size+100<<10)
		}, records: all, cursor: 30, check: func(t *testing.T, r result) {
			if r.stats.TornOctets != 100<<10 || r.stats.DamagedStretches != 0 {
				t.Errorf("%+v", r.stats)
			}
		}},
		{name: "rubbish after the end", corrupt: func(d *vfs.Mem) error {
			g, err := d.OpenWrite(last.path)
			if err != nil {
				return err
			}
			_, err = g.WriteAt([]byte(strings.Repeat(blockMagic+"rubbish", 99)), last.Size)
			return err
		}, records: all, cursor: 30},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := f.tryOpen(t, row.corrupt)
			if len(r.got) != row.records {
				t.Errorf("%d records, want %d", len(r.got), row.records)
			}
			if r.cursor.Position != row.cursor {
				t.Errorf("cursor at %d, want %d", r.cursor.Position, row.cursor)
			}
			if row.check != nil {
				row.check(t, r)
			}
		})
	}
}

// A cursor that may not be read, as after a command of root, is whole: another place in
// the log would be delivered again.
func TestACursorThatCannotBeReadIsNotTakenForDamage(t *testing.T) {
	const cursor = "/log/cursors/out.cursor"
	for _, row := range []struct {
		kind vfs.Kind
		err  error
		path string // that alone; of the copy the cursor is damaged then
		want string // what to do
	}{
		{vfs.OpOpen, syscall.EACCES, cursor, "chown"},
		{vfs.OpOpen, syscall.EACCES, cursor + prevSuffix, "chown"},
		{vfs.OpOpen, syscall.EACCES, "", "chown"},
		{vfs.OpOpen, syscall.EMFILE, cursor, "too many open files"},
	} {
		f := newFixture(t)
		disk := f.disk.Clone()
		if row.path == cursor+prevSuffix {
			if err := vfs.WriteFileAtomic(disk, cursor, nil, 0o640); err != nil {
				t.Fatal(err)
			}
		}
		disk.SetHook(func(op vfs.Op) error {
			if op.Kind == row.kind && (op.Name == row.path || row.path == "" && strings.HasPrefix(op.Name, cursor)) {
				return row.err
			}
			return nil
		})
		cfg := f.cfg
		cfg.FS = disk
		l, err := Open(cfg)
		if err == nil {
			t.Errorf("%v of %q: the log opens, with the cursor at %d", row.err, row.path, l.Cursors()[0].Position)
			l.Close()
			continue
		}
		if named := cmp.Or(row.path, cursor); !errors.Is(err, row.err) || !strings.Contains(err.Error(), named+":") || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v of %q: %q does not name the file and say %q", row.err, row.path, err, row.want)
		}
		disk.SetHook(nil)
		names, err := disk.List("/log/cursors")
		if want := []string{"out.cursor", "out.cursor" + prevSuffix}; err != nil || !slices.Equal(names, want) {
			t.Errorf("%v of %q: %q are there, %v; want %q", row.err, row.path, names, err, want)
		}
		if row.path == cursor+prevSuffix {
			continue
		}
		if l = mustOpen(t, cfg); l.Cursors()[0].Position != 30 {
			t.Errorf("%v of %q: the cursor is at %d afterwards, want 30", row.err, row.path, l.Cursors()[0].Position)
		}
	}
}

// A bad sector keeps no log from opening.
func TestACursorThatTheDiskDoesNotGiveIsDamaged(t *testing.T) {
	const cursor = "/log/cursors/out.cursor"
	f := newFixture(t)
	disk := f.disk.Clone()
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpRead && op.Name == cursor {
			return syscall.EIO
		}
		return nil
	})
	cfg := f.cfg
	cfg.FS = disk
	l := mustOpen(t, cfg)
	if at := l.Cursors()[0].Position; at >= 30 {
		t.Errorf("the cursor is at %d, and the copy before it stands before 30", at)
	}
}

func TestALaterVersionIsToldFromDamage(t *testing.T) {
	f := newFixture(t)
	seg := f.segs[f.last()]
	disk := f.disk.Clone()
	err := patch(disk, seg.path, 0, segmentPrologue, func(b []byte) {
		b[8]++
		sum := checksum(b[:76])
		b[76], b[77], b[78], b[79] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := f.cfg
	cfg.FS = disk
	if _, err := Open(cfg); !errors.Is(err, ErrVersion) || errors.Is(err, ErrCorrupt) {
		t.Fatalf("got %v", err)
	}
	before, _ := disk.List("/log")
	after, _ := f.disk.List("/log")
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Fatalf("the folder was changed: %v, it was %v", after, before)
	}
}

func TestARecordThatImitatesABlockIsNotTakenForOne(t *testing.T) {
	// A block as it would stand in another log, sent as a record to this one,
	// whose own block is then damaged.
	other := vfs.NewMem()
	l := mustOpen(t, Config{Dir: "/log", FS: other, Codec: CodecNone, MinFree: -1})
	for range 10 {
		mustAppend(t, l, "forged")
	}
	v := l.View()
	segs, _ := v.Segments()
	blocks, _ := v.Blocks(nil, segs[0])
	g, err := other.Open(segs[0].path)
	if err != nil {
		t.Fatal(err)
	}
	forged := make([]byte, blocks[9].Octets)
	if _, err := g.ReadAt(forged, blocks[9].offset); err != nil {
		t.Fatal(err)
	}
	disk := vfs.NewMem()
	cfg := Config{Dir: "/log", FS: disk, Codec: CodecNone, MinFree: -1}
	l = mustOpen(t, cfg)
	mustAppend(t, l, "true")
	mustAppend(t, l, string(forged))
	mustAppend(t, l, "true")
	v = l.View()
	segs, _ = v.Segments()
	blocks, _ = v.Blocks(nil, segs[0])
	l.Close()
	if err := flip(disk, filepath.Join("/log", segmentName(1)), blocks[1].offset+40, 3); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	for pos, rec := range readTo(t, l, 1, l.Head()) {
		if rec != "true" {
			t.Fatalf("position %d holds %q", pos, rec)
		}
	}
}

// At the start the disk gives errors for a page of the last segment. Nothing of it is
// cut off, wherever the page is: it may be read again one day.
func TestAPageThatCannotBeReadAtTheStartIsNoTornTail(t *testing.T) {
	for _, sizes := range [][]int{{900}, {900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 7000}} {
		t.Run(fmt.Sprint(len(sizes), " records"), func(t *testing.T) {
			failPages(t, sizes)
		})
	}
}

// failPages opens a log with records of these sizes once for each page of its segment
// that cannot be read. The last record is the only one of several pages.
func failPages(t *testing.T, sizes []int) {
	disk := vfs.NewMem()
	cfg := Config{Dir: "/log", FS: disk, Codec: CodecNone, MinFree: -1, CursorInterval: time.Hour, Recompress: RecompressAlways}
	l := mustOpen(t, cfg)
	want := map[uint64]string{}
	for i, size := range sizes {
		rec := fmt.Sprint(i) + strings.Repeat("x", size)
		want[mustAppend(t, l, rec)] = rec
	}
	all := l.Head()
	segs, err := l.View().Segments()
	if err != nil {
		t.Fatal(err)
	}
	path := segs[0].path
	l.Close()
	before, err := vfs.ReadFile(disk, path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	pages := (len(before) - int(segs[0].header) + page - 1) / page
	if len(before)-int(segs[0].header)-(pages-1)*page < 512 {
		t.Fatal("the last page has no sector, which could be zeros")
	}
	ended := 0 // how often the log ended at the page
	for bad := range pages {
		cfg := cfg
		disk := disk.Clone()
		cfg.FS = disk
		reads := 0
		disk.SetHook(func(op vfs.Op) error {
			if op.Kind != vfs.OpRead || op.Name != path {
				return nil
			}
			// The header, the blocks at once, and then page by page.
			if reads++; reads == 2 || reads == 3+bad {
				return syscall.EIO
			}
			return nil
		})
		l := mustOpen(t, cfg)
		disk.SetHook(nil)
		st, head := l.Stats(), l.Head()
		if reads < 3+bad || st.TornOctets > 0 || st.DamagedStretches == 0 || st.Quarantined == 0 {
			t.Fatalf("page %d: %d reads, %+v", bad, reads, st)
		}
		again := cfg
		again.FS = disk.Clone()
		for pos, rec := range readTo(t, l, 1, head) {
			if want[pos] != rec {
				t.Fatalf("page %d: position %d holds %.10q", bad, pos, rec)
			}
		}
		mustAppend(t, l, "onwards")
		if rec := readTo(t, l, head, head+1)[head]; rec != "onwards" {
			t.Fatalf("page %d: %.10q was appended", bad, rec)
		}
		mustRewrite(t, l)
		l.Close()
		if head < all {
			ended++
			kept := path
			if head == 1 { // what was appended has its name
				kept += badSuffix
			}
			if after, err := vfs.ReadFile(disk, kept, 1<<20); err != nil || string(after) != string(before) {
				t.Fatalf("page %d: of %d octets %d are left, %v", bad, len(before), len(after), err)
			}
		}
		// The disk had come to itself before anything was appended.
		if got := readTo(t, mustOpen(t, again), 1, all); !maps.Equal(got, want) {
			t.Fatalf("page %d: %d of %d records are back", bad, len(got), len(want))
		}
	}
	if ended == 0 || len(sizes) > 1 && ended == pages {
		t.Fatalf("the log ended at %d of %d pages", ended, pages)
	}
}
