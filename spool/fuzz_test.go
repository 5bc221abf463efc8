package spool

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/syslane/syslane/internal/vfs"
)

// The fuzz tests read octets that nobody vouches for. With mend they first put the
// checksums right, so that what lies behind them is reached: the checksums keep
// strangers out, but must not be what keeps the process alive.

// allocated returns the octets that this process has allocated so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// boundAllocation fails the test where f allocates more than so many octets.
func boundAllocation(t *testing.T, most uint64, f func()) {
	t.Helper()
	before := allocated()
	f()
	if n := allocated() - before; n > most {
		t.Fatalf("%d octets allocated, at most %d are expected", n, most)
	}
}

// mendHeader puts the checksum of a segment header right.
func mendHeader(b []byte) {
	if len(b) >= segmentPrologue {
		binary.LittleEndian.PutUint32(b[76:], checksum(b[:76]))
	}
}

// mendBlocks puts the checksums of everything right that looks like a block.
func mendBlocks(b []byte, salt uint32) {
	le := binary.LittleEndian
	for {
		i := bytes.Index(b, []byte(blockMagic))
		if i < 0 || len(b)-i < blockHeaderSize {
			return
		}
		b = b[i:]
		size := int64(le.Uint32(b[8:])) + int64(le.Uint32(b[12:]))
		if size <= int64(len(b)-blockHeaderSize) {
			le.PutUint32(b[56:], crc32.Update(salt, castagnoli, b[blockHeaderSize:blockHeaderSize+size]))
		} else {
			size = 0
		}
		le.PutUint32(b[60:], crc32.Update(salt, castagnoli, b[:60]))
		b = b[blockHeaderSize+size:]
	}
}

func mendCursor(b []byte) {
	if len(b) >= cursorSize {
		binary.LittleEndian.PutUint32(b[cursorSize-4:], checksum(b[:cursorSize-4]))
	}
	if n := len(b) - 4; n >= cursorSize { // it has spans
		binary.LittleEndian.PutUint32(b[n:], checksum(b[:n]))
	}
}

// files are the octets of a small log, to start from.
type files struct {
	id              [16]byte
	older, newer    []byte // segments that start at 1 and at 7
	cursor, earlier []byte
	ahead           []byte // the cursor with spans
}

