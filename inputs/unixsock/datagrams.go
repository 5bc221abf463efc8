package unixsock

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/syslog"
)

// maxTrailer is the longest trailer that is not part of a message: CR LF.
const maxTrailer = 2

// datagramSocket takes messages from a datagram socket.
type datagramSocket struct {
	in       *Input
	receiver *receive.Datagrams
	gather   *inputs.Gather
}

// serveDatagrams receives until ctx ends and everything is submitted.
func (in *Input) serveDatagrams(ctx, submitting context.Context, sink inputs.Sink) error {
	ctx, cease := context.WithCancel(ctx)
	defer cease()
	defer context.AfterFunc(in.retired, cease)()
	receiver, err := receive.NewDatagrams(in.datagrams, in.cfg.MaxMessageSize+maxTrailer)
	if err != nil {
		return err
	}
	s := &datagramSocket{in: in, receiver: receiver, gather: inputs.NewGather()}
	expire := func() { in.datagrams.SetReadDeadline(time.Unix(1, 0)) }
	stop := context.AfterFunc(ctx, expire)
	defer stop()

	submit := func() error {
		return s.gather.Submit(submitting, sink, in.cfg.Name, func(err error) {
			in.repeats.Warn("messages could not be stored and are lost", "", err)
		})
	}
	var submitter sync.WaitGroup
	var submitErr error
	submitter.Go(func() {
		if submitErr = submit(); submitErr != nil {
			expire()
		}
	})
	err = s.receive(ctx)
	s.gather.End()
	submitter.Wait()
	submit() // what was taken in when the submitter had failed, so that it counts
	return errors.Join(submitErr, err)
}

// receive gathers datagrams until ctx ends, and then those that the kernel holds.
func (s *datagramSocket) receive(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := s.receiver.Wait()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if ctx.Err() == nil {
				return nil // submits have failed for good
			}
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			s.in.repeats.Warn("datagrams cannot be received", "", err)
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
			}
		case !s.add(n):
			return nil
		}
	}
	if file := s.in.file.Load(); file != nil {
		file.remove()
		// From here on a send fails instead of being lost. A socket of systemd's
		// lives on, and keeps what comes for the next process.
		s.in.datagrams.CloseRead()
	}
	for end := time.Now().Add(lastWords); time.Now().Before(end); {
		if n, err := s.receiver.Poll(); n == 0 || err != nil || !s.add(n) {
			break
		}
	}
	return nil
}

// lastWords is how long, at the end, datagrams are taken that the kernel holds.
const lastWords = time.Second

// add puts n received datagrams into the batch, waiting for room in it. It
// returns false where nothing is submitted any more.
func (s *datagramSocket) add(n int) bool {
	var stats syslog.FramingStats
	b := s.gather.Begin()
	if len(b.Frames) == 0 {
		b.Received = time.Now()
	}
	for i := range n {
		data, size := s.receiver.Datagram(i)
		if f := b.AddDatagram(data, size, s.in.cfg.MaxMessageSize, &stats); f != nil {
			f.Origin = s.origin(b, s.receiver.Credentials(i))
		}
	}
	s.in.framing.Add(&stats)
	return s.gather.Done(false)
}

// origin returns the index of the sender in the batch. A run of datagrams from one
// process shares an origin.
func (s *datagramSocket) origin(b *inputs.Batch, c syslog.Credentials) uint32 {
	if n := len(b.Origins); n > 0 && b.Origins[n-1].Credentials == c {
		return uint32(n - 1)
	}
	b.Origins = append(b.Origins, s.in.origin(c))
	return uint32(len(b.Origins) - 1)
}

func (in *Input) origin(c syslog.Credentials) inputs.Origin {
	return inputs.Origin{Host: in.cfg.Host, Local: true, Credentials: c}
}
