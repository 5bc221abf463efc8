package spool

import (
	"errors"
	"io"
)

// headerScanner hops over the blocks of a segment from header to header. It reads
// a whole window only where blocks are small.
type headerScanner struct {
	r    io.ReaderAt
	salt uint32
	sc   scanner
	buf  [blockHeaderSize]byte
}

// each calls visit for each block between two offsets with positions in
// [first, bound). Damaged stretches are passed over.
func (s *headerScanner) each(off, limit int64, first, bound uint64, visit func(off int64, h *blockHeader) error) error {
	s.sc.salt = s.salt
	s.sc.reset(s.r)
	small := false
	for off+blockHeaderSize <= limit {
		var h blockHeader
		var err error
		if small {
			h, err = s.sc.header(off, limit)
		} else if err = readFull(s.r, s.buf[:], off); err == nil {
			if err = h.decode(s.buf[:], s.salt); err == nil && off+h.size() > limit {
				err = ErrCorrupt
			}
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil // cut off since it was listed
		}
		if errors.Is(err, ErrCorrupt) {
			off, err = s.sc.resync(off+1, limit, first, bound)
			if err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if h.first >= bound {
			return nil
		}
		if err := visit(off, &h); err != nil {
			return err
		}
		off += h.size()
		small = h.size() < readWindow/16
	}
	return nil
}