func newFiles(t testing.TB, codec Codec) files {
	t.Helper()
	disk := vfs.NewMem()
	cfg := Config{Dir: "/log", FS: disk, MinFree: -1, Codec: codec, BlockSize: 200,
		Checkpoint: func() []byte { return []byte("state") }}
	var f files
	for first, to := range map[uint64]*[]byte{1: &f.older, 7: &f.newer} {
		l, err := Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		f.id = l.ID()
		if first == 7 {
			l.head = 7
		}
		w := newWriter(l)
		w.head = first
		for range 3 {
			b := &block{}
			b.reset(l.comp)
			b.add(&Batch{Records: run("a record", "another record, another record, another record"), Count: 2, Note: []byte("n"), MinTime: 1, MaxTime: 2}, 200)
			b.seal(l.salt)
			if err := w.write([]*block{b}); err != nil {
				t.Fatal(err)
			}
		}
		if *to, err = vfs.ReadFile(disk, l.segmentPath(first), 1<<20); err != nil {
			t.Fatal(err)
		}
		if err := disk.Remove(l.segmentPath(first)); err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	s := cursorState{start: 1, position: 5, counts: Counts{Delivered: 4}}
	f.cursor = s.encode(f.id)
	s.position, s.counts.Delivered = 3, 2
	f.earlier = s.encode(f.id)
	s.pass(5, 6)
	s.counts.Delivered++
	f.ahead = s.encode(f.id)
	return f
}

func FuzzSegmentHeaderOfAnyOctets(f *testing.F) {
	fs := newFiles(f, CodecNone)
	f.Add(fs.older[:segmentPrologue+5], false)
	f.Add(fs.older[:segmentPrologue], true)
	f.Add((&segmentHeader{first: 9}).encode(), true)
	f.Add([]byte(segmentMagic), false)
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if mend {
			mendHeader(b)
		}
		disk := vfs.NewMem()
		file, err := disk.Create("/s", 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		boundAllocation(t, 1<<20+2*uint64(len(b)), func() {
			h, err := readSegmentHeader(file, true)
			if err != nil {
				if len(b) >= segmentPrologue && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if h.flags&flagCheckpoint == 0 {
				return
			}
			var again segmentHeader
			if _, err := again.decodePrologue(h.encode()); err != nil || again.first != h.first || again.id != h.id || again.length != h.length {
				t.Fatalf("read %+v, written and read again %+v, %v", h, again, err)
			}
		})
	})
}

func FuzzBlocksOfAnyOctets(f *testing.F) {
	var id [16]byte
	salt := saltOf(id)
	for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
		fs := newFiles(f, codec)
		blocks := fs.newer[segmentPrologue+5:]
		f.Add(blocks, true)
		f.Add(append(bytes.Repeat([]byte(blockMagic), 40), blocks...), true)
		f.Add(append(bytes.Clone(blocks), make([]byte, 600)...), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if mend {
			mendBlocks(b, salt)
		}
		size := int64(len(b))
		sc := &scanner{r: bytes.NewReader(b), salt: salt, salvage: true}
		var dec decompressor
		defer dec.close()
		boundAllocation(t, 40<<20, func() {
			last, lastOff := uint64(1), int64(-1)
			var seen int
			end, next, bad, err := sc.walk(0, size, 1, func(off int64, h *blockHeader, notes []byte) error {
				if off <= lastOff || h.first < last || off+h.size() > size {
					t.Fatalf("block at offset %d, position %d after %d, %d", off, h.first, lastOff, last)
				}
				last, lastOff = h.next(), off
				seen++
				countRecords(notes)
				return nil
			})
			if err != nil && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			if end > size || end < 0 || err == nil && next < last {
				t.Fatalf("walk ends at %d of %d, position %d of %d", end, size, next, last)
			}
			at := int64(0)
			for _, b := range bad {
				if b.from < at || b.to <= b.from || b.to > size {
					t.Fatalf("stretches %v of %d octets", bad, size)
				}
				at = b.to
			}
			hops := &headerScanner{r: bytes.NewReader(b), salt: salt}
			hopped := 0
			if herr := hops.each(0, size, 1, 1<<63, func(off int64, h *blockHeader) error {
				hopped++
				sc.reset(bytes.NewReader(b))
				stored, _, err := sc.body(off, h, size)
				if err == nil {
					stored, err = dec.decompress(h, stored)
				}
				if err == nil {
					countRecords(stored)
					skipRecords(stored, uint64(h.count))
				} else if !errors.Is(err, ErrCorrupt) {
					t.Fatal(err)
				}
				return nil
			}); herr != nil && !errors.Is(herr, ErrVersion) {
				t.Fatal(herr)
			}
		})
	})
}

func FuzzCursorFileOfAnyOctets(f *testing.F) {
	fs := newFiles(f, CodecNone)
	f.Add(fs.cursor, fs.id[:], false)
	f.Add(fs.earlier, fs.id[:], true)
	f.Add(fs.ahead, fs.id[:], true)
	f.Add(make([]byte, cursorSize), fs.id[:], true)
	f.Fuzz(func(t *testing.T, b, owner []byte, mend bool) {
		var id [16]byte
		copy(id[:], owner)
		if mend {
			mendCursor(b)
		}
		var s cursorState
		if err := s.decode(b, id); err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		var again cursorState
		if err := again.decode(s.encode(id), id); err != nil || again != s {
			t.Fatalf("read %+v, written and read again %+v, %v", s, again, err)
		}
		s.status("c", s.position)
	})
}

