package tcp

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/syslog"
)

// accept returns both ends of a connection that lasts until the test ends.
func accept(t *testing.T) (nc *receive.Conn, peer net.Conn) {
	t.Helper()
	l, err := receive.New(receive.Config{Name: "tcp-test", Listen: "127.0.0.1:0", Logger: inputtest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	accepted, done := make(chan *receive.Conn), make(chan error)
	go func() {
		done <- l.Serve(ctx, func(ctx context.Context, nc *receive.Conn) {
			accepted <- nc
			<-ctx.Done()
		})
	}()
	t.Cleanup(func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	peer = inputtest.Dial(t, "tcp", l.Addr().String())
	return <-accepted, peer
}

// awaitRead waits until n octets of a connection have been read.
func awaitRead(t *testing.T, nc *receive.Conn, n int) {
	t.Helper()
	inputtest.Eventually(t, "all to be read", func() bool { return nc.Progress().Read == uint64(n) })
}

// unbound returns an input that does not listen.
func unbound(t *testing.T, compression Compression) *Input {
	t.Helper()
	in, err := New(Config{Name: "tcp-test", Listen: "127.0.0.1:0", Compression: compression, Logger: inputtest.Logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// script is a stream of which each read gives the next part.
type script []part

type part struct {
	octets string
	err    error
}

func (s *script) ReadBorrowed(borrow func() []byte, _ func()) (int, error) {
	next := (*s)[0]
	*s = (*s)[1:]
	return copy(borrow(), next.octets), next.err
}

func TestWhatIsReadTogetherWithALateTimeOutIsTaken(t *testing.T) {
	s := &inputtest.Sink{}
	in := unbound(t, CompressionNone)
	nc, _ := accept(t)
	c := &conn{in: in, net: nc, stream: &script{{"<13>one\n", os.ErrDeadlineExceeded}, {"", io.EOF}},
		queue: inputs.Queue(s), framer: syslog.NewFramer(0, 1000), buf: in.buffers.get(0)}
	c.batch.Origins = []inputs.Origin{{}}
	c.readLast(t.Context())
	if got := s.Texts(); !slices.Equal(got, []string{"<13>one"}) {
		t.Errorf("got %q", got)
	}
}

// cut is the beginning of a compressed stream: a stored block that says it has twice as
// many octets as there are.
func cut(octets string) []byte {
	n := uint16(2 * len(octets))
	b := binary.LittleEndian.AppendUint16([]byte{0x78, 0x01, 0}, n)
	return append(binary.LittleEndian.AppendUint16(b, ^n), octets...)
}

func TestWhatCameOfACompressedBlockBeforeTheEndIsTaken(t *testing.T) {
	s := &inputtest.Sink{}
	in := unbound(t, CompressionZlib)
	nc, peer := accept(t)
	ctx, end := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() {
		defer close(served)
		in.serve(ctx, t.Context(), nc, inputs.Queue(s))
	}()
	const lines = 1000 // more than the smallest buffer holds
	stream := cut(strings.Repeat("<13>hello\n", lines))
	write(t, peer, stream)
	awaitRead(t, nc, len(stream))
	end()
	<-served
	if s.Count() != lines {
		t.Errorf("%d messages, want %d", s.Count(), lines)
	}
}

func TestATimeOutWithinACompressedBlockIsTheEndOfTheStream(t *testing.T) {
	f := func(stops bool, want error) {
		t.Helper()
		nc, peer := accept(t)
		ctx, end := context.WithCancel(t.Context())
		defer end()
		const line = "<13>hello\n"
		got := make(chan part)
		go func() {
			in := newInflater(ctx, nc, time.Millisecond)
			for range 2 { // the second time nothing is read any more
				buf := make([]byte, 100)
				n, err := in.ReadBorrowed(func() []byte { return buf }, func() {})
				got <- part{string(buf[:n]), err}
			}
		}()
		stream := cut(line)
		write(t, peer, stream)
		awaitRead(t, nc, len(stream))
		if stops {
			end()
		}
		nc.SetReadDeadline(time.Unix(1, 0))
		for _, octets := range []string{line, ""} {
			if p := <-got; p != (part{octets, want}) {
				t.Errorf("read %q, %v; want %q, %v", p.octets, p.err, octets, want)
			}
		}
	}
	f(true, io.EOF)
	f(false, errIdle)
}
