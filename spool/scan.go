package spool

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// readFull is ReadAt of all of b; a short read is io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// isShort tells that a file ends before what was to be read.
func isShort(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }

// scanner reads the blocks of one segment file through a window, so that many
// small blocks cost one read. Errors other than ErrCorrupt and ErrVersion are
// those of the file.
type scanner struct {
	r    io.ReaderAt
	salt uint32
	buf  []byte // octets of the file
	off  int64  // of buf[0]
	// salvage reads page by page and takes what cannot be read as zeros.
	salvage bool
	// unread tells that this has happened: zeros say nothing of what was written.
	unread bool
}

func (s *scanner) reset(r io.ReaderAt) {
	s.r, s.buf, s.off, s.salvage, s.unread = r, s.buf[:0], 0, false, false
}

// bytes returns n octets at off, valid until the next call. limit is the end of
// what may be read ahead; off+n is at most limit.
func (s *scanner) bytes(off int64, n int, limit int64) ([]byte, error) {
	if i := off - s.off; i >= 0 && i+int64(n) <= int64(len(s.buf)) {
		return s.buf[i : i+int64(n) : i+int64(n)], nil
	}
	size := int(min(max(int64(n), readWindow), limit-off))
	if cap(s.buf) < size {
		s.buf = make([]byte, max(size, readWindow))
	}
	s.buf, s.off = s.buf[:size], off
	err := readFull(s.r, s.buf, off)
	if err != nil && s.salvage && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = s.readPages()
	}
	if err != nil {
		s.buf = s.buf[:0]
		return nil, err
	}
	return s.buf[:n:n], nil
}

// readPages fills the window with what can be read of it.
func (s *scanner) readPages() error {
	const page = 4096
	for i := 0; i < len(s.buf); i += page {
		part := s.buf[i:min(i+page, len(s.buf))]
		if err := readFull(s.r, part, s.off+int64(i)); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			clear(part)
			s.unread = true
		}
	}
	return nil
}

// header reads the header of the block at off. ErrCorrupt also where the block
// would reach beyond limit.
func (s *scanner) header(off, limit int64) (h blockHeader, err error) {
	if off+blockHeaderSize > limit {
		return h, ErrCorrupt
	}
	b, err := s.bytes(off, blockHeaderSize, limit)
	if err != nil {
		return h, err
	}
	if err := h.decode(b, s.salt); err != nil {
		return h, err
	}
	if off+h.size() > limit {
		return h, ErrCorrupt
	}
	return h, nil
}

// body reads and verifies what follows a header: the payload as stored, and the
// notes.
func (s *scanner) body(off int64, h *blockHeader, limit int64) (stored, notes []byte, err error) {
	b, err := s.bytes(off+blockHeaderSize, int(h.size()-blockHeaderSize), limit)
	if err != nil {
		return nil, nil, err
	}
	if crc32.Update(s.salt, castagnoli, b) != h.body {
		return nil, nil, ErrCorrupt
	}
	return b[:h.stored:h.stored], b[h.stored:], nil
}

// resync finds the next block at or after off, whose first position is in
// [minFirst, maxFirst). It returns limit where there is none.
func (s *scanner) resync(off, limit int64, minFirst, maxFirst uint64) (int64, error) {
	for off+blockHeaderSize <= limit {
		n := int(min(readWindow, limit-off))
		// What the window still holds comes first: octets full of magics would
		// otherwise be read anew for each of them.
		if have := s.off + int64(len(s.buf)) - off; off >= s.off && have >= blockHeaderSize {
			n = int(min(have, limit-off))
		}
		b, err := s.bytes(off, n, limit)
		if err != nil {
			return limit, err
		}
		i := bytes.Index(b, []byte(blockMagic))
		if i < 0 {
			// A magic may lie across the end of the window.
			off += int64(n - len(blockMagic) + 1)
			continue
		}
		off += int64(i)
		h, err := s.header(off, limit)
		if err == nil && h.first >= minFirst && h.first < maxFirst {
			return off, nil
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			return limit, err
		}
		off++
	}
	return limit, nil
}

// stretch is a part of a segment that holds no readable block.
type stretch struct {
	from, to int64
	missing  uint64 // records lost with it
}

// visitor is what walk calls for each block, with its notes. A nil
// visitor is allowed.
type visitor func(off int64, h *blockHeader, notes []byte) error

// walk reads a segment of which nothing is known from start to end: every block
// is verified. It returns the offset after the last block, the position after
// it, and the damaged stretches between blocks. What follows end is a torn tail,
// or damage at the very end, which looks the same.
//
// A block whose header is whole and whose body is not counts as a damaged
// stretch also at the end of the file: its positions may have been given out, and
// are not used again. The exception is a body that ends in zeros with the
// file, which is how file systems leave what was never written out, and not how
// salvage leaves what it could not read.
func (s *scanner) walk(start, size int64, first uint64, visit visitor) (end int64, next uint64, bad []stretch, err error) {
	const noBound = ^uint64(0)
	end, next = start, first
	off := start
	for off < size {
		h, err := s.header(off, size)
		if err == nil && h.first < next {
			err = ErrCorrupt
		}
		if err == nil {
			var notes []byte
			if _, notes, err = s.body(off, &h, size); err == nil {
				if h.first > next && len(bad) > 0 {
					// Known only now: what the stretch before held.
					if b := &bad[len(bad)-1]; b.to == off && b.missing == 0 {
						b.missing = h.first - next
					}
				}
				if visit != nil {
					if err := visit(off, &h, notes); err != nil {
						return end, next, bad, err
					}
				}
				off += h.size()
				end, next = off, h.next()
				continue
			}
			if errors.Is(err, ErrCorrupt) {
				if off+h.size() == size && s.endsInZeros(size) && !s.unread {
					break
				}
				bad = append(bad, stretch{off, off + h.size(), uint64(h.count)})
				off += h.size()
				end, next = off, h.next()
				continue
			}
		}
		if !errors.Is(err, ErrCorrupt) {
			return end, next, bad, fmt.Errorf("at offset %d: %w", off, err)
		}
		to, err := s.resync(off+1, size, next, noBound)
		if err != nil {
			return end, next, bad, fmt.Errorf("at offset %d: %w", off, err)
		}
		if to == size {
			break
		}
		bad = append(bad, stretch{off, to, 0})
		off = to
	}
	return end, next, bad, nil
}

// endsInZeros reports whether the last sector of the file is all zeros.
func (s *scanner) endsInZeros(size int64) bool {
	const sector = 512
	if size < sector {
		return false
	}
	b, err := s.bytes(size-sector, sector, size)
	return err == nil && len(bytes.TrimLeft(b, "\x00")) == 0
}