func FuzzNameOfACursorFile(f *testing.F) {
	for _, name := range []string{"elasticsearch/main", "..", ".", "a b", "%", "%2F", "ü", ""} {
		f.Add(name)
		f.Add(name + cursorSuffix)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name, ok := parseCursorFileName(s); ok && cursorFileName(name) != s {
			t.Fatalf("%q is read as %q, which is written %q", s, name, cursorFileName(name))
		}
		if s == "" || len(s) > MaxCursorName {
			return
		}
		file := cursorFileName(s)
		if name, ok := parseCursorFileName(file); !ok || name != s {
			t.Fatalf("%q is written %q, which is read as %q, %v", s, file, name, ok)
		}
		if len(file+prevSuffix+tempSuffix) > 255 || bytes.ContainsAny([]byte(file), "/\x00") || file[0] == '.' {
			t.Fatalf("%q is written %q", s, file)
		}
	})
}

func FuzzDecompressAnyOctets(f *testing.F) {
	text := bytes.Repeat([]byte("compressible "), 100)
	f.Add(byte(codecS2), uint32(len(text)), s2.Encode(nil, text))
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	defer enc.Close()
	f.Add(byte(codecZstd), uint32(len(text)), enc.EncodeAll(text, nil))
	all, err := bombs()
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range all {
		f.Add(byte(b.codec), uint32(b.raw), b.stored)
	}
	f.Fuzz(func(t *testing.T, codec byte, raw uint32, stored []byte) {
		h := blockHeader{codec: codecID(codec % codecCount), raw: raw % (MaxBatch + 1), stored: uint32(len(stored))}
		if h.codec == codecNone {
			return
		}
		var d decompressor
		defer d.close()
		boundAllocation(t, 2*MaxBatch+40<<20, func() {
			out, err := d.decompress(&h, stored)
			if err == nil && len(out) != int(h.raw) || err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%d octets of %d, %v", len(out), h.raw, err)
			}
		})
	})
}

// bomb is a payload that wants to become far larger than its header says.
type bomb struct {
	name   string
	codec  codecID
	raw    int
	stored []byte
}

// bombs are made once, for that takes seconds.
var bombs = sync.OnceValues(func() ([]bomb, error) {
	zeros := make([]byte, 64<<20)
	var frame bytes.Buffer // without its size in the header
	w, err := zstd.NewWriter(&frame)
	if err != nil {
		return nil, err
	}
	for range 4 {
		if _, err := w.Write(zeros); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	sized := w.EncodeAll(zeros, nil)
	giant := binary.AppendUvarint(nil, 1<<32-1) // the length that S2 blocks start with
	return []bomb{
		{"zstd stream of 256 MiB", codecZstd, 1000, frame.Bytes()},
		{"zstd frame of 64 MiB with its size", codecZstd, 1000, sized},
		{"zstd frame that says its size is an exbibyte", codecZstd, 1000,
			[]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0}},
		{"zstd window of terabytes", codecZstd, 1000, []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xff, 1, 0, 0}},
		{"S2 block that says it is 4 GiB", codecS2, 1000, append(giant, bytes.Repeat([]byte{0xfe, 1, 0}, 50)...)},
		{"S2 block of 64 MiB", codecS2, 1000, s2.Encode(nil, zeros)},
		{"S2 block of as much as may be, of almost nothing", codecS2, MaxBatch, s2.Encode(nil, zeros[:MaxBatch+1])},
	}, nil
})

func TestAPayloadThatWantsToBeLargerThanItsHeaderSaysIsRefusedInBoundedMemory(t *testing.T) {
	all, err := bombs()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) {
			var d decompressor
			defer d.close()
			h := blockHeader{codec: b.codec, raw: uint32(b.raw), stored: uint32(len(b.stored))}
			boundAllocation(t, 2*MaxBatch+16<<20, func() {
				if _, err := d.decompress(&h, b.stored); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("got %v", err)
				}
			})
		})
	}
}

