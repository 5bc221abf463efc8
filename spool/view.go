package spool

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/syslane/syslane/internal/vfs"
)

// View reads a log by segments and blocks, newest first, for search and for
// status. It changes nothing. Its methods may be used from many goroutines at
// once.
//
// Segments may be deleted while it looks: what has gone is an error that
// satisfies fs.ErrNotExist, and the caller passes over it.
type View struct {
	fsys vfs.FS
	dir  string
	id   [16]byte
	salt uint32
	live *Log // nil beside a running process

}

// OpenReadOnly looks at a folder, also while another process writes to it. It
// takes no lock. The newest records seen so may be some that are written but
// not yet synced.
func OpenReadOnly(dir string) (*View, error) {
	v, err := openView(vfs.OS, dir)
	if err != nil {
		return nil, fmt.Errorf("look at log %s: %w", dir, err)
	}
	return v, nil
}

// IsLog reports whether a folder holds a log: its identity, or a segment. Open makes a
// log of any other folder.
func IsLog(dir string) (bool, error) {
	names, err := vfs.OS.List(dir)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(names, func(name string) bool {
		_, segment := parseSegmentName(name)
		return segment || name == idName
	}), nil
}

func openView(fsys vfs.FS, dir string) (*View, error) {
	v := &View{fsys: fsys, dir: dir}
	text, err := vfs.ReadFile(fsys, filepath.Join(dir, idName), 1<<10)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no log: %w", err)
		}
		if !errors.Is(err, vfs.ErrTooLarge) {
			return nil, err
		}
	}
	id, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(id) != len(v.id) {
		return nil, fmt.Errorf("%s: %w; it is mended when the log is next opened for writing", idName, ErrCorrupt)
	}
	copy(v.id[:], id)
	v.salt = saltOf(v.id)
	return v, nil
}

// View returns a view of an open log. It shows what readers may see.
func (l *Log) View() *View {
	return &View{fsys: l.cfg.FS, dir: l.cfg.Dir, id: l.id, salt: l.salt, live: l}
}

// ID returns the identity of the log.
func (v *View) ID() [16]byte { return v.id }

// Segment is one file of the log, as it was when it was listed.
type Segment struct {
	// First is the position of its first record; Next that of the first of the
	// segment after it, and for the newest math.MaxUint64.
	First, Next uint64
	// Size is its octets.
	Size int64
	// Created is when it was started, in nanoseconds since 1970; 0 where its
	// header is damaged. Every record in it was appended at or after.
	Created int64
	// Sealed says that nothing is added to it.
	Sealed bool
	// Rewritten is when it was written anew with larger blocks, in nanoseconds
	// since 1970; 0 where it was not. Blocks of another state of a segment can
	// still be read.
	Rewritten int64
	// Indexed says that it has an index beside it, with the skip data of its blocks.
	Indexed bool

	header int64 // octets of the header, 0 where it is damaged
	path   string
}

// Segments lists the segments, newest first.
func (v *View) Segments() ([]Segment, error) {
	var list []Segment
	var err error
	if v.live != nil {
		list = v.live.listSegments()
	} else if list, err = v.scanFolder(); err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	slices.Reverse(list)
	next := uint64(math.MaxUint64)
	for i := range list {
		list[i].Next, next = next, list[i].First
	}
	return list, nil
}

func (l *Log) listSegments() []Segment {
	l.mu.RLock()
	defer l.mu.RUnlock()
	list := make([]Segment, 0, len(l.segments))
	for _, s := range l.segments {
		list = append(list, Segment{
			First: s.first, Size: s.end, Created: s.created, Sealed: s.sealed, Rewritten: s.rewritten,
			Indexed: s.index > 0, header: s.headerLen, path: s.path,
		})
	}
	return list
}

