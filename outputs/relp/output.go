package relp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/targets"
)

// Output forwards events to RELP servers. It implements outputs.Packer.
type Output struct{ group *targets.Group }

// New checks the configuration and returns an output. It connects at the first Write.
func New(cfg Config) (*Output, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("relp output %q: register metrics: %w", cfg.Name, err)
	}
	cfg.Logger = cfg.Logger.With().Str("output", cfg.Name).Logger()
	group, err := targets.New(targets.Config{
		Output: cfg.Name, Targets: cfg.Targets, Mode: cfg.Mode, Resolver: cfg.Resolver, ResolveEvery: cfg.ResolveEvery,
		Open: func(address string) targets.Lane {
			var l targets.Packer = &lane{cfg: &cfg, log: cfg.Logger, metrics: m, target: address}
			return l
		},
		Refused:  func(err error) bool { var refused *refusedError; return errors.As(err, &refused) },
		Patience: cfg.AckTimeout,
		Logger:   cfg.Logger, Registerer: cfg.Registerer,
	})
	if err != nil {
		return nil, fmt.Errorf("relp output %q: %w", cfg.Name, err)
	}
	return &Output{group}, nil
}

// Write implements outputs.Output. Over the link a second Write of an event does
// no harm: the server knows the events by their positions. To a plain server an
// event is sent twice only where the connection was lost before its answer, and
// to two servers only where the first was left before it answered.
func (o *Output) Write(ctx context.Context, b *outputs.Batch) error { return o.group.Write(ctx, b) }

// Packs implements outputs.Packer.
func (o *Output) Packs() bool { return o.group.Packs() }

// Close ends the sessions.
func (o *Output) Close() error { return o.group.Close() }

// lane forwards events to one server. It implements targets.Packer.
type lane struct {
	cfg     *Config
	log     zerolog.Logger
	metrics *metrics
	target  string
	targets.Silence

	// mu is held by who uses the session; it guards what follows.
	mu       sync.Mutex
	session  *session
	encoder  *relp.BatchEncoder // made with the first session over the link
	narrow   *relp.BatchEncoder // in its place where the network is narrow
	pace     pace
	progress progress
	// plain: the target refuses a session when offered the link.
	plain bool
	// frames is the memory of what is about to be written, message of a rendered one.
	frames, message []byte
	packed          []relp.Packed
	names           syslog.Interner

	renew atomic.Bool
	// packs: the session takes what the log holds as it stands, and shall.
	packs atomic.Bool
	// goodbyes are the sessions being ended.
	goodbyes sync.WaitGroup
	// remote is the address connected to.
	remote atomic.Pointer[netip.Addr]
}

// Write implements targets.Lane.
func (o *lane) Write(ctx context.Context, b *outputs.Batch) (owned int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.progress.begin(b)
	defer o.End()
	for {
		o.Heard()
		s, fresh, err := o.connect(ctx, b)
		if err != nil {
			return o.progress.prefix(b.Count), err
		}
		if b.Packed != nil && !o.takesPacked(s, b) {
			return o.progress.prefix(b.Count), outputs.ErrUnpack
		}
		_, before := o.progress.left(b.Count)
		if err = o.writeTo(ctx, s, b); err == nil {
			return b.Count, o.progress.result(b.Count)
		}
		var refused *refusedError
		if errors.As(err, &refused) && !s.link {
			return o.progress.prefix(b.Count), err // the session goes on
		}
		o.drop(s, err)
		if ctx.Err() != nil {
			return o.progress.prefix(b.Count), ctx.Err()
		}
		// A session that was kept from an earlier Write may have been lost long
		// ago, unnoticed: that is no failure of the target. To be silent is.
		silent := errors.Is(err, errAckTimeout)
		if _, after := o.progress.left(b.Count); fresh || silent || after < before {
			return o.progress.prefix(b.Count), err
		}
	}
}

