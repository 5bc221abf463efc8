package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

const (
	// maxBatchOctets and maxBatchMessages bound the batch that is gathered while
	// another is submitted, and with it the memory of a socket: two of these.
	maxBatchOctets   = 4 << 20
	maxBatchMessages = 16 << 10
	// lastWords is how long, at the end, datagrams are taken that the kernel holds.
	lastWords = time.Second
)

// socket is one socket of an input.
type socket struct {
	in       *Input
	index    int
	conn     *net.UDPConn
	receiver *receiver
	granted  int // octets of the receive buffer, in the terms of Config.ReceiveBuffer
	drops    *dropCounter
	reported uint64 // drops that were logged

	mu     sync.Mutex // guards what follows
	more   sync.Cond  // signals a change of gather or ended
	gather *inputs.Batch
	ended  bool // nothing more is gathered, or nothing more is submitted
}

// open binds one socket.
func (in *Input) open(index int, address string) (*socket, error) {
	lc := net.ListenConfig{}
	if in.cfg.Sockets > 1 {
		lc.Control = sharePort
	}
	pc, err := lc.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, err
	}
	s := &socket{in: in, index: index, conn: pc.(*net.UDPConn), gather: &inputs.Batch{}}
	s.more.L = &s.mu
	if s.receiver, err = newReceiver(s.conn, in.cfg.MaxMessageSize+maxTrailer); err != nil {
		pc.Close()
		return nil, err
	}
	if s.granted, err = setReceiveBuffer(s.conn, in.cfg.ReceiveBuffer); err != nil {
		pc.Close()
		return nil, err
	}
	s.drops = newDropCounter(s.conn)
	if err := s.register(); err != nil {
		pc.Close()
		return nil, err
	}
	return s, nil
}

// maxTrailer is the longest trailer that is not part of a message: CR LF.
const maxTrailer = 2

// run receives until ctx ends and everything is submitted.
func (s *socket) run(ctx, submitting context.Context, sink inputs.Sink) error {
	wake := context.AfterFunc(ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer wake()
	var submitter sync.WaitGroup
	var submitErr error
	submitter.Go(func() {
		submitErr = s.submit(submitting, sink)
		s.end()
		if submitErr != nil {
			s.conn.SetReadDeadline(time.Unix(1, 0))
		}
	})
	err := s.receive(ctx)
	s.end()
	submitter.Wait()
	s.drops.total() // the socket will be closed
	return errors.Join(err, submitErr)
}

func (s *socket) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.more.Broadcast()
}

// receive gathers datagrams until ctx ends, and then those that the kernel holds.
func (s *socket) receive(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := s.receiver.wait()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			if ctx.Err() == nil {
				return nil // submits have failed for good
			}
			break
		}
		if err != nil {
			// A socket error that belongs to a datagram (an ICMP answer) is none
			// of the socket's.
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			s.in.repeats.Warn("datagrams cannot be received", "", err)
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		if !s.add(n) {
			return nil
		}
	}
	for end := time.Now().Add(lastWords); time.Now().Before(end); {
		n, err := s.receiver.poll()
		if n == 0 || err != nil || !s.add(n) {
			break
		}
	}
	return nil
}

// add puts n received datagrams into the batch, waiting for room in it. It
// returns false where nothing is submitted any more.
func (s *socket) add(n int) bool {
	now := time.Now()
	var stats syslog.FramingStats
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && (len(s.gather.Data) >= maxBatchOctets || len(s.gather.Frames) >= maxBatchMessages) {
		s.more.Wait()
	}
	if s.ended {
		return false
	}
	b := s.gather
	if len(b.Frames) == 0 {
		b.Received = now
	}
	for i := range n {
		data, size, source := s.receiver.datagram(i)
		var w syslog.Warnings
		msg := data
		if size == len(data) {
			msg = syslog.TrimTrailer(data)
		}
		if limit := s.in.cfg.MaxMessageSize; size > len(data) || len(msg) > limit {
			msg, w = msg[:min(limit, len(msg))], syslog.WarnTruncated
			stats.Truncated++
			stats.Discarded += size - len(msg)
		}
		if len(msg) == 0 {
			stats.Empty++
			continue
		}
		start := uint32(len(b.Data))
		b.Data = append(b.Data, msg...)
		b.Frames = append(b.Frames, inputs.Frame{
			Span:   syslog.Span{Start: start, End: uint32(len(b.Data))},
			Origin: origin(b, source), Warnings: w,
		})
	}
	s.in.framing.Add(&stats)
	s.more.Signal()
	return true
}

// origin returns the index of source in the batch. A run of datagrams from one
// sender shares an origin.
func origin(b *inputs.Batch, source netip.AddrPort) uint32 {
	if n := len(b.Origins); n > 0 && b.Origins[n-1].Source == source {
		return uint32(n - 1)
	}
	b.Origins = append(b.Origins, inputs.Origin{Source: source})
	return uint32(len(b.Origins) - 1)
}

// submit hands what was gathered to the Sink, until there is nothing more to come
// or the Sink takes nothing more.
func (s *socket) submit(ctx context.Context, sink inputs.Sink) error {
	spare := &inputs.Batch{}
	for {
		s.mu.Lock()
		for len(s.gather.Frames) == 0 && !s.ended {
			s.more.Wait()
		}
		if len(s.gather.Frames) == 0 {
			s.mu.Unlock()
			return nil
		}
		batch := s.gather
		spare.Reset()
		s.gather = spare
		s.more.Broadcast()
		s.mu.Unlock()

		batch.Input = s.in.cfg.Name
		err := sink.Submit(ctx, batch)
		switch {
		case errors.Is(err, inputs.ErrClosed):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			s.in.repeats.Warn("messages could not be stored and are lost", "", err)
		}
		spare = batch
	}
}