// scanFolder lists the segments of the folder, oldest first.
func (v *View) scanFolder() ([]Segment, error) {
	names, err := v.fsys.List(v.dir)
	if err != nil {
		return nil, err
	}
	var list []Segment
	for _, name := range names {
		first, ok := parseSegmentName(name)
		if !ok {
			continue
		}
		s, ok, err := v.statSegment(filepath.Join(v.dir, name), first)
		if err != nil {
			return nil, err
		}
		if ok {
			_, s.Indexed = slices.BinarySearch(names, filepath.Base(indexPath(s.path)))
			list = append(list, s)
		}
	}
	for i := range len(list) - 1 {
		list[i].Sealed = true
	}
	return list, nil
}

// statSegment describes a segment file. false: it is not one of this log, or gone.
func (v *View) statSegment(path string, first uint64) (s Segment, ok bool, err error) {
	f, err := v.fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	defer f.Close()
	s = Segment{First: first, path: path}
	if s.Size, err = f.Size(); err != nil {
		return s, false, err
	}
	h, err := readSegmentHeader(f, false)
	if errors.Is(err, ErrCorrupt) {
		return s, true, nil // or being started: it has no blocks then
	}
	if err != nil {
		return s, false, fmt.Errorf("%s: %w", path, err)
	}
	s.Created, s.Rewritten, s.header = h.created, h.rewritten, h.length
	return s, h.id == v.id && h.first == first, nil
}

// BlockInfo describes a block without its records.
type BlockInfo struct {
	// First is the position of its first record, Count their number.
	First uint64
	Count int
	// MinTime and MaxTime bound the times of the records, Appended is when they
	// were written. Nanoseconds since 1970.
	MinTime, MaxTime, Appended int64
	// Raw is the octets of its records.
	Raw int
	// Octets is its size on disk.
	Octets int64
	// Skip is what Config.Summarize made of its records, set by View.FillSkip.
	// nil: there is none, and the block has to be read.
	Skip []byte

	offset int64
	skip   skipPlace
}

func infoOf(off int64, h *blockHeader) BlockInfo {
	return BlockInfo{
		First: h.first, Count: int(h.count), MinTime: h.minTime, MaxTime: h.maxTime,
		Appended: h.appended, Raw: int(h.raw), Octets: h.size(), offset: off,
	}
}

// Blocks appends the blocks of a segment to dst, oldest first. It reads its index
// where it has one, else only the headers of the blocks. Damaged stretches are
// passed over, and so is what is just being written at the end of the newest
// segment. Where the segment has been rewritten since it was listed, the blocks
// are those that it has now.
func (v *View) Blocks(dst []BlockInfo, s Segment) ([]BlockInfo, error) {
	if dst, ok := v.blocksFromIndex(dst, s); ok {
		return dst, nil
	}
	f, now, err := v.openSegment(s)
	if err != nil {
		return dst, err
	}
	defer f.Close()
	if dst, err = v.scanBlocks(dst, f, now); err != nil {
		return dst, fmt.Errorf("list blocks of %s: %w", s.path, err)
	}
	return dst, nil
}

// openSegment opens the file of a segment. Where it is not the one that was
// listed, now describes the one that is there.
func (v *View) openSegment(s Segment) (f vfs.File, now Segment, err error) {
	if f, err = v.fsys.Open(s.path); err != nil {
		return nil, s, err
	}
	h, err := readSegmentHeader(f, false)
	if err == nil && h.rewritten != s.Rewritten && h.id == v.id && h.first == s.First {
		s.Rewritten, s.header = h.rewritten, h.length
		s.Size, err = f.Size()
	} else if errors.Is(err, ErrCorrupt) || isShort(err) {
		err = nil // the blocks may be there all the same
	}
	if err != nil {
		f.Close()
		return nil, s, err
	}
	return f, s, nil
}

// scanBlocks lists blocks by their headers.
func (v *View) scanBlocks(dst []BlockInfo, f vfs.File, s Segment) ([]BlockInfo, error) {
	sc := &headerScanner{r: f, salt: v.salt}
	err := sc.each(s.header, s.Size, s.First, s.Next, func(off int64, h *blockHeader) error {
		dst = append(dst, infoOf(off, h))
		return nil
	})
	return dst, err
}

