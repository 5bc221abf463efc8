package udp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/syslog"
)

const (
	// maxWaiting is how many full batches of a socket, of a MiB each, wait to be
	// submitted: with the kernel's receive buffer, what can arrive while the disk
	// makes a pause.
	maxWaiting = 24
	// lastWords is how long, at the end, datagrams are taken that the kernel holds.
	lastWords = time.Second
)

// socket is one socket of an input.
type socket struct {
	in       *Input
	index    int
	conn     *receive.Unpolled
	pace     pace
	receiver *receive.Datagrams
	gather   *inputs.Gather
	granted  atomic.Int64 // octets of the receive buffer, in the terms of Config.ReceiveBuffer; 0 until it has it
	drops    *dropCounter
	reported uint64 // drops that were logged
}

// bind makes one socket.
func (in *Input) bind(address string) (*net.UDPConn, error) {
	lc := net.ListenConfig{}
	if in.cfg.Sockets > 1 {
		lc.Control = sharePort
	}
	pc, err := lc.ListenPacket(context.Background(), "udp", address)
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}

// open takes over a bound socket; it closes it where that fails.
func (in *Input) open(index int, conn *net.UDPConn) (s *socket, err error) {
	unpolled, err := receive.NewUnpolled(conn)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			unpolled.Close()
		}
	}()
	s = &socket{in: in, index: index, conn: unpolled, gather: inputs.NewGather()}
	s.gather.Waiting = maxWaiting
	if s.receiver, err = receive.NewDatagrams(s.conn, in.cfg.MaxMessageSize+maxTrailer); err != nil {
		return nil, err
	}
	s.drops = newDropCounter(s.conn)
	if err := s.register(); err != nil {
		return nil, err
	}
	return s, nil
}

// maxTrailer is the longest trailer that is not part of a message: CR LF.
const maxTrailer = 2

// run receives until ctx ends and everything is submitted.
func (s *socket) run(ctx, submitting context.Context, sink inputs.Sink) error {
	wake := context.AfterFunc(ctx, s.conn.Wake)
	defer wake()
	submit := func() error {
		return s.gather.Submit(submitting, sink, s.in.cfg.Name, func(err error) {
			s.in.repeats.Warn("messages could not be stored and are lost", "", err)
		})
	}
	var submitter sync.WaitGroup
	var submitErr error
	submitter.Go(func() {
		if submitErr = submit(); submitErr != nil {
			s.conn.Wake()
		}
	})
	err := s.receive(ctx)
	s.gather.End()
	submitter.Wait()
	submit()        // what was taken in when the submitter had failed, so that it counts
	s.drops.total() // the socket will be closed
	return errors.Join(err, submitErr)
}

// receive gathers datagrams until ctx ends, and then those that the kernel holds.
func (s *socket) receive(ctx context.Context) error {
	for full := false; ctx.Err() == nil; {
		n, err := s.take(full)
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
		full = n == s.receiver.Most()
		if !s.add(n, full) {
			return nil
		}
		if !full {
			s.pace.drained(time.Now())
		}
	}
	for end := time.Now().Add(lastWords); time.Now().Before(end); {
		n, err := s.receiver.Poll()
		if n == 0 || err != nil || !s.add(n, false) {
			break
		}
	}
	return nil
}

// take takes datagrams. After a call that was full it does not wait for more, of which
// there may be none: what that call took has not been submitted yet.
func (s *socket) take(full bool) (int, error) {
	if full {
		return s.receiver.Poll()
	}
	return s.receiver.Wait()
}

// add puts n received datagrams into the batch, waiting for room in it. more says that
// the kernel may hold more, which is submitted together with them. It returns false where
// nothing is submitted any more.
func (s *socket) add(n int, more bool) bool {
	now := time.Now()
	var stats syslog.FramingStats
	b := s.gather.Begin()
	if len(b.Frames) == 0 {
		b.Received = now
	}
	for i := range n {
		data, size := s.receiver.Datagram(i)
		s.pace.came(len(data))
		if f := b.AddDatagram(data, size, s.in.cfg.MaxMessageSize, &stats); f != nil {
			f.Origin = origin(b, s.receiver.Source(i))
		}
	}
	s.in.framing.Add(&stats)
	return s.gather.Done(more)
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
