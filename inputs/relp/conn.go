package relp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
)

// conn is one connection. One goroutine reads: it takes frames apart, and puts
// what they hold into the queue. Another submits and answers, in order.
type conn struct {
	in     *Input
	net    *receive.Conn
	sink   inputs.Sink
	origin inputs.Origin
	queue  *queue
	reader *relp.Reader

	// What the reading side knows of the session.
	opened bool
	// stream is the name under which the peer's batches go to the Sink; "" where
	// the batch command was not granted.
	stream  string
	decoder relp.BatchDecoder
	names   syslog.Interner
	stats   syslog.FramingStats

	// tails is the Sink where that knows tails, and tail what the messages of the
	// connection prolong; resuming is set until it is known whether its first ones
	// were stored before. seed and digest are for hashOf.
	tails    inputs.TailSink
	tail     inputs.TailID // written under the lock of the sessions
	resuming *resumption
	seed     uint64
	digest   xxhash.Digest
	// leaving and gone are what the sessions know, and probing is how many later
	// ones have the kernel of the peer asked; guarded by their lock.
	leaving, gone bool
	probing       int
	// ended is closed when the connection has gone.
	ended chan struct{}

	mu sync.Mutex
	// stopping is closed when nothing more shall be read, and left is set when nothing
	// more shall be written either; guarded by mu.
	stopping chan struct{}
	left     bool
}

// The ways in which a connection ends in order.
var (
	errStopped   = errors.New("stopped")
	errClosed    = errors.New("closed by the peer")
	errIdle      = errors.New("idle for too long")
	errNotOpened = errors.New("the peer did not open a session in time")
	errLeft      = errors.New("the peer has come back on another connection")
	// errRefused: a command was answered 500, and the session ends with that.
	errRefused = errors.New("command refused")
)

func newConn(in *Input, rc *receive.Conn, sink inputs.Sink) *conn {
	c := &conn{in: in, net: rc, sink: sink, queue: newQueue(in.memory), stopping: make(chan struct{}), ended: make(chan struct{}),
		origin: inputs.Origin{Source: rc.Source, Identity: rc.Identity}}
	c.reader = relp.NewReader(c.limit)
	c.reader.Frugal = in.memory.frugal
	c.tail = newTail(in.sender(&c.origin))
	if tails, ok := sink.(inputs.TailSink); ok {
		c.tails, c.seed, c.resuming = tails, tails.TailSeed(), &resumption{}
	}
	return c
}

// serve runs a connection that is among the sessions to its end. ctx ends the reading,
// submitting the submits that are still under way then.
func (c *conn) serve(ctx, submitting context.Context) {
	in := c.in
	defer c.decoder.Close()
	stopReading := context.AfterFunc(ctx, c.stop)
	defer stopReading()

	var failed error
	var answering sync.WaitGroup
	answering.Go(func() {
		if failed = c.answer(submitting); failed != nil {
			c.queue.fail()
			c.stop()
		}
	})
	err := c.read(time.Now().Add(in.cfg.HandshakeTimeout))
	// Messages still held are neither stored nor acknowledged: the peer keeps them.
	in.sessions.leave(c)
	c.queue.close()
	answering.Wait()
	c.queue.drop()
	if failed != nil {
		err = failed
	}
	if err == errClosed && c.tails != nil {
		c.tails.ForgetTail(c.tail)
	}
	in.sessions.gone(c)
	c.end(err)
}

func (c *conn) peer() string { return c.origin.Source.String() }

// limit is the relp.Limit of the connection.
func (c *conn) limit(command []byte) (octets int, cut bool) {
	switch string(command) {
	case relp.CmdSyslog:
		// One more than is kept, for the LF that is not part of the message.
		return c.in.cfg.MaxMessageSize + 1, true
	case relp.CmdBatch:
		if c.stream != "" {
			return relp.MaxBatchData, false
		}
	}
	return relp.MaxOpenData, false
}

