package alert

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/notify"
)

// Limits of what waits to be told.
const (
	// maxPending bounds the notices that wait for one channel; the oldest give way.
	maxPending = 10_000
	// maxPatience is for how long is tried to tell a notice.
	maxPatience = 24 * time.Hour
	// stopGrace is how long a notice on its way may take when the node stops.
	stopGrace = 3 * time.Second
)

// Channel is a configured way to tell.
type Channel struct {
	// Name is the configured name, Type its type.
	Name, Type string
	Sender     notify.Sender
	// RetryMin and RetryMax bound the pause between attempts. Defaults 1s and 1m.
	RetryMin, RetryMax time.Duration
}

// outbox is what waits for one channel. The watcher's mutex guards it.
type outbox struct {
	Channel
	list []queued
	// ready are how many of the list are durable, and may be sent.
	ready int
	wake  chan struct{}
	// failure is why the last attempt has failed, "" where it has not.
	failure string
	sent    uint64
	lost    map[string]uint64 // by reason
	retries uint64
}

func newOutbox(c Channel) *outbox {
	if c.RetryMin <= 0 {
		c.RetryMin = time.Second
	}
	if c.RetryMax <= 0 {
		c.RetryMax = time.Minute
	}
	return &outbox{Channel: c, wake: make(chan struct{}, 1), lost: map[string]uint64{"refused": 0, "expired": 0, "overflow": 0}}
}

// add queues a notice. It is sent once the state is saved.
func (o *outbox) add(n notify.Notice, now time.Time) {
	if len(o.list) >= maxPending {
		o.list = o.list[1:]
		o.ready = max(0, o.ready-1)
		o.lost["overflow"]++
	}
	o.list = append(o.list, queued{Channel: o.Name, Queued: now, Notice: n})
}

// gone is how many notices have left the box.
func (o *outbox) gone() uint64 {
	n := o.sent
	for _, lost := range o.lost {
		n += lost
	}
	return n
}

// saved tells that the first n of what waits are durable.
func (o *outbox) saved(n int) {
	o.ready = min(n, len(o.list))
	if o.ready > 0 {
		select {
		case o.wake <- struct{}{}:
		default:
		}
	}
}

// tell sends what waits for one channel until ctx ends.
func (w *Watcher) tell(ctx context.Context, o *outbox) {
	logger := w.cfg.Logger.With().Str("channel", o.Name).Logger()
	sending, stop := graceful(ctx, stopGrace)
	defer stop()
	refresher, _ := o.Sender.(notify.Refresher)
	var refresh <-chan time.Time
	if refresher != nil {
		ticker := time.NewTicker(refresher.Refresh())
		defer ticker.Stop()
		refresh = ticker.C
		w.refresh(sending, o)
	}
	pause := o.RetryMin
	for {
		batch := w.take(o)
		if len(batch) == 0 {
			select {
			case <-ctx.Done():
				return
			case <-o.wake:
			case <-refresh:
				w.refresh(sending, o)
			}
			continue
		}
		err := o.Sender.Send(sending, batch)
		if w.told(o, batch, err, &logger) {
			pause = o.RetryMin
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		}
		pause = min(2*pause, o.RetryMax)
	}
}

// take returns what is to be sent next. What is too old is dropped.
func (w *Watcher) take(o *outbox) (batch []notify.Notice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for o.ready > 0 && w.cfg.Now().Sub(o.list[0].Queued) > maxPatience {
		o.list, o.ready = o.list[1:], o.ready-1
		o.lost["expired"]++
	}
	for i := 0; i < o.ready && i < notify.MaxNotices; i++ {
		batch = append(batch, o.list[i].Notice)
	}
	return batch
}

// told takes note of what an attempt has come to. false: it is to be made again.
func (w *Watcher) told(o *outbox, batch []notify.Notice, err error, logger *zerolog.Logger) bool {
	w.mu.Lock()
	before := o.failure
	switch {
	case err == nil:
		o.failure = ""
		o.sent += uint64(len(batch))
	case notify.IsRefused(err):
		o.failure = err.Error()
		o.lost["refused"] += uint64(len(batch))
	default:
		o.failure = err.Error()
		o.retries++
		w.mu.Unlock()
		if before == "" && !errors.Is(err, context.Canceled) {
			logger.Warn().Err(err).Msg("alerts cannot be told: it is tried again")
		}
		return false
	}
	// Meanwhile the oldest may have given way to new ones.
	last := batch[len(batch)-1].ID
	for i := range min(o.ready, len(batch)) {
		if o.list[i].Notice.ID == last {
			o.list, o.ready = o.list[i+1:], o.ready-i-1
			break
		}
	}
	w.mu.Unlock()
	switch {
	case err != nil:
		logger.Error().Err(err).Int("notices", len(batch)).Msg("alerts are refused for good, and dropped")
	case before != "":
		logger.Info().Msg("alerts can be told again")
	}
	w.saveNow()
	return true
}

// refresh tells all that fires to a channel that would forget it.
func (w *Watcher) refresh(ctx context.Context, o *outbox) {
	w.mu.Lock()
	var all []notify.Notice
	for _, c := range w.engine.firing() {
		if c.Rule.tells(o.Name) {
			all = append(all, c.Notice())
		}
	}
	w.mu.Unlock()
	for len(all) > 0 && ctx.Err() == nil {
		n := min(len(all), notify.MaxNotices)
		err := o.Sender.Send(ctx, all[:n])
		w.mu.Lock()
		if err != nil {
			o.failure = err.Error()
			o.retries++
		} else {
			o.failure = ""
		}
		w.mu.Unlock()
		if err != nil {
			return // the next refresh tells it
		}
		all = all[n:]
	}
}

// graceful returns a context that ends some time after ctx does.
func graceful(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-later.Done():
		}
	})
	return later, func() { stop(); cancel() }
}
