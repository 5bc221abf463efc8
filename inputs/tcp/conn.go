package tcp

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/syslog"
)

const (
	// silence is after what time without octets a connection gives a large
	// buffer back.
	silence = time.Second
	// At the end a peer is given lastPause to send more of what it had begun,
	// and lastWords in all.
	lastPause = 100 * time.Millisecond
	lastWords = time.Second
	// maxAhead is how many batches a connection that sends without a pause may have
	// under way to the disk while the next is read, and aheadPause how long it may
	// pause until they are waited for.
	maxAhead   = 8
	aheadPause = 5 * time.Millisecond
)

// stream is what messages are read from (receive.Conn).
type stream interface {
	ReadBorrowed(borrow func() []byte, giveBack func()) (n int, err error)
}

// conn is one connection.
type conn struct {
	in     *Input
	net    *receive.Conn
	stream stream // net, or what decompresses it
	queue  inputs.QueueSink
	framer *syslog.Framer
	batch  inputs.Batch
	buf    *buffer
	queues bool           // it waits for its turn to read, and ends it before it waits for anything else
	turn   bool           // it has its turn
	class  int            // of the buffer to read into, where it does not queue
	keeps  bool           // the stream has the buffer while it waits
	held   int            // octets of buf.data in use: the beginning of a message
	ahead  []func() error // the waits for what is under way to the disk, oldest first

	givenUp <-chan struct{} // closed when nothing can be submitted any more
}

// serve reads a connection to its end. ctx ends the reading, submitting the
// submits that are still under way then.
func (in *Input) serve(ctx, submitting context.Context, nc *receive.Conn, queue inputs.QueueSink) {
	c := &conn{in: in, net: nc, stream: nc, queue: queue, framer: syslog.NewFramer(in.cfg.Framing, in.cfg.MaxMessageSize), buf: in.buffers.get(0),
		queues: nc.Plain(), keeps: !nc.Plain(), givenUp: submitting.Done()}
	if in.cfg.Compression == CompressionZlib {
		c.stream, c.queues, c.keeps = newInflater(ctx, nc, in.cfg.IdleTimeout), false, false
	}
	c.batch.Input = in.cfg.Name
	c.batch.Origins = []inputs.Origin{{Source: nc.Source, Identity: nc.Identity}}
	defer func() {
		c.giveBack()
		in.buffers.put(c.buf)
	}()

	wake := context.AfterFunc(ctx, func() { nc.SetReadDeadline(time.Unix(1, 0)) })
	err := c.read(ctx, submitting)
	wake()
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = c.readLast(submitting)
	}
	switch {
	case errors.Is(err, inputs.ErrClosed), errors.Is(err, context.Canceled):
		c.abandon()
		return // nothing can be submitted any more
	case errors.Is(err, errIdle):
		in.log.Debug().Stringer("peer", nc.Source).Msg("idle connection closed")
	case errors.Is(err, errCompression):
		in.framing.Lost()
		in.repeats.Warn("connection closed: its stream is not compressed as the input is configured", nc.Source.String(), err)
	case errors.Is(err, syslog.ErrFraming):
		in.framing.Lost()
		in.repeats.Warn("connection closed: no message boundary found after a wrong octet count", nc.Source.String(), err)
	case err != io.EOF && !errors.Is(err, os.ErrDeadlineExceeded):
		in.repeats.Warn("connection broke", nc.Source.String(), err)
	}
	c.finish(submitting)
}

var errIdle = errors.New("nothing arrived within the idle time-out")

// read takes messages until the connection ends or ctx does, and returns why.
func (c *conn) read(ctx, submitting context.Context) error {
	last := time.Now() // when octets arrived last
	armed := false     // whether a deadline is set
	borrow, giveBack := c.borrow, c.giveBack
	for {
		var deadline time.Time
		switch {
		case len(c.ahead) > 0:
			deadline = time.Now().Add(aheadPause)
		case c.keeps && c.class > 0:
			deadline = time.Now().Add(silence)
		case c.in.cfg.IdleTimeout > 0:
			deadline = last.Add(c.in.cfg.IdleTimeout)
		}
		if armed || !deadline.IsZero() {
			c.net.SetReadDeadline(deadline)
			armed = !deadline.IsZero()
		}
		if ctx.Err() != nil {
			return os.ErrDeadlineExceeded
		}
		n, err := c.stream.ReadBorrowed(borrow, giveBack)
		if n > 0 {
			last = time.Now()
			full := c.held+n == len(c.buf.data)
			if full {
				c.class = c.in.buffers.larger(c.buf.class)
			}
			if err := c.take(submitting, n, last, full); err != nil {
				return err
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
			if len(c.ahead) > 0 {
				if err := c.settle(submitting, 0); err != nil {
					return err
				}
				continue
			}
			if c.in.cfg.IdleTimeout > 0 && time.Since(last) >= c.in.cfg.IdleTimeout {
				return errIdle
			}
			c.class = 0
			continue
		}
		if err != nil {
			return err
		}
	}
}

// readLast closes this side of the connection, so that a sender that looks stops
// sending, and takes what is still on its way.
func (c *conn) readLast(submitting context.Context) error {
	c.net.CloseWrite()
	end := time.Now().Add(lastWords)
	for {
		deadline := time.Now().Add(lastPause)
		if deadline.After(end) {
			return os.ErrDeadlineExceeded
		}
		c.net.SetReadDeadline(deadline)
		n, err := c.stream.ReadBorrowed(c.borrow, c.giveBack)
		// The deadline that ended the reading may come late.
		early := errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline)
		if n > 0 {
			if err := c.take(submitting, n, time.Now(), false); err != nil {
				return err
			}
		}
		if err != nil && !early {
			return err
		}
	}
}

