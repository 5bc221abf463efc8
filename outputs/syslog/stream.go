package syslog

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/targets"
)

// flushOctets is how much is gathered before it is written: enough that the system
// call costs nothing beside the copying, and a multiple of a TLS record.
const flushOctets = 256 << 10

// stream is the lane to one server over TCP or TLS.
type stream struct {
	cfg     *Config
	metrics *metrics
	target  string
	targets.Silence
	// mu is held by who uses the connection.
	mu    sync.Mutex
	conn  *conn
	renew atomic.Bool
	// remote is the address connected to, for Remote.
	remote atomic.Pointer[netip.Addr]

	place  place
	render renderer
	frames []byte
	// flushed are the writes since this Write began.
	flushed []flush
}

// flush is a write to the connection: what was sent when it was done, and the
// index after the last event in it.
type flush struct {
	sent int64
	next int
}

func newStream(cfg *Config, m *metrics, target string) *stream {
	return &stream{cfg: cfg, metrics: m, target: target, render: renderer{cfg: cfg, metrics: m}}
}

// Write implements targets.Lane.
func (s *stream) Write(ctx context.Context, b *outputs.Batch) (owned int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.place
	p.begin(b)
	defer s.End()
	for p.start < b.Count {
		s.Heard()
		fresh, err := s.connect(ctx)
		if err != nil {
			return p.owned(), err
		}
		if err = s.send(ctx, b); err == nil {
			p.start = b.Count
			break
		}
		s.lost(b, err)
		if ctx.Err() != nil {
			return p.owned(), ctx.Err()
		}
		// A connection kept from an earlier Write may have been lost long ago,
		// unnoticed: that is no failure of the target. To take nothing is.
		if fresh || errors.Is(err, errStuck) {
			return p.owned(), err
		}
	}
	return b.Count, p.done()
}

// connect returns when there is a connection that the peer has not closed.
func (s *stream) connect(ctx context.Context) (fresh bool, err error) {
	if s.conn != nil {
		if !s.renew.Load() && s.conn.failed() == nil {
			return false, nil
		}
		s.drop((*conn).close)
	}
	s.renew.Store(false)
	c, err := dial(ctx, s.cfg, s.target)
	if err != nil {
		s.metrics.connectFailures.Inc()
		return false, fmt.Errorf("connect: %w", err)
	}
	s.metrics.connects.Inc()
	s.cfg.Logger.Info().Str("target", s.target).Msg("syslog connection open")
	s.conn = c
	remote := c.remote()
	s.remote.Store(&remote)
	return true, nil
}

// send sends what is not owned of b and waits until the peer's TCP has it.
func (s *stream) send(ctx context.Context, b *outputs.Batch) (err error) {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	done := s.conn.guard(ctx, s.cfg.SendTimeout, s.Heard)
	defer done()
	defer func() {
		if err != nil && s.conn.stuck.Load() {
			err = fmt.Errorf("%w for %s", errStuck, s.cfg.SendTimeout)
		}
	}()
	s.flushed = append(s.flushed[:0], flush{s.conn.tcp.sent.Load(), s.place.start})
	s.frames = s.frames[:0]
	s.render.quiet = false
	for events := newCursor(b); ; {
		record, err := events.next()
		if err != nil {
			return err
		}
		if record == nil {
			break
		}
		if events.index < s.place.start {
			continue
		}
		if s.frames, err = s.render.appendFrame(s.frames, record); err != nil {
			s.place.reject(events.index, err.Error())
		}
		if len(s.frames) >= flushOctets {
			if err := s.flush(events.index + 1); err != nil {
				return err
			}
		}
	}
	if err := s.flush(b.Count); err != nil {
		return err
	}
	return s.conn.settle()
}

// flush writes the frames gathered; next is the index after the last event in them.
func (s *stream) flush(next int) error {
	if err := s.conn.failed(); err != nil {
		return err
	}
	n, err := s.conn.net.Write(s.frames)
	s.metrics.octets.Add(float64(n))
	s.frames = s.frames[:0]
	if err != nil {
		return err
	}
	s.flushed = append(s.flushed, flush{s.conn.tcp.sent.Load(), next})
	return nil
}

// lost gives the connection up, and finds out from what event on things must be
// sent again.
func (s *stream) lost(b *outputs.Batch, why error) {
	s.metrics.losses.Inc()
	acknowledged := s.conn.acknowledged()
	if reset := s.conn.failed(); errors.Is(reset, errReset) || errors.Is(why, errReset) {
		acknowledged = 0 // and thrown away
	}
	s.drop((*conn).abandon)
	last := flush{}
	for _, f := range s.flushed {
		if f.sent <= acknowledged {
			last = f
		}
	}
	if last.sent == 0 {
		return
	}
	s.place.start = last.next
	if s.cfg.Protocol == TCP {
		s.place.start += s.count(b, last.next, acknowledged-last.sent)
	}
}

// count returns how many frames, from that of event first on, are whole within
// so many octets.
func (s *stream) count(b *outputs.Batch, first int, octets int64) (n int) {
	s.render.quiet = true
	for events := newCursor(b); ; {
		record, err := events.next()
		if err != nil || record == nil {
			return n
		}
		if events.index < first {
			continue
		}
		s.frames, _ = s.render.appendFrame(s.frames[:0], record)
		if octets -= int64(len(s.frames)); octets < 0 {
			return n
		}
		n++
	}
}

// drop ends the connection by end.
func (s *stream) drop(end func(*conn)) {
	s.remote.Store(nil)
	end(s.conn)
	s.conn = nil
}

// Check implements targets.Lane.
func (s *stream) Check(ctx context.Context) error {
	c, err := dial(ctx, s.cfg, s.target)
	if err != nil {
		return err
	}
	c.close()
	return nil
}

// Remote implements targets.Lane.
func (s *stream) Remote() netip.Addr {
	if a := s.remote.Load(); a != nil {
		return *a
	}
	return netip.Addr{}
}

// Renew implements targets.Lane.
func (s *stream) Renew() {
	s.renew.Store(true)
	if s.mu.TryLock() {
		defer s.mu.Unlock()
		if s.conn != nil {
			s.drop((*conn).close)
		}
	}
}

// Close implements targets.Lane.
func (s *stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.drop((*conn).close)
	}
	return nil
}
