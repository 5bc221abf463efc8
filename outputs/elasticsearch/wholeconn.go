package elasticsearch

import (
	"io"
	"net"
)

// wholeConn has a body that lies in memory write itself, with as few system calls as
// there is room in the socket for. Without it the HTTP client copies bodies through a
// buffer of 32 KiB.
type wholeConn struct{ net.Conn }

// ReadFrom implements io.ReaderFrom for the HTTP client, which limits the body to the
// length that it has announced.
func (c wholeConn) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(io.WriterTo); ok {
			n, err := body.WriteTo(&limitedWriter{c.Conn, limited.N})
			limited.N -= n
			return n, err
		}
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// limitedWriter writes no more than left octets to w, and returns io.ErrShortWrite
// where it is given more.
type limitedWriter struct {
	w    io.Writer
	left int64
}

func (l *limitedWriter) Write(b []byte) (n int, err error) {
	if int64(len(b)) > l.left {
		if n, err = l.w.Write(b[:l.left]); err == nil {
			err = io.ErrShortWrite
		}
	} else {
		n, err = l.w.Write(b)
	}
	l.left -= int64(n)
	return n, err
}
