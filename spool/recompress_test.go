package spool

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/vfs"
)

func withoutRest(time.Duration) error { return nil }

// summary is skip data that tell which records they are of.
func summary(dst, records []byte) []byte {
	dst = append(dst, "sum:"...)
	return binary.LittleEndian.AppendUint32(dst, checksum(records))
}

// manySegments opens a log in memory with small segments of small blocks.
// Rewriting is left to the test.
func manySegments(t *testing.T, fsys vfs.FS, codec Codec) (Config, *Log, map[uint64]string) {
	t.Helper()
	cfg := testConfig(t, "/log")
	cfg.FS, cfg.Codec, cfg.SegmentSize, cfg.BlockSize = fsys, codec, 8<<10, 1<<10
	cfg.KeepDelivered, cfg.Recompress, cfg.Summarize = true, RecompressNever, summary
	l := mustOpen(t, cfg)
	want := map[uint64]string{}
	for i := range 400 {
		rec := fmt.Sprintf("record %d of many that look alike %s", i, strings.Repeat("ab", i%100))
		first, err := l.Append(context.Background(), Batch{
			Records: run(rec), Count: 1, MinTime: int64(i), MaxTime: int64(i), Note: fmt.Append(nil, i)})
		if err != nil {
			t.Fatal(err)
		}
		want[first] = rec
	}
	return cfg, l, want
}

func mustRewrite(t *testing.T, l *Log) {
	t.Helper()
	if err := l.rewriteAll(withoutRest); err != nil {
		t.Fatal(err)
	}
}

