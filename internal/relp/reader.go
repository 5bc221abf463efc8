package relp

import (
	"io"
)

// Frame is one frame as a Reader found it.
type Frame struct {
	Txnr uint32
	// Command and Data alias the Reader's buffer: they are valid until its next Fill.
	Command, Data []byte
	// Cut is how many octets at the end of the data were over the limit and
	// thrown away; 0 for a frame that is whole.
	Cut int
}

// Limit tells how many octets of data a Reader keeps for a frame with this
// command, and whether a longer frame is cut there (true) or is an error (false).
type Limit func(command []byte) (octets int, cut bool)

// Reader finds the frames in a stream of octets. It never reads by itself: Next
// takes frames out of the buffer until there is no whole one, then Fill makes one
// read. So a caller knows when it has seen all that has arrived.
//
// The buffer grows to what a frame within the limit needs, and only as octets
// really arrive: a length that a peer merely claims allocates nothing.
type Reader struct {
	// Frugal, where it is set, tells whether the buffer is to be no larger than the frame
	// in it needs, though larger ones make for fewer reads.
	Frugal func() bool

	limit Limit
	buf   []byte
	r, w  int // the octets in the buffer are buf[r:w]
	// cut counts the octets already thrown away of the frame at r.
	cut int
	// full is set when the last read filled all the room it was given.
	full bool
}

const (
	minBuffer = 16 << 10
	// maxIdleBuffer is what the buffer grows to for the sake of fewer reads, and
	// what it keeps when it is empty.
	maxIdleBuffer = 256 << 10
)

// NewReader returns a Reader that holds frames to limit.
func NewReader(limit Limit) *Reader { return &Reader{limit: limit} }

// Fill reads once from src. It returns what src returned; octets that came with
// an error are in the buffer.
func (r *Reader) Fill(src io.Reader) (int, error) {
	r.makeRoom()
	n, err := src.Read(r.buf[r.w:])
	r.w += n
	r.full = r.w == len(r.buf)
	return n, err
}

// makeRoom sees to it that there is a fair part of the buffer to read into.
func (r *Reader) makeRoom() {
	held := r.w - r.r
	size, most := max(len(r.buf), minBuffer), maxIdleBuffer
	if r.Frugal != nil && r.Frugal() {
		most = minBuffer
	}
	if held == 0 {
		r.r, r.w = 0, 0
		if size > most {
			r.buf, size = nil, most
		}
	}
	if (r.full && size < most) || size-held < size/4 {
		size *= 2
	}
	if size > len(r.buf) {
		grown := make([]byte, size)
		copy(grown, r.buf[r.r:r.w])
		r.buf = grown
	} else if r.r > 0 {
		copy(r.buf, r.buf[r.r:r.w])
	}
	r.r, r.w, r.full = 0, held, false
}

// Size returns the octets that the buffer takes.
func (r *Reader) Size() int { return len(r.buf) }

// Buffered returns the number of octets that are not yet part of a frame that
// Next returned.
func (r *Reader) Buffered() int { return r.w - r.r + r.cut }

// Next takes the next frame out of the buffer. ok is false where there is no
// whole one; then Fill. An error is a FrameError, and final.
func (r *Reader) Next() (f Frame, ok bool, err error) {
	b := r.buf[r.r:r.w]
	h, n, err := parseHeader(b)
	if n == 0 || err != nil {
		return f, false, err
	}
	keep, mayCut := r.limit(h.command)
	if h.dataLen <= keep {
		keep = h.dataLen
	} else if !mayCut {
		return f, false, ErrOversize
	}
	if over := h.dataLen - keep - r.cut; over > 0 && len(b) > n+keep {
		drop := min(over, len(b)-n-keep)
		copy(b[n+keep:], b[n+keep+drop:])
		r.w -= drop
		r.cut += drop
		b = b[:len(b)-drop]
	}
	if len(b) <= n+keep || h.dataLen > keep+r.cut {
		return f, false, nil
	}
	if b[n+keep] != '\n' {
		return f, false, ErrTrailer
	}
	f = Frame{Txnr: h.txnr, Command: h.command, Data: b[n : n+keep : n+keep], Cut: r.cut}
	r.r += n + keep + 1
	r.cut = 0
	return f, true, nil
}
