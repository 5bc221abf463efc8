package relp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// Output forwards events to a RELP server. It implements outputs.Output.
type Output struct {
	cfg     Config
	log     zerolog.Logger
	metrics *metrics
	encoder *relp.BatchEncoder

	// What follows belongs to Write and Close, which never run at the same time.
	session  *session
	progress progress
	// target is the index of the target to try first.
	target int
	// plain are the targets that refuse a session when offered the link.
	plain map[string]bool
	// frames is the memory of what is about to be written, message of a rendered one.
	frames, message []byte
	names           syslog.Interner
}

// New checks the configuration and returns an output. It connects at the first Write.
func New(cfg Config) (*Output, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	codec, err := relp.ParseCodec(cfg.Compression)
	if err != nil {
		return nil, err
	}
	encoder, err := relp.NewBatchEncoder(codec)
	if err != nil {
		return nil, fmt.Errorf("relp output %q: %w", cfg.Name, err)
	}
	m, err := newMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("relp output %q: register metrics: %w", cfg.Name, err)
	}
	return &Output{
		cfg: cfg, encoder: encoder, metrics: m, plain: make(map[string]bool),
		log: cfg.Logger.With().Str("output", cfg.Name).Logger(),
	}, nil
}

// Write implements outputs.Output. Over the link a second Write of an event does
// no harm: the server knows the events by their positions. To a plain server an
// event is sent twice only where the connection was lost before its answer.
func (o *Output) Write(ctx context.Context, b *outputs.Batch) error {
	o.progress.begin(b)
	for {
		s, fresh, err := o.connect(ctx, b.Stream)
		if err != nil {
			return err
		}
		_, before := o.progress.left(b.Count)
		if err = o.writeTo(ctx, s, b); err == nil {
			return o.progress.result(b.Count)
		}
		var refused *refusedError
		if errors.As(err, &refused) && !s.link {
			return fmt.Errorf("%s: %w", s.target, err) // the session goes on
		}
		o.drop(s, err)
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", s.target, ctx.Err())
		}
		// A session that was kept from an earlier Write may have been lost long
		// ago, unnoticed: that is no failure of the target.
		if _, after := o.progress.left(b.Count); fresh || after < before {
			return fmt.Errorf("%s: %w", s.target, err)
		}
	}
}

// writeTo sends what is not yet owned of b and waits for the answers.
func (o *Output) writeTo(ctx context.Context, s *session, b *outputs.Batch) error {
	// A write that blocks ends with ctx.
	stop := context.AfterFunc(ctx, func() { s.net.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	if s.link {
		return o.writeLink(ctx, s, b)
	}
	return o.writePlain(ctx, s, b)
}

// connect returns the session that is open, or opens one with the first target
// that answers.
func (o *Output) connect(ctx context.Context, stream string) (s *session, fresh bool, err error) {
	if s := o.session; s != nil {
		if err := s.window.failed(); err == nil && (!s.link || s.stream == stream) {
			return s, false, nil
		} else if err != nil {
			o.log.Debug().Str("target", s.target).AnErr("why", err).Msg("relp session ended while idle")
		}
		s.abandon()
		o.session = nil
	}
	var errs []error
	for range o.cfg.Targets {
		target := o.cfg.Targets[o.target]
		s, err := o.openSession(ctx, target, stream)
		if err == nil {
			o.session = s
			o.metrics.connects.Inc()
			o.log.Info().Str("target", target).Bool("link", s.link).Msg("relp session open")
			return s, true, nil
		}
		o.metrics.connectFailures.Inc()
		errs = append(errs, fmt.Errorf("connect to %s: %w", target, err))
		o.target = (o.target + 1) % len(o.cfg.Targets)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, false, errors.Join(errs...)
}

// openSession offers the link, and where the target wants no session with such
// an offer, a plain one.
func (o *Output) openSession(ctx context.Context, target, stream string) (*session, error) {
	if o.cfg.Plain || o.plain[target] {
		return o.dial(ctx, target, "")
	}
	s, err := o.dial(ctx, target, stream)
	var refused *refusedError
	if !errors.As(err, &refused) || stream == "" {
		return s, err
	}
	if s, err = o.dial(ctx, target, ""); err == nil {
		o.plain[target] = true
	}
	return s, err
}

// drop gives a session up after a failure, and lets the next target have its turn.
func (o *Output) drop(s *session, why error) {
	s.abandon()
	o.session = nil
	o.metrics.losses.Inc()
	o.target = (o.target + 1) % len(o.cfg.Targets)
	o.log.Debug().Str("target", s.target).AnErr("why", why).Msg("relp session given up")
}

// flush writes what has been put into o.frames.
func (o *Output) flush(ctx context.Context, s *session) error {
	if len(o.frames) == 0 {
		return nil
	}
	s.net.SetWriteDeadline(time.Now().Add(o.cfg.AckTimeout))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	n, err := s.net.Write(o.frames)
	o.metrics.octets.Add(float64(n))
	o.frames = o.frames[:0]
	if cap(o.frames) > maxKeptFrames {
		o.frames = nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return nil
}

// maxKeptFrames bounds the memory kept for the next write.
const maxKeptFrames = 4 << 20

// errAckTimeout: the server is connected but does not answer.
var errAckTimeout = errors.New("the server does not answer")

// wait returns when at most want requests are on their way, after handing every
// answer to f. Time runs out when nothing is answered for as long as AckTimeout.
func (o *Output) wait(ctx context.Context, s *session, want int, f func(*request)) error {
	timeout := time.NewTimer(o.cfg.AckTimeout)
	defer timeout.Stop()
	for {
		if s.window.collect(f) > 0 {
			timeout.Reset(o.cfg.AckTimeout)
		}
		if n, _ := s.window.inFlight(); n <= want {
			return nil
		}
		if err := s.window.failed(); err != nil {
			return err
		}
		select {
		case <-s.window.changed:
		case <-timeout.C:
			return fmt.Errorf("%w for %s", errAckTimeout, o.cfg.AckTimeout)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close ends the session.
func (o *Output) Close() error {
	if o.session != nil {
		o.session.close()
		o.session = nil
	}
	return nil
}