// BlockReader reads single blocks of a view. It is for one goroutine.
type BlockReader struct {
	v      *View
	asked  Segment // whose file is open
	now    Segment // what that file is
	blocks []BlockInfo
	file   vfs.File
	sc     scanner
	dec    decompressor
}

// NewBlockReader returns a reader of single blocks. It is closed by its user.
func (v *View) NewBlockReader() *BlockReader {
	return &BlockReader{v: v, sc: scanner{salt: v.salt}}
}

// Read reads a block that Blocks listed. Its records are valid until the next
// call. ErrCorrupt where it is damaged.
func (r *BlockReader) Read(s Segment, info BlockInfo) (Block, error) {
	if r.file == nil || r.asked.path != s.path || r.asked.Rewritten != s.Rewritten {
		if err := r.Close(); err != nil {
			return Block{}, err
		}
		f, now, err := r.v.openSegment(s)
		if err != nil {
			return Block{}, err
		}
		r.asked, r.now, r.file, r.blocks = s, now, f, r.blocks[:0]
		r.sc.reset(f)
	}
	read := r.read
	if r.now.Rewritten != s.Rewritten {
		read = r.readMerged
	}
	b, err := read(info)
	if err != nil {
		return b, fmt.Errorf("read block at offset %d of %s: %w", info.offset, s.path, err)
	}
	return b, nil
}

func (r *BlockReader) read(info BlockInfo) (Block, error) {
	// Newest first means that what follows has been read already: nothing is
	// read ahead.
	limit := info.offset + info.Octets
	if i := info.offset - r.sc.off; i < 0 || limit-r.sc.off > int64(len(r.sc.buf)) {
		if _, err := r.sc.bytes(info.offset, int(info.Octets), limit); err != nil {
			return Block{}, err
		}
	}
	h, err := r.sc.header(info.offset, limit)
	if err == nil && (h.first != info.First || int(h.count) != info.Count) {
		err = ErrCorrupt
	}
	if err != nil {
		return Block{}, err
	}
	payload, _, err := r.sc.body(info.offset, &h, limit)
	if err != nil {
		return Block{}, err
	}
	if payload, err = r.dec.decompress(&h, payload); err != nil {
		return Block{}, err
	}
	return Block{
		First: h.first, Count: int(h.count), Records: payload,
		MinTime: h.minTime, MaxTime: h.maxTime, Appended: h.appended,
	}, nil
}

// readMerged reads the records of a block that has been merged into a larger one.
func (r *BlockReader) readMerged(info BlockInfo) (Block, error) {
	if len(r.blocks) == 0 {
		var err error
		if r.blocks, err = r.v.scanBlocks(r.blocks, r.file, r.now); err != nil {
			return Block{}, err
		}
	}
	end := info.First + uint64(info.Count)
	i, _ := slices.BinarySearchFunc(r.blocks, info.First, func(b BlockInfo, first uint64) int {
		if b.First+uint64(b.Count) <= first {
			return -1
		}
		return 1
	})
	if i == len(r.blocks) || r.blocks[i].First > info.First || r.blocks[i].First+uint64(r.blocks[i].Count) < end {
		return Block{}, ErrCorrupt
	}
	b, err := r.read(r.blocks[i])
	if err != nil {
		return b, err
	}
	b.Records = skipRecords(b.Records, info.First-b.First)
	rest := skipRecords(b.Records, uint64(info.Count))
	b.Records = b.Records[:len(b.Records)-len(rest)]
	b.First, b.Count, b.MinTime, b.MaxTime = info.First, info.Count, info.MinTime, info.MaxTime
	return b, nil
}

// Close closes the file that the reader has open. It may be used on.
func (r *BlockReader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