// writeTo sends what is not yet owned of b and waits for the answers.
func (o *lane) writeTo(ctx context.Context, s *session, b *outputs.Batch) error {
	// A write that blocks ends with ctx.
	stop := context.AfterFunc(ctx, func() { s.net.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	defer o.watch(s)()
	switch {
	case b.Packed != nil:
		return o.writePacked(ctx, s, b)
	case s.link:
		return o.writeLink(ctx, s, b)
	}
	return o.writePlain(ctx, s, b)
}

// connect returns the session that is open, or opens one that goes on with b.
func (o *lane) connect(ctx context.Context, b *outputs.Batch) (s *session, fresh bool, err error) {
	if s := o.session; s != nil {
		err := s.window.failed()
		if err == nil && !o.renew.Load() && (!s.link || s.stream == b.Stream) {
			return s, false, nil
		}
		if err != nil {
			o.log.Debug().Str("target", s.target).AnErr("why", err).Msg("relp session ended while idle")
		}
		o.leave(s, (*session).abandon)
	}
	o.renew.Store(false)
	if s, err = o.openSession(ctx, b); err != nil {
		o.metrics.connectFailures.Inc()
		// Whatever it was, it is no answer to a message.
		return nil, false, fmt.Errorf("connect: %v", err)
	}
	if s.link && o.encoder == nil {
		if o.encoder, o.narrow, err = o.cfg.newEncoders(); err != nil {
			s.abandon()
			return nil, false, err
		}
	}
	o.session = s
	o.packs.Store(s.packed && o.cfg.packs() && !o.pace.narrow)
	remote := s.tcp.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
	o.remote.Store(&remote)
	o.metrics.connects.Inc()
	o.log.Info().Str("target", o.target).Bool("link", s.link).Msg("relp session open")
	return s, true, nil
}

// openSession offers the link, and where the target wants no session with such
// an offer, a plain one.
func (o *lane) openSession(ctx context.Context, b *outputs.Batch) (*session, error) {
	if o.cfg.Plain || o.plain {
		return o.dial(ctx, nil)
	}
	s, err := o.dial(ctx, b)
	var refused *refusedError
	if !errors.As(err, &refused) {
		return s, err
	}
	if s, err = o.dial(ctx, nil); err == nil {
		o.plain = true
	}
	return s, err
}

// drop gives a session up after a failure.
func (o *lane) drop(s *session, why error) {
	o.leave(s, (*session).abandon)
	o.metrics.losses.Inc()
	o.log.Debug().Str("target", s.target).AnErr("why", why).Msg("relp session given up")
}

// leave ends the session by end.
func (o *lane) leave(s *session, end func(*session)) {
	o.remote.Store(nil)
	o.packs.Store(false)
	o.session = nil
	end(s)
}

// Packs implements targets.Packer.
func (o *lane) Packs() bool { return o.packs.Load() }

// Check implements targets.Lane: a server that answers "open" and then "close" is well,
// one that hangs between the two is not.
func (o *lane) Check(ctx context.Context) error {
	s, err := o.dial(ctx, nil)
	if err != nil {
		return err
	}
	return s.close()
}

// Remote implements targets.Lane.
func (o *lane) Remote() netip.Addr {
	if a := o.remote.Load(); a != nil {
		return *a
	}
	return netip.Addr{}
}

// Renew implements targets.Lane.
func (o *lane) Renew() {
	o.renew.Store(true)
	if o.mu.TryLock() {
		defer o.mu.Unlock()
		o.end()
	}
}

// Close implements targets.Lane.
func (o *lane) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end()
	o.goodbyes.Wait()
	return nil
}

// end says good-bye where there is a session. Nobody need wait for the answer, least of
// all messages that go to another server: this one may hang.
func (o *lane) end() {
	if s := o.session; s != nil {
		o.leave(s, func(s *session) { o.goodbyes.Go(func() { s.close() }) })
	}
}

// flush writes what has been put into o.frames.
func (o *lane) flush(ctx context.Context, s *session) error {
	if len(o.frames) == 0 {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n, err := s.net.Write(o.frames)
	o.metrics.octets.Add(float64(n))
	o.frames = o.frames[:0]
	if cap(o.frames) > maxKeptFrames {
		o.frames = nil
	}
	if err == nil {
		return nil
	}
	if stuck := s.window.failed(); errors.Is(stuck, errAckTimeout) {
		return stuck
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// maxKeptFrames bounds the memory kept for the next write.
const maxKeptFrames = 4 << 20

// wait returns when at most want requests are on their way, after handing every
// answer to f.
func (o *lane) wait(ctx context.Context, s *session, want int, f func(*request)) error {
	for {
		s.window.collect(f)
		if n, _ := s.window.inFlight(); n <= want {
			return nil
		}
		if err := s.window.failed(); err != nil {
			return err
		}
		select {
		case <-s.window.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