// stop ends the reading; what was read is still submitted and answered.
func (c *conn) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isStopping() {
		close(c.stopping)
	}
	c.net.SetReadDeadline(time.Unix(1, 0))
}

// giveUp ends the connection of a peer that has left it: one that takes no answers would
// hold up the one that waits to be written for as long as WriteTimeout.
func (c *conn) giveUp() {
	c.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	c.net.SetWriteDeadline(time.Unix(1, 0))
}

func (c *conn) isStopping() bool {
	select {
	case <-c.stopping:
		return true
	default:
		return false
	}
}

// arm sets the deadline of the next read; false where nothing more shall be read.
func (c *conn) arm(opening time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isStopping() {
		return false
	}
	var idle time.Time
	if c.in.cfg.IdleTimeout > 0 {
		idle = time.Now().Add(c.in.cfg.IdleTimeout)
	}
	switch {
	case !c.opened:
		c.net.SetReadDeadline(opening)
	case c.isSettled():
		c.net.SetReadDeadline(time.Unix(1, 0))
	case c.isHolding():
		c.net.SetReadDeadline(c.resuming.until)
	case c.mayGoOn() && (idle.IsZero() || c.resuming.end.Before(idle)):
		c.net.SetReadDeadline(c.resuming.end)
	default:
		c.net.SetReadDeadline(idle)
	}
	return true
}

// read takes frames until the connection ends, and returns why.
func (c *conn) read(opening time.Time) error {
	err := c.readFrames(opening)
	c.in.memory.buffers.Add(-int64(c.reader.Size()))
	c.reader = nil
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	defer c.queue.more.Signal()
	if stopped := c.awaitSettled(); stopped != nil {
		return stopped
	}
	return err
}

func (c *conn) readFrames(opening time.Time) error {
	for {
		if err := c.takeFrames(); err != nil {
			return err
		}
		if !c.arm(opening) {
			return errStopped
		}
		n, err := c.fill()
		switch {
		case n > 0 || err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && !c.arm(opening):
			return errStopped
		case errors.Is(err, os.ErrDeadlineExceeded) && !c.opened:
			return errNotOpened
		case errors.Is(err, os.ErrDeadlineExceeded) && c.isSettled():
			if err := c.resume(); err != nil {
				return err
			}
		case errors.Is(err, os.ErrDeadlineExceeded) && c.isHolding():
			if c.secondComes() {
				continue
			}
			if err := c.giveUpHolding(); err != nil {
				return err
			}
		case errors.Is(err, os.ErrDeadlineExceeded) && c.mayGoOn() && c.resuming.isOver():
			c.endRunning()
		case errors.Is(err, os.ErrDeadlineExceeded) && c.queue.busy():
			// The peer is silent because it waits for us.
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errIdle
		case errors.Is(err, io.EOF) && c.reader.Buffered() == 0:
			return io.EOF
		default:
			return fmt.Errorf("read: %w", err)
		}
	}
}

// fill reads once, and counts what the buffer has grown by.
func (c *conn) fill() (int, error) {
	before := c.reader.Size()
	n, err := c.reader.Fill(available{c.net})
	c.in.memory.buffers.Add(int64(c.reader.Size() - before))
	return n, err
}

// available reads all that has arrived: a TLS connection gives a record at a
// time otherwise, and small reads make small batches.
type available struct{ *receive.Conn }

func (a available) Read(p []byte) (int, error) { return a.ReadAvailable(p) }

// takeFrames handles all frames that have arrived. The lock of the queue is held
// over all of them, so that the submitting side wakes once and takes them all.
func (c *conn) takeFrames() error {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	defer c.queue.more.Signal()
	defer c.in.metrics.framing.Add(&c.stats)
	for {
		f, ok, err := c.reader.Next()
		if !ok {
			return err
		}
		if err := c.take(f); err != nil {
			return err
		}
	}
}

