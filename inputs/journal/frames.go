package journal

import (
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

// frames passes a stream of Zstandard (RFC 8878 §3.1.1) on to its decoder, and has enter
// agree to the window of each frame before: so much memory the decoder takes for the frame,
// however few octets there are of it.
type frames struct {
	src   io.Reader
	enter func(window uint64) error
	// passed is how many octets were passed on.
	passed int64

	at       position
	header   []byte // what has come of the header of a frame or block
	skip     uint64 // octets until the next header
	checksum bool   // the frame ends with one
}

// position is what comes in a stream of frames.
type position uint8

const (
	frameHeader position = iota
	blockHeader
	lost // this is no Zstandard: the decoder says so
)

func (f *frames) Read(p []byte) (int, error) {
	n, err := f.src.Read(p)
	f.passed += int64(n)
	if entering := f.follow(p[:n]); entering != nil {
		return 0, entering
	}
	return n, err
}

// follow goes along b.
func (f *frames) follow(b []byte) error {
	for len(b) > 0 && f.at != lost {
		if f.skip > 0 {
			n := min(f.skip, uint64(len(b)))
			f.skip -= n
			b = b[n:]
			continue
		}
		f.header = append(f.header, b[0])
		b = b[1:]
		if f.at == blockHeader {
			f.block()
		} else if err := f.frame(); err != nil {
			return err
		}
	}
	return nil
}

// frame looks whether the header of a frame is whole.
func (f *frames) frame() error {
	var h zstd.Header
	err := h.Decode(f.header)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	case err != nil:
		f.at = lost
		return nil
	}
	f.header = f.header[:0]
	if h.Skippable {
		f.skip = uint64(h.SkippableSize)
		return nil
	}
	f.at, f.checksum = blockHeader, h.HasCheckSum
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	return f.enter(window)
}

// block looks whether the header of a block is whole (RFC 8878 §3.1.1.2).
func (f *frames) block() {
	if len(f.header) < 3 {
		return
	}
	h := uint32(f.header[0]) | uint32(f.header[1])<<8 | uint32(f.header[2])<<16
	f.header = f.header[:0]
	switch kind := h >> 1 & 3; kind {
	case 0, 2: // as it is, and compressed
		f.skip = uint64(h >> 3)
	case 1: // one octet, repeated
		f.skip = 1
	default:
		f.at = lost
		return
	}
	if last := h&1 != 0; last {
		f.at = frameHeader
		if f.checksum {
			f.skip += 4
		}
	}
}
