package elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// countedConn keeps the size of the largest write.
type countedConn struct {
	net.Conn
	largest *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	if n := int64(len(b)); n > c.largest.Load() {
		c.largest.Store(n)
	}
	return c.Conn.Write(b)
}

func TestABodyIsWrittenAsItLiesInMemory(t *testing.T) {
	f := func(documents, octets int) {
		t.Helper()
		s := newBulkServer(t)
		cfg := testConfig(s.url)
		cfg.Workers, cfg.BulkMaxBytes = 1, 64<<20
		o := newOutput(t, cfg)
		var largest atomic.Int64
		dial := o.transport.inner.Template.DialContext
		o.transport.inner.Template.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return wholeConn{countedConn{conn.(wholeConn).Conn, &largest}}, nil
		}
		deliver(t, o, newBatch(documents, func(int) string { return strings.Repeat("x", octets) }), 1)
		if want := int64(documents * octets); largest.Load() < want {
			t.Errorf("%d documents of %d octets: the largest write has %d octets, want at least %d", documents, octets, largest.Load(), want)
		}
	}
	f(2000, 260)
	f(1000, 10<<10) // so large that the server is asked first
}

func TestABodyLongerThanAnnouncedEndsWhereItsLengthDoes(t *testing.T) {
	var out bytes.Buffer
	ours, theirs := net.Pipe()
	read := make(chan error, 1)
	go func() { _, err := io.Copy(&out, theirs); read <- err }()
	n, err := wholeConn{ours}.ReadFrom(&io.LimitedReader{R: strings.NewReader("0123456789"), N: 4})
	if n != 4 || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("wrote %d octets with the error %v", n, err)
	}
	n, err = wholeConn{ours}.ReadFrom(&io.LimitedReader{R: strings.NewReader("abcd"), N: 10})
	if n != 4 || err != nil {
		t.Errorf("wrote %d octets with the error %v", n, err)
	}
	ours.Close()
	if err := <-read; err != nil || out.String() != "0123abcd" {
		t.Errorf("came %q, error %v", out.String(), err)
	}
}