// FuzzOpenWithAnyOctetsInEveryFile opens a folder whose files hold anything. Only
// a version that is not known may keep it from being opened, read to its end,
// and written on.
func FuzzOpenWithAnyOctetsInEveryFile(f *testing.F) {
	for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
		fs := newFiles(f, codec)
		id := []byte(hex.EncodeToString(fs.id[:]) + "\n")
		f.Add(fs.older, fs.newer, id, fs.cursor, fs.earlier, uint64(7), true)
		f.Add(fs.older, fs.newer, id, fs.ahead, fs.earlier, uint64(7), true)
		f.Add(fs.older, fs.newer[:len(fs.newer)-9], id, fs.cursor[:7], fs.earlier, uint64(7), true)
		f.Add(fs.older, fs.older, []byte{}, fs.cursor, []byte{}, uint64(1<<64-1), true)
		f.Add(append(bytes.Clone(fs.older), fs.newer...), []byte(segmentMagic), id, []byte{}, []byte{}, uint64(5), false)
		far := cursorState{start: 1, position: 1<<64 - 1}
		f.Add(fs.older, fs.newer, id, far.encode(fs.id), fs.earlier, uint64(7), true)
	}
	f.Fuzz(func(t *testing.T, older, newer, idFile, cursor, earlier []byte, second uint64, mend bool) {
		if mend {
			var id [16]byte
			if _, err := hex.Decode(id[:], idFile[:min(32, len(idFile))]); err == nil {
				for _, seg := range [][]byte{older, newer} {
					mendHeader(seg)
					mendBlocks(seg[min(segmentPrologue, len(seg)):], saltOf(id))
				}
			}
			mendCursor(cursor)
			mendCursor(earlier)
		}
		disk := vfs.NewMem()
		if err := disk.MkdirAll("/log/cursors", 0); err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{
			segmentName(1): older, segmentName(max(second, 2)): newer, idName: idFile,
			"cursors/c" + cursorSuffix: cursor, "cursors/c" + cursorSuffix + prevSuffix: earlier,
		} {
			if err := vfs.WriteFileAtomic(disk, "/log/"+name, data, 0); err != nil {
				t.Fatal(err)
			}
		}
		boundAllocation(t, 256<<20, func() {
			lookAtAll(t, disk)
			openAndUse(t, disk)
			lookAtAll(t, disk)
		})
	})
}

// lookAtAll reads a folder as one that does not own it does.
func lookAtAll(t *testing.T, disk *vfs.Mem) {
	t.Helper()
	v, err := openView(disk, "/log")
	if err != nil {
		return // log.id is damaged, and is mended by Open
	}
	if _, err := v.Status(); err != nil && !errors.Is(err, ErrVersion) {
		t.Fatalf("status: %v", err)
	}
	segs, err := v.Segments()
	if err != nil {
		if !errors.Is(err, ErrVersion) {
			t.Fatalf("segments: %v", err)
		}
		return
	}
	r := v.NewBlockReader()
	defer r.Close()
	for _, s := range segs {
		blocks, err := v.Blocks(nil, s)
		if err != nil && !errors.Is(err, ErrVersion) {
			t.Fatalf("blocks: %v", err)
		}
		for _, b := range blocks {
			if _, err := r.Read(s, b); err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("block: %v", err)
			}
		}
	}
}