func noteCount(t *testing.T, l *Log) (n int) {
	t.Helper()
	if err := l.Notes(func(note Note) error {
		if string(note.Data) != fmt.Sprint(n) {
			t.Fatalf("note %d is %q", n, note.Data)
		}
		n++
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// viewRecords reads all through a view.
func viewRecords(t *testing.T, v *View) map[uint64]string {
	t.Helper()
	got := map[uint64]string{}
	segs, err := v.Segments()
	if err != nil {
		t.Fatal(err)
	}
	r := v.NewBlockReader()
	defer r.Close()
	for _, s := range segs {
		infos, err := v.Blocks(nil, s)
		if err != nil {
			t.Fatal(err)
		}
		collectBlocks(t, r, s, infos, got)
	}
	return got
}

func collectBlocks(t *testing.T, r *BlockReader, s Segment, infos []BlockInfo, got map[uint64]string) {
	t.Helper()
	for _, info := range infos {
		b, err := r.Read(s, info)
		if err != nil {
			t.Fatal(err)
		}
		if b.First != info.First || b.Count != info.Count || b.MinTime != info.MinTime || b.MaxTime != info.MaxTime {
			t.Fatalf("block %+v is read as %+v", info, b)
		}
		for i, rec := range split(t, b) {
			got[b.First+uint64(i)] = rec
		}
	}
}

func TestFullSegmentsAreRewrittenWithoutChangeOfWhatIsRead(t *testing.T) {
	for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
		t.Run(string(codec), func(t *testing.T) {
			cfg, l, want := manySegments(t, vfs.NewMem(), codec)
			before := l.Stats()
			// These are in the midst of it all when the segments are replaced.
			half := l.NewReader(1)
			defer half.Close()
			got := map[uint64]string{}
			read := func(to uint64) {
				for half.Position() < to {
					b, err := half.Next(context.Background())
					if err != nil || b.Missing > 0 {
						t.Fatal(b.Missing, err)
					}
					for i, rec := range split(t, b) {
						got[b.First+uint64(i)] = rec
					}
				}
			}
			read(150)
			v := l.View()
			segs, _ := v.Segments()
			var infos [][]BlockInfo
			for _, s := range segs {
				list, err := v.Blocks(nil, s)
				if err != nil {
					t.Fatal(err)
				}
				infos = append(infos, list)
			}
			open := v.NewBlockReader() // keeps a file of before open
			defer open.Close()
			collectBlocks(t, open, segs[len(segs)-1], infos[len(segs)-1][:1], map[uint64]string{})

			mustRewrite(t, l)

			after := l.Stats()
			if after.RewrittenSegments == 0 || after.IndexedSegments != uint64(after.Segments-1) || after.Bytes >= before.Bytes {
				t.Fatalf("before %+v\nafter %+v", before, after)
			}
			read(l.Head())
			if !maps.Equal(got, want) {
				t.Fatal("the reader that was under way read something else")
			}
			old := map[uint64]string{}
			for i := range segs {
				collectBlocks(t, open, segs[i], infos[i], old)
			}
			if !maps.Equal(old, want) {
				t.Fatal("blocks that were listed before cannot be read as they were")
			}
			check := func(l *Log) {
				t.Helper()
				for _, from := range []uint64{1, 77, 200, 399} {
					got := readTo(t, l, from, l.Head())
					if len(got) != int(l.Head()-from) || got[from] != want[from] {
						t.Fatalf("from %d: %d records", from, len(got))
					}
				}
				if !maps.Equal(viewRecords(t, l.View()), want) {
					t.Fatal("the view shows something else")
				}
				if n := noteCount(t, l); n != 400 {
					t.Fatalf("%d notes", n)
				}
			}
			check(l)
			size := l.Stats().Bytes
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = mustOpen(t, cfg)
			if l.Stats().Bytes != size {
				t.Fatalf("%d octets, %d before", l.Stats().Bytes, size)
			}
			check(l)
			mustRewrite(t, l)
			if st := l.Stats(); st.RewrittenSegments+st.IndexedSegments > 0 {
				t.Fatalf("all was done, and done again: %+v", st)
			}
			beside, err := openView(cfg.FS, cfg.Dir)
			if err != nil {
				t.Fatal(err)
			}
			if !maps.Equal(viewRecords(t, beside), want) {
				t.Fatal("the view beside shows something else")
			}
		})
	}
}

func TestRewrittenSegmentsSurvivePowerLossAtEveryOperation(t *testing.T) {
	disk := vfs.NewMem()
	cfg, l, want := manySegments(t, disk, CodecS2)
	rng := rand.New(rand.NewPCG(1, 2))
	var disks []*vfs.Mem
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind.Changes() {
			disks = append(disks, disk.CrashClone(rng), disk.Clone())
		}
		return nil
	})
	mustRewrite(t, l)
	disk.SetHook(nil)
	for i, d := range append(disks, disk.CrashClone(rng)) {
		cfg.FS = d
		l := mustOpen(t, cfg)
		if got := readTo(t, l, 1, 401); !maps.Equal(got, want) {
			t.Fatalf("disk %d of %d holds something else", i, len(disks))
		}
		mustRewrite(t, l)
		if !maps.Equal(viewRecords(t, l.View()), want) || noteCount(t, l) != 400 {
			t.Fatalf("disk %d of %d holds something else when rewritten", i, len(disks))
		}
		if st := l.Stats(); st.DamagedStretches+st.LostSegments > 0 || st.Head != 401 {
			t.Fatalf("%+v", st)
		}
		names, _ := d.List(cfg.Dir)
		for _, name := range names {
			if strings.HasSuffix(name, tempSuffix) {
				t.Fatalf("%s is left", name)
			}
		}
		l.Close()
	}
	t.Logf("%d disks checked", len(disks)+1)
}

func TestErrorsOfTheDiskLeaveSegmentsAsTheyWere(t *testing.T) {
	disk := vfs.NewMem()
	_, l, want := manySegments(t, disk, CodecS2)
	for fail := 1; ; fail++ {
		n := 0
		disk.SetHook(func(op vfs.Op) error {
			if n++; n == fail {
				return fmt.Errorf("no: %w", fs.ErrPermission)
			}
			return nil
		})
		err := l.rewriteAll(withoutRest)
		disk.SetHook(nil)
		if got := readTo(t, l, 1, 401); !maps.Equal(got, want) {
			t.Fatalf("after failure %d something else is read", fail)
		}
		if err == nil && n < fail {
			break
		}
	}
	if st := l.Stats(); st.IndexedSegments < uint64(st.Segments-1) || st.DamagedStretches > 0 {
		t.Fatalf("%+v", st)
	}
	if !maps.Equal(viewRecords(t, l.View()), want) {
		t.Fatal("the view shows something else")
	}
}

