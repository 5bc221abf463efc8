package unixsock

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/syslog"
)

const (
	// firstBuffer is what a connection's buffer begins with; it grows up to what
	// the longest message needs.
	firstBuffer = 4 << 10
	// maxFrames is the most messages in one submit.
	maxFrames = 16 << 10
	// lastAccept is how long, at the end, connections are taken that the kernel holds.
	lastAccept = 50 * time.Millisecond
)

// serveStreams takes connections until ctx ends, and returns after the last of
// them has ended.
func (in *Input) serveStreams(ctx, submitting context.Context, sink inputs.Sink) error {
	listener := in.streams
	accepting, cease := context.WithCancel(ctx)
	defer cease()
	defer context.AfterFunc(in.retired, cease)()
	defer context.AfterFunc(accepting, func() { listener.SetDeadline(time.Unix(1, 0)) })()
	var conns sync.WaitGroup
	defer conns.Wait()
	room := make(chan struct{}, in.cfg.MaxConnections) // one token for each connection that is open
	accept := func() error {
		select {
		case room <- struct{}{}:
		case <-in.retired.Done():
			return net.ErrClosed
		}
		c, err := listener.AcceptUnix()
		if err != nil {
			<-room
			return err
		}
		conns.Go(func() {
			in.serveStream(ctx, submitting, c, sink)
			c.Close()
			<-room
		})
		return nil
	}
	for accepting.Err() == nil {
		err := accept()
		if err == nil || accepting.Err() != nil {
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		in.repeats.Warn("connections cannot be accepted", "", err)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-accepting.Done():
		}
	}
	if in.retired.Err() != nil {
		return nil
	}
	in.file.Load().remove()
	// Who has connected by now has perhaps written, too.
	listener.SetDeadline(time.Now().Add(lastAccept))
	for accept() == nil {
	}
	return nil
}

// stream is one connection to a stream socket.
type stream struct {
	in     *Input
	sink   inputs.Sink
	framer *syslog.Framer
	batch  inputs.Batch
	frames []inputs.Frame
	buf    []byte
	held   int // octets of buf in use: the beginning of a message
}

// serveStream reads a connection to its end. ctx ends the reading, submitting the
// submits that are still under way then.
func (in *Input) serveStream(ctx, submitting context.Context, c *net.UnixConn, sink inputs.Sink) {
	credentials, err := receive.PeerCredentials(c)
	if err != nil {
		in.repeats.Warn("the sender's credentials cannot be told", "", err)
	}
	s := &stream{in: in, sink: sink, framer: syslog.NewFramer(syslog.FramingAuto, in.cfg.MaxMessageSize), buf: make([]byte, firstBuffer)}
	s.batch.Input = in.cfg.Name
	s.batch.Origins = []inputs.Origin{in.origin(credentials)}

	// From the end of ctx on a send fails instead of being lost; what was sent
	// before can still be read, and then the connection is at its end.
	stop := context.AfterFunc(ctx, func() { c.CloseRead() })
	defer stop()
	for err = nil; err == nil; {
		if s.held == len(s.buf) {
			s.buf = append(s.buf, make([]byte, min(len(s.buf), max(s.framer.MinBuffer()-len(s.buf), 1)))...)
		}
		var n int
		n, err = c.Read(s.buf[s.held:])
		if n > 0 {
			if err := s.take(submitting, n); err != nil {
				s.complain(err)
				return
			}
		}
	}
	s.complain(err)
	if msg, w, ok := s.framer.Finish(s.buf[:s.held]); ok {
		s.submit(submitting, s.buf[:s.held], append(s.frames[:0], inputs.Frame{Span: msg, Warnings: w}))
	}
	in.framing.Add(&s.framer.Stats)
}

func (s *stream) complain(err error) {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, inputs.ErrClosed), errors.Is(err, context.Canceled):
	case errors.Is(err, syslog.ErrFraming):
		s.in.framing.Lost()
		s.in.repeats.Warn("connection closed: no message boundary found after a wrong octet count", "", err)
	default:
		s.in.repeats.Warn("connection broke", "", err)
	}
}

// take submits the messages that n more octets in the buffer have completed, and
// moves what is left to its front.
func (s *stream) take(ctx context.Context, n int) error {
	data := s.buf[:s.held+n]
	at := 0
	for more := true; more; {
		s.frames = s.frames[:0]
		var framing error
		for more && len(s.frames) < maxFrames {
			msg, w, consumed, ok, err := s.framer.Next(data[at:])
			if ok {
				s.frames = append(s.frames, inputs.Frame{Span: syslog.Span{Start: uint32(at) + msg.Start, End: uint32(at) + msg.End}, Warnings: w})
			}
			at += consumed
			framing, more = err, ok && err == nil
		}
		if err := s.submit(ctx, data[:at], s.frames); err != nil {
			return err
		}
		if framing != nil {
			return framing
		}
	}
	s.held = copy(s.buf, data[at:])
	s.in.framing.Add(&s.framer.Stats)
	return nil
}

// submit hands messages to the Sink. It returns an error where it never will take
// any again.
func (s *stream) submit(ctx context.Context, data []byte, frames []inputs.Frame) error {
	if len(frames) == 0 {
		return nil
	}
	s.batch.Data, s.batch.Frames, s.batch.Received = data, frames, time.Now()
	err := s.sink.Submit(ctx, &s.batch)
	if err == nil || errors.Is(err, inputs.ErrClosed) {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.in.repeats.Warn("messages could not be stored and are lost", "", err)
	return nil
}