func openAndUse(t *testing.T, disk *vfs.Mem) {
	t.Helper()
	l, err := Open(Config{Dir: "/log", FS: disk, MinFree: -1, CursorInterval: time.Hour,
		Checkpoint: func() []byte { return nil }})
	if err != nil {
		if !errors.Is(err, ErrVersion) {
			t.Fatalf("open: %v", err)
		}
		return
	}
	defer l.Close()
	if err := l.Notes(func(Note) error { return nil }); err != nil && !errors.Is(err, ErrVersion) {
		t.Fatalf("notes: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := l.Cursor("c", FromTail)
	if err != nil {
		t.Fatalf("cursor: %v", err)
	}
	head := l.Head()
	if c.Position() > head || c.Position() < l.Tail() {
		t.Fatalf("cursor at %d, not in [%d,%d]", c.Position(), l.Tail(), head)
	}
	r := l.NewReader(1)
	defer r.Close()
	next := uint64(1)
	for r.Position() < head {
		b, err := r.Next(ctx)
		if errors.Is(err, ErrVersion) {
			break
		}
		if err != nil {
			t.Fatalf("read at %d of %d: %v", r.Position(), head, err)
		}
		if b.First != next+b.Missing || b.Next() > head {
			t.Fatalf("block of %d at %d after %d, %d missing, head %d", b.Count, b.First, next, b.Missing, head)
		}
		next = b.Next()
	}
	first := mustAppend(t, l, "onwards")
	if first < head || l.Head() != first+1 {
		t.Fatalf("append at %d, head %d, it was %d", first, l.Head(), head)
	}
	r.Seek(first)
	b, err := r.Next(ctx)
	if err != nil || b.First != first || string(b.Records) != string(run("onwards")) {
		t.Fatalf("read what was appended at %d: %+v, %v", first, b, err)
	}
	if err := c.Commit(l.Head(), Counts{}); err != nil {
		t.Fatal(err)
	}
	if err := c.Sync(); err != nil {
		t.Fatal(err)
	}
}

// countingReader counts the octets that are read from it.
type countingReader struct {
	*bytes.Reader
	octets int64
}

func (r *countingReader) ReadAt(b []byte, off int64) (int, error) {
	n, err := r.Reader.ReadAt(b, off)
	r.octets += int64(n)
	return n, err
}

func TestOctetsFullOfMagicsAreReadOnce(t *testing.T) {
	b := bytes.Repeat([]byte(blockMagic), 1<<20/len(blockMagic))
	r := &countingReader{Reader: bytes.NewReader(b)}
	sc := &scanner{r: r}
	if to, err := sc.resync(1, int64(len(b)), 1, 9); err != nil || to != int64(len(b)) {
		t.Fatalf("found a block at %d, %v", to, err)
	}
	if r.octets > 2*int64(len(b)) {
		t.Fatalf("%d octets read to search %d", r.octets, len(b))
	}
}

func FuzzIndexOfAnyOctets(f *testing.F) {
	key := indexKey{first: 1, size: 4 << 10}
	x := &indexBuilder{summarize: func(dst, _ []byte) []byte { return append(dst, "skip"...) }}
	off := int64(segmentPrologue)
	for i := range uint64(3) {
		h := blockHeader{stored: 50, raw: 100, count: 2, first: 1 + 2*i}
		x.add(off, &h, nil)
		off += h.size()
	}
	f.Add(x.encode(key), true)
	f.Add(x.encode(key)[:indexHeaderSize], true)
	for _, octets := range []uint32{0, 1<<32 - 1} { // of the second block
		b := x.encode(key)
		binary.LittleEndian.PutUint32(b[indexHeaderSize+indexEntrySize+40:], octets)
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, mend bool) {
		if mend && len(b) >= indexHeaderSize {
			le := binary.LittleEndian
			if n := int64(le.Uint32(b[12:])) * indexEntrySize; n <= int64(len(b)-indexHeaderSize) {
				le.PutUint32(b[56:], checksum(b[indexHeaderSize:indexHeaderSize+n]))
			}
			le.PutUint32(b[76:], checksum(b[:76]))
		}
		disk := vfs.NewMem()
		s := Segment{First: key.first, Size: key.size, Sealed: true, header: segmentPrologue, path: "/" + segmentName(1)}
		if err := errors.Join(vfs.WriteFileAtomic(disk, indexPath(s.path), b, 0),
			vfs.WriteFileAtomic(disk, s.path, make([]byte, key.size), 0)); err != nil {
			t.Fatal(err)
		}
		v := &View{fsys: disk}
		boundAllocation(t, 64<<20, func() {
			blocks, ok := v.blocksFromIndex(nil, s)
			if !ok {
				return
			}
			if err := v.FillSkip(s, blocks); err != nil {
				t.Fatal(err)
			}
			r := v.NewBlockReader()
			defer r.Close()
			for _, info := range blocks {
				if info.offset < segmentPrologue || info.offset+info.Octets > s.Size {
					t.Fatalf("block of %d octets at offset %d of %d", info.Octets, info.offset, s.Size)
				}
				if _, err := r.Read(s, info); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("got %v", err)
				}
			}
		})
	})
}