func TestASegmentWithDamageIsNotRewritten(t *testing.T) {
	disk := vfs.NewMem()
	_, l, want := manySegments(t, disk, CodecNone)
	segs, _ := l.View().Segments()
	s := segs[len(segs)-2] // the second
	infos, _ := l.View().Blocks(nil, s)
	f, err := disk.OpenWrite(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{2, 4} {
		off := infos[i].offset + blockHeaderSize + 5 // in the records
		if i == 4 {
			off = infos[i].offset + 20 // in the header
		}
		if _, err := f.WriteAt([]byte{0xff}, off); err != nil {
			t.Fatal(err)
		}
		for n := range infos[i].Count {
			delete(want, infos[i].First+uint64(n))
		}
	}
	before, _ := vfs.ReadFile(disk, s.path, 1<<20)
	mustRewrite(t, l)
	after, _ := vfs.ReadFile(disk, s.path, 1<<20)
	if !slices.Equal(before, after) {
		t.Fatal("a damaged segment was changed")
	}
	if got := readTo(t, l, 1, 401); !maps.Equal(got, want) {
		t.Fatalf("%d records are read, %d are whole", len(got), len(want))
	}
	st := l.Stats()
	if st.RewrittenSegments != uint64(st.Segments-2) || st.DamagedStretches != 2 {
		t.Fatalf("%+v", st)
	}
}

func TestIndexesAreMadeAgainWhateverHappensToThem(t *testing.T) {
	disk := vfs.NewMem()
	cfg, l, want := manySegments(t, disk, CodecS2)
	mustRewrite(t, l)
	rng := rand.New(rand.NewPCG(3, 4))
	spoil := func(kind int, path string) {
		data, err := vfs.ReadFile(disk, path, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		f, err := disk.OpenWrite(path)
		if err != nil {
			t.Fatal(err)
		}
		switch kind {
		case 0:
			disk.Remove(path)
		case 1:
			f.WriteAt(make([]byte, len(data)), 0)
		case 2:
			f.Truncate(int64(rng.IntN(len(data))))
		default:
			at := int64(rng.IntN(len(data)))
			f.WriteAt([]byte{data[at] ^ byte(1<<rng.IntN(8))}, at)
		}
	}
	fill := func(l *Log) (missing int) {
		t.Helper()
		v := l.View()
		segs, _ := v.Segments()
		r := v.NewBlockReader()
		defer r.Close()
		for _, s := range segs[1:] {
			infos, err := v.Blocks(nil, s)
			if err != nil {
				t.Fatal(err)
			}
			if err := v.FillSkip(s, infos); err != nil {
				t.Fatal(err)
			}
			for _, info := range infos {
				b, err := r.Read(s, info)
				if err != nil {
					t.Fatal(err)
				}
				if info.Skip == nil {
					missing++
				} else if string(info.Skip) != string(summary(nil, b.Records)) {
					t.Fatalf("the skip data of block %d are of another", info.First)
				}
			}
		}
		return missing
	}
	for i := range 200 {
		segs, _ := l.View().Segments()
		spoil(i%8, indexPath(segs[1+rng.IntN(len(segs)-1)].path))
		if i%10 == 0 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = mustOpen(t, cfg)
		}
		if !maps.Equal(viewRecords(t, l.View()), want) {
			t.Fatal("the view shows something else")
		}
		fill(l)
		mustRewrite(t, l)
		if n := fill(l); n > 0 {
			t.Fatalf("%d blocks have no skip data", n)
		}
	}
}

func TestTheIndexGoesWithItsSegment(t *testing.T) {
	disk := vfs.NewMem()
	cfg, l, _ := manySegments(t, disk, CodecS2)
	mustRewrite(t, l)
	l.Close()
	cfg.Now = func() time.Time { return time.Now().Add(time.Hour) }
	cfg.uptime = func() time.Duration { return time.Hour } // the clock is right
	cfg.MaxAge = time.Minute
	stray := filepath.Join(cfg.Dir, indexPath(segmentName(99999)))
	if err := vfs.WriteFileAtomic(disk, stray, []byte("x"), filePerm); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	l.retain()
	names, _ := disk.List(cfg.Dir)
	var left []string
	for _, name := range names {
		if strings.Contains(name, segmentSuffix) {
			left = append(left, name)
		}
	}
	if st := l.Stats(); len(left) != 1 || st.Segments != 1 || st.Bytes != l.segments[0].end {
		t.Fatalf("%v left, %+v", left, st)
	}
}

func TestFullSegmentsAreRewrittenInTheBackground(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.SegmentSize, cfg.BlockSize, cfg.KeepDelivered, cfg.Sync = 16<<10, 1<<10, true, SyncOS
	cfg.Checkpoint = func() []byte { return []byte("all") }
	l := mustOpen(t, cfg)
	for i := range 400 {
		mustAppend(t, l, fmt.Sprint(i, strings.Repeat("again and ", 30)))
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		if st := l.Stats(); st.Segments > 2 && st.IndexedSegments == uint64(st.Segments-1) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", l.Stats())
		}
		time.Sleep(time.Millisecond)
	}
	v, err := OpenReadOnly(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, view := range []*View{l.View(), v} {
		segments, err := view.Segments()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range segments {
			if s.Indexed != s.Sealed {
				t.Errorf("segment %d: sealed %v, indexed %v", s.First, s.Sealed, s.Indexed)
			}
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := viewRecords(t, v); len(got) != 400 {
		t.Fatalf("%d records", len(got))
	}
	files, _ := filepath.Glob(filepath.Join(cfg.Dir, "*"))
	for _, file := range files {
		if st, err := os.Stat(file); err != nil || !st.IsDir() && st.Mode().Perm() != filePerm {
			t.Errorf("%s: %v %v", file, st.Mode(), err)
		}
	}
}

func TestCloseEndsRewritingAtOnce(t *testing.T) {
	cfg, l, _ := manySegments(t, vfs.NewMem(), CodecNone)
	l.Close()
	cfg.Recompress = RecompressArchive
	cfg.Summarize = func(dst, records []byte) []byte {
		time.Sleep(20 * time.Millisecond)
		return dst
	}
	l = mustOpen(t, cfg)
	start := time.Now()
	if err := l.Close(); err != nil || time.Since(start) > 5*time.Second {
		t.Fatal(err, time.Since(start))
	}
	if _, err := l.Append(context.Background(), Batch{}); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func FuzzIndex(f *testing.F) {
	x := indexBuilder{salt: 1, summarize: summary}
	x.add(80, &blockHeader{first: 1, count: 2, raw: 10, stored: 10}, []byte("\x04aaaa\x04bbbb"))
	key := indexKey{first: 1, size: 1000}
	whole := x.encode(key)
	f.Add(whole)
	f.Add(whole[:100])
	f.Fuzz(func(t *testing.T, data []byte) {
		disk := vfs.NewMem()
		if err := vfs.WriteFileAtomic(disk, indexPath("/s"), data, filePerm); err != nil {
			t.Fatal(err)
		}
		infos, h, err := readIndex(nil, disk, "/s", key)
		if err != nil {
			if !unusable(err) {
				t.Fatal(err)
			}
			return
		}
		if len(infos) != int(h.blocks) {
			t.Fatal(len(infos), h.blocks)
		}
		v := &View{fsys: disk, salt: 1}
		if err := v.FillSkip(Segment{First: 1, Size: 1000, path: "/s"}, infos); err != nil {
			t.Fatal(err)
		}
	})
}
