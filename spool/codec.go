package spool

import (
	"fmt"
	"runtime"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Codec is how payloads are compressed.
type Codec string

// The codecs. A block that does not shrink is stored as it is.
const (
	// CodecAuto, the default, is CodecNone for bursts in a log whose full segments are
	// rewritten anyway (Config.Recompress), and CodecS2 otherwise: where the disk is
	// slower than what is appended, where much waits to be rewritten, and where space
	// is scarce.
	CodecAuto Codec = "auto"
	// CodecS2 costs about a quarter of a CPU-second per million
	// records of 300 octets and stores logs in a fifth to a third of their size.
	CodecS2 Codec = "s2"
	// CodecZstd costs about three times that for three fifths of the size.
	CodecZstd Codec = "zstd"
	// CodecNone stores payloads as they are.
	CodecNone Codec = "none"
)

// codecID is a codec as it stands in a block header (wire format).
type codecID uint8

const (
	codecNone codecID = iota
	codecS2
	codecZstd
	codecCount = iota
)

func (c Codec) id() (codecID, error) {
	switch c {
	case CodecNone:
		return codecNone, nil
	case CodecS2, CodecAuto, "":
		return codecS2, nil
	case CodecZstd:
		return codecZstd, nil
	}
	return 0, fmt.Errorf("codec %q is not one of %q, %q, %q, %q", c, CodecAuto, CodecNone, CodecS2, CodecZstd)
}

// name returns the codec that a block has.
func (id codecID) name() Codec {
	return [codecCount]Codec{CodecNone, CodecS2, CodecZstd}[id]
}

// compressor compresses blocks; any number of goroutines may use it at once.
type compressor struct {
	codec codecID
	zstd  *zstd.Encoder
}

func newCompressor(codec codecID) (*compressor, error) {
	c := &compressor{codec: codec}
	if codec != codecZstd {
		return c, nil
	}
	var err error
	c.zstd, err = zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderCRC(false), // the block has its own
		zstd.WithEncoderConcurrency(runtime.GOMAXPROCS(0)),
		zstd.WithWindowSize(1<<20))
	return c, err
}

// newRecompressor returns the compressor of full segments. Of logs of sshd it makes
// a tenth at 480 MB a CPU-second, where S2 makes a fifth and Default is no better
// than Fastest; BestCompression would save another tenth for four times the work
// and tens of MiB of memory.
func newRecompressor() (*compressor, error) {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedBetterCompression),
		zstd.WithEncoderCRC(false),
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(mergedBlock))
	return &compressor{codec: codecZstd, zstd: enc}, err
}

// close frees what c holds.
func (c *compressor) close() {
	if c.zstd != nil {
		c.zstd.Close()
	}
}

// compress appends raw compressed to dst. It returns codecNone and dst as it was
// where that would not save anything worth the decompression.
func (c *compressor) compress(dst, raw []byte) ([]byte, codecID) {
	mark := len(dst)
	switch c.codec {
	case codecS2:
		if n := s2.MaxEncodedLen(len(raw)); n > 0 {
			dst = grow(dst, n)
			dst = dst[:mark+len(s2.Encode(dst[mark:cap(dst)], raw))]
		}
	case codecZstd:
		dst = c.zstd.EncodeAll(raw, dst)
	}
	if n := len(dst) - mark; n == 0 || n >= len(raw)-len(raw)/16 {
		return dst[:mark], codecNone
	}
	return dst, c.codec
}

// grow makes room for n more octets in b.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	bigger := make([]byte, len(b), len(b)+n)
	copy(bigger, b)
	return bigger
}

// decompressor decompresses blocks; one goroutine at a time.
type decompressor struct {
	zstd *zstd.Decoder
	buf  []byte
}

// decompress returns the payload of a block whose checksum has been verified. It
// is valid until the next call, and where the codec is none it is stored itself.
func (d *decompressor) decompress(h *blockHeader, stored []byte) ([]byte, error) {
	if h.codec == codecNone {
		return stored, nil
	}
	if cap(d.buf) < int(h.raw) {
		d.buf = make([]byte, 0, max(int(h.raw), DefaultBlockSize))
	}
	var out []byte
	var err error
	switch h.codec {
	case codecS2:
		var n int
		if n, err = s2.DecodedLen(stored); err == nil && n == int(h.raw) {
			out, err = s2.Decode(d.buf[:n], stored)
		}
	case codecZstd:
		if d.zstd == nil {
			d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1),
				zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(MaxBatch),
				zstd.WithDecodeAllCapLimit(true))
		}
		if err == nil {
			out, err = d.zstd.DecodeAll(stored, d.buf[:0:h.raw])
		}
	}
	if err == nil && len(out) != int(h.raw) {
		err = fmt.Errorf("%d octets decompressed, %d expected", len(out), h.raw)
	}
	if err != nil {
		return nil, fmt.Errorf("decompress block: %w: %w", ErrCorrupt, err)
	}
	return out, nil
}

func (d *decompressor) close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
}