// take handles one frame. The caller holds the lock of the queue.
func (c *conn) take(f relp.Frame) error {
	command := string(f.Command) // the compiler knows it for constants
	if f.Txnr == 0 {
		if command == relp.CmdSyslog || command == relp.CmdBatch {
			return relp.ErrTxnr // no answer could tell that it is taken
		}
		return nil // a hint; none is defined for clients
	}
	if !c.opened && command != relp.CmdOpen && command != relp.CmdClose {
		return c.refuse(f.Txnr, "the session is not open")
	}
	if command == relp.CmdSyslog {
		return c.message(f)
	}
	if command != relp.CmdOpen || c.isHolding() {
		// Answers go out in order.
		if err := c.awaitSettled(); err != nil {
			return err
		}
		if err := c.endRun(); err != nil {
			return err
		}
	}
	switch command {
	case relp.CmdBatch:
		return c.batch(f)
	case relp.CmdOpen:
		return c.open(f)
	case relp.CmdClose:
		if err := c.reply(func(b []byte) []byte { return relp.AppendOK(b, f.Txnr) }); err != nil {
			return err
		}
		return errClosed
	}
	c.in.metrics.refused.Inc()
	return c.reply(func(b []byte) []byte {
		return relp.AppendResponse(b, f.Txnr, relp.CodeError, "command not supported", nil)
	})
}

// message takes a message as it is to be kept.
func (c *conn) message(f relp.Frame) error {
	data, warnings := f.Data, syslog.Warnings(0)
	cut := f.Cut
	if n := len(data); cut == 0 && n > 0 && data[n-1] == '\n' {
		data = data[:n-1]
	}
	if limit := c.in.cfg.MaxMessageSize; len(data) > limit {
		cut += len(data) - limit
		data = data[:limit]
	}
	if cut > 0 {
		warnings = syslog.WarnTruncated
		c.stats.Truncated++
		c.stats.Discarded += cut
	}
	if len(data) == 0 {
		c.stats.Empty++
	}
	if c.tails == nil || len(data) == 0 && !c.isHolding() {
		return c.add(data, 0, f.Txnr, warnings)
	}
	hash := c.hashOf(data)
	if c.resuming != nil {
		return c.hold(data, hash, f.Txnr, warnings)
	}
	return c.add(data, hash, f.Txnr, warnings)
}

// add adds a message to the batch that waits.
func (c *conn) add(data []byte, hash uint64, txnr uint32, warnings syslog.Warnings) error {
	w := c.queue.messages(len(data))
	if w == nil {
		return errStopped
	}
	w.txnrs = append(w.txnrs, txnr)
	if len(data) == 0 {
		return nil
	}
	b := &w.batch
	if len(b.Frames) == 0 {
		b.Input, b.Received = c.in.cfg.Name, time.Now()
		b.Origins = append(b.Origins[:0], c.origin)
	}
	start := uint32(len(b.Data))
	b.Data = append(b.Data, data...)
	b.Frames = append(b.Frames, inputs.Frame{Span: syslog.Span{Start: start, End: uint32(len(b.Data))}, Warnings: warnings})
	if c.tails != nil {
		w.tail.ID, w.tail.Hashes = c.tail, append(w.tail.Hashes, hash)
	}
	return nil
}

// reply queues an answer behind what is waiting.
func (c *conn) reply(appendTo func([]byte) []byte) error {
	w := c.in.memory.work()
	w.kind = reply
	w.reply = appendTo(w.reply[:0])
	if !c.queue.put(w) {
		return errStopped
	}
	return nil
}

// refuse answers 500 and ends the session.
func (c *conn) refuse(txnr uint32, why string) error {
	c.in.metrics.refused.Inc()
	if err := c.reply(func(b []byte) []byte {
		return relp.AppendResponse(b, txnr, relp.CodeError, why, nil)
	}); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", errRefused, why)
}
