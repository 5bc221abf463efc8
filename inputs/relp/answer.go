package relp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/relp"
)

// errSubmit is the failure of the Sink.
var errSubmit = errors.New("messages could not be stored")

// answer submits what the queue brings and acknowledges it, in order, until the
// queue ends. After an error nothing more is acknowledged.
func (c *conn) answer(ctx context.Context) error {
	var out []byte
	for w := c.queue.take(); w != nil; w = c.queue.take() {
		if err := c.submit(ctx, w); err != nil {
			c.in.metrics.submitFailures.Inc()
			return fmt.Errorf("%w: %w", errSubmit, err)
		}
		out = out[:0]
		for _, txnr := range w.txnrs {
			out = relp.AppendOK(out, txnr)
		}
		out = append(out, w.reply...)
		c.queue.release(w)
		if err := c.write(out); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	return nil
}

// submit returns nil once what w holds is durable.
func (c *conn) submit(ctx context.Context, w *work) error {
	switch {
	case w.kind == messages && len(w.batch.Frames)+w.tail.Resent > 0:
		if c.tails != nil {
			return c.tails.SubmitTail(ctx, &w.batch, w.tail)
		}
		return c.sink.Submit(ctx, &w.batch)
	case w.kind == events:
		return c.sink.(inputs.EventSink).SubmitEvents(ctx, &w.events)
	}
	return nil
}

func (c *conn) write(b []byte) error {
	if err := c.armWrite(); err != nil {
		return err
	}
	_, err := c.net.Write(b)
	return err
}

// armWrite sets the deadline of the next write.
func (c *conn) armWrite() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left {
		return errLeft
	}
	return c.net.SetWriteDeadline(time.Now().Add(c.in.cfg.WriteTimeout))
}

// end counts and logs why the connection ended, and takes leave of the peer.
func (c *conn) end(why error) {
	var bad relp.FrameError
	in := c.in
	switch {
	case errors.As(why, &bad):
		in.metrics.badFrames[bad].Inc()
		in.metrics.framing.Lost()
		in.repeats.Warn("connection closed: the peer does not speak RELP, or its octets were damaged", c.peer(), why)
	case errors.Is(why, errNotOpened):
		in.metrics.unopened.Inc()
		in.repeats.Warn("connection closed: the peer opened no session", c.peer(), why)
	case errors.Is(why, errRefused):
		in.repeats.Warn("connection closed: a command of the peer was refused", c.peer(), why)
	case errors.Is(why, inputs.ErrClosed):
	case errors.Is(why, errSubmit):
		in.repeats.Warn("connection closed: its messages could not be stored, the peer keeps them", c.peer(), why)
	}
	in.log.Debug().Str("peer", c.peer()).AnErr("why", why).Msg("relp connection ends")
	if why == io.EOF || !isOrderly(why) {
		return
	}
	// The hint makes the peer reconnect now instead of at its next message.
	if c.write(relp.AppendFrame(nil, 0, relp.CmdServerClose, nil)) == nil {
		c.leave()
	}
}

// isOrderly tells whether the connection itself still works.
func isOrderly(why error) bool {
	var network net.Error
	return !errors.As(why, &network)
}

// leave ends the sending direction and waits a little for the peer to have read
// what was sent.
func (c *conn) leave() {
	if c.net.CloseWrite() == nil {
		c.net.SetReadDeadline(time.Now().Add(linger))
		io.CopyN(io.Discard, c.net, maxLeftover)
	}
}
