package tcp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zlib"

	"github.com/syslane/syslane/internal/receive"
)

// Compression says how the stream of a connection is compressed, framing and all.
type Compression uint8

const (
	// CompressionNone is a stream as it is.
	CompressionNone Compression = iota
	// CompressionZlib is a zlib stream (RFC 1950) over the whole connection, as
	// rsyslog's omfwd sends it with compression.mode="stream:always". It is
	// decompressed piece by piece into the connection's buffer, however much comes
	// out of it, and held back like any other while the Sink takes nothing.
	CompressionZlib
)

// ParseCompression reads the name of a compression: "none" or "", or "zlib".
func ParseCompression(s string) (Compression, error) {
	switch s {
	case "", "none":
		return CompressionNone, nil
	case "zlib":
		return CompressionZlib, nil
	}
	return 0, fmt.Errorf("compression %q: want \"none\" or \"zlib\"", s)
}

// errCompression is in the error for a stream that cannot be decompressed.
var errCompression = errors.New("stream cannot be decompressed")

const (
	// aheadSize is how much compressed data is read ahead.
	aheadSize = 32 << 10
	// windowSize is how much comes out of DEFLATE at once.
	windowSize = 32 << 10
)

// flushMark ends what a sender has flushed: an empty stored block of DEFLATE.
var flushMark = []byte{0, 0, 0xff, 0xff}

// inflater decompresses a connection. A reader of DEFLATE cannot be used again
// after an error, a time-out included, so there are two ways to wait: for the
// next octets between two flushes, where a time-out changes nothing, and within
// a block, where deadlines are put off (patient).
type inflater struct {
	conn  *patient
	ahead *bufio.Reader
	z     io.ReadCloser
	begun bool // within a zlib stream
	out   []byte
	err   error // follows out
	stage [windowSize]byte
}

func newInflater(ctx context.Context, c *receive.Conn, idle time.Duration) *inflater {
	p := &patient{ctx: ctx, conn: c, idle: idle}
	return &inflater{conn: p, ahead: bufio.NewReaderSize(p, aheadSize)}
}

// ReadBorrowed waits for octets and returns them with whatever else has arrived
// and was flushed by the sender, in what borrow returns; it calls giveBack before it
// waits. After an error other than a time-out nothing more can be read; a time-out
// within a block is another error.
func (f *inflater) ReadBorrowed(borrow func() []byte, giveBack func()) (n int, err error) {
	if len(f.out) == 0 && f.err == nil {
		if f.ahead.Buffered() == 0 {
			giveBack()
		}
		if _, err := f.ahead.Peek(1); err != nil {
			return 0, err
		}
	}
	p := borrow()
	for {
		k := copy(p[n:], f.out)
		f.out = f.out[k:]
		if n += k; n == len(p) {
			return n, nil
		}
		if f.err != nil {
			return n, f.err
		}
		if n > 0 && !f.ready() || !f.begun && f.ahead.Buffered() == 0 {
			return n, nil // complete messages must not wait for what comes next
		}
		f.inflate()
	}
}

// ready tells whether the next piece can be decompressed without waiting.
func (f *inflater) ready() bool {
	b, _ := f.ahead.Peek(f.ahead.Buffered())
	return bytes.Contains(b, flushMark)
}

// inflate decompresses the next piece into out, and sets err where it is the last.
func (f *inflater) inflate() {
	f.conn.patient = true
	defer func() { f.conn.patient = false }()
	var err error
	if !f.begun {
		if f.z == nil {
			f.z, err = zlib.NewReader(f.ahead)
		} else {
			err = f.z.(zlib.Resetter).Reset(f.ahead, nil)
		}
		f.begun = err == nil
	}
	if err == nil {
		var n int
		n, err = f.z.Read(f.stage[:])
		f.out = f.stage[:n]
	}
	var corrupt flate.CorruptInputError
	switch {
	case err == nil:
	case err == io.EOF: // of the zlib stream; another may follow
		f.begun = false
	case err == io.ErrUnexpectedEOF: // the connection ended before the zlib stream
		f.err = io.EOF
	case errors.Is(err, os.ErrDeadlineExceeded): // nor can it be read on
		if f.err = io.EOF; f.conn.ctx.Err() == nil {
			f.err = errIdle
		}
	case errors.As(err, &corrupt), errors.Is(err, zlib.ErrHeader), errors.Is(err, zlib.ErrChecksum), errors.Is(err, zlib.ErrDictionary):
		f.err = fmt.Errorf("%w: %w", errCompression, err)
	default:
		f.err = err
	}
}

// patient reads a connection. While it is patient a deadline that was meant for a
// wait between messages does not end a read.
type patient struct {
	ctx     context.Context
	conn    *receive.Conn
	idle    time.Duration
	patient bool
}

func (p *patient) Read(b []byte) (n int, err error) {
	n, err = p.conn.Read(b)
	if n > 0 || !p.patient || p.ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	var deadline time.Time
	if p.idle > 0 {
		deadline = time.Now().Add(p.idle)
	}
	p.conn.SetReadDeadline(deadline)
	if p.ctx.Err() != nil {
		return 0, os.ErrDeadlineExceeded
	}
	return p.conn.Read(b)
}