// take enqueues the messages that n more octets in the buffer have completed, and
// moves what is left to its front. It waits for the disk unless more follows.
func (c *conn) take(ctx context.Context, n int, received time.Time, follows bool) error {
	data := c.buf.data[:c.held+n]
	at := 0
	for more := true; more; {
		frames := c.buf.frames[:0]
		var framing error
		for len(frames) < maxFrames {
			msg, w, consumed, ok, err := c.framer.Next(data[at:])
			if ok {
				frames = append(frames, inputs.Frame{Span: syslog.Span{Start: uint32(at) + msg.Start, End: uint32(at) + msg.End}, Warnings: w})
			}
			at += consumed
			if framing = err; err != nil || !ok {
				more = false
				break
			}
		}
		c.buf.frames = frames
		c.batch.More = more || follows
		if err := c.enqueue(ctx, data[:at], frames, received); err != nil {
			return err
		}
		if framing != nil {
			c.held = 0
			return framing
		}
	}
	c.held = copy(c.buf.data, data[at:])
	c.in.framing.Add(&c.framer.Stats)
	if follows && !c.queues {
		return nil
	}
	c.giveBack()
	if follows {
		return nil
	}
	return c.settle(ctx, 0)
}

// enqueue hands messages to the queue. It returns an error where that never will
// take any again.
func (c *conn) enqueue(ctx context.Context, data []byte, frames []inputs.Frame, received time.Time) error {
	if len(frames) > 0 {
		c.batch.Data, c.batch.Frames, c.batch.Received = data, frames, received
		c.ahead = append(c.ahead, c.queue.Enqueue(ctx, &c.batch))
	}
	return c.settle(ctx, maxAhead-1)
}

// settle waits until at most rest batches are under way.
func (c *conn) settle(ctx context.Context, rest int) error {
	for len(c.ahead) > rest {
		err := c.ahead[0]()
		c.ahead = slices.Delete(c.ahead, 0, 1)
		switch {
		case err == nil:
		case errors.Is(err, inputs.ErrClosed):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			c.in.repeats.Warn("messages could not be stored and are lost", c.net.Source.String(), err)
		}
	}
	return nil
}

// abandon lets go of what is under way.
func (c *conn) abandon() {
	for _, wait := range c.ahead {
		wait()
	}
}

// finish submits a message that the end of the connection has cut, and waits for all
// that is under way.
func (c *conn) finish(ctx context.Context) {
	data := c.buf.data[:c.held]
	var last []inputs.Frame
	if msg, w, ok := c.framer.Finish(data); ok {
		last = append(c.buf.frames[:0], inputs.Frame{Span: msg, Warnings: w})
	}
	c.batch.More = false
	c.enqueue(ctx, data, last, time.Now())
	c.settle(ctx, 0)
	c.in.framing.Add(&c.framer.Stats)
}

// borrow returns room to read into, behind what is held.
func (c *conn) borrow() []byte {
	class := c.in.buffers.smallest(c.held)
	switch {
	case !c.queues:
		class = c.in.buffers.affordable(c.class, class)
	case c.turn || c.in.buffers.turns.take(c.givenUp):
		c.turn = true
		class = max(class, c.in.buffers.whole)
	}
	c.exchange(class)
	return c.buf.data[c.held:]
}

// giveBack takes the smallest buffer that holds what has arrived of a message, and ends
// the turn.
func (c *conn) giveBack() {
	c.exchange(c.in.buffers.smallest(c.held))
	if c.turn {
		c.turn = false
		c.in.buffers.turns.end()
	}
}

func (c *conn) exchange(class int) {
	if class == c.buf.class {
		return
	}
	old := c.buf
	c.buf = c.in.buffers.get(class)
	copy(c.buf.data, old.data[:c.held])
	c.in.buffers.put(old)
}
