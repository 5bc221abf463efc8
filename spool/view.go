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
	"sync"

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

	mu      sync.Mutex
	headers map[uint64]segmentHeader // of the segments seen, by first position
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

func openView(fsys vfs.FS, dir string) (*View, error) {
	v := &View{fsys: fsys, dir: dir, headers: make(map[uint64]segmentHeader)}
	text, err := vfs.ReadFile(fsys, filepath.Join(dir, idName), 1<<10)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no log: %w", err)
		}
		return nil, err
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
	return &View{
		fsys: l.cfg.FS, dir: l.cfg.Dir, id: l.id, salt: l.salt, live: l,
		headers: make(map[uint64]segmentHeader),
	}
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
			First: s.first, Size: s.end, Created: s.created, Sealed: s.sealed,
			header: s.headerLen, path: s.path,
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
	v.mu.Lock()
	h, known := v.headers[first]
	v.mu.Unlock()
	if !known {
		h, err = readSegmentHeader(f, false)
		if errors.Is(err, ErrCorrupt) {
			return s, true, nil // or being started: it has no blocks then
		}
		if err != nil {
			return s, false, fmt.Errorf("%s: %w", path, err)
		}
		v.mu.Lock()
		v.headers[first] = h
		v.mu.Unlock()
	}
	s.Created = h.created
	s.header = h.length
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

	offset int64
}

// Blocks appends the blocks of a segment to dst, oldest first. It reads only
// their headers. Damaged stretches are passed over, and so is what is just
// being written at the end of the newest segment.
func (v *View) Blocks(dst []BlockInfo, s Segment) ([]BlockInfo, error) {
	f, err := v.fsys.Open(s.path)
	if err != nil {
		return dst, err
	}
	defer f.Close()
	sc := &headerScanner{r: f, salt: v.salt}
	err = sc.each(s.header, s.Size, s.First, s.Next, func(off int64, h *blockHeader) error {
		dst = append(dst, BlockInfo{
			First: h.first, Count: int(h.count), MinTime: h.minTime, MaxTime: h.maxTime,
			Appended: h.appended, Raw: int(h.raw), Octets: h.size(), offset: off,
		})
		return nil
	})
	if err != nil {
		return dst, fmt.Errorf("list blocks of %s: %w", s.path, err)
	}
	return dst, nil
}

// BlockReader reads single blocks of a view. It is for one goroutine.
type BlockReader struct {
	v    *View
	path string
	file vfs.File
	sc   scanner
	dec  decompressor
}

// NewBlockReader returns a reader of single blocks. It is closed by its user.
func (v *View) NewBlockReader() *BlockReader {
	return &BlockReader{v: v, sc: scanner{salt: v.salt}}
}

// Read reads a block that Blocks listed. Its records are valid until the next
// call. ErrCorrupt where it is damaged.
func (r *BlockReader) Read(s Segment, info BlockInfo) (Block, error) {
	if r.path != s.path || r.file == nil {
		if err := r.Close(); err != nil {
			return Block{}, err
		}
		f, err := r.v.fsys.Open(s.path)
		if err != nil {
			return Block{}, err
		}
		r.path, r.file = s.path, f
		r.sc.reset(f)
	}
	b, err := r.read(info)
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

// Close closes the file that the reader has open. It may be used on.
func (r *BlockReader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}
