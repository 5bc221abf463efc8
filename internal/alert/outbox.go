package alert

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
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
	// list are the notices, in order, that not every recipient has.
	list []queued
	// ready are how many of the list are durable, and may be sent.
	ready      int
	recipients []*recipient
	wake       chan struct{}
	attempts   uint64
	sent       uint64
	lost       map[string]uint64 // by reason
	retries    uint64
}

// recipient is one of those whom a channel tells. Each is told in order, and none waits
// for another.
type recipient struct {
	name string
	// has are how many of the list it has, or never will have: the first ones.
	has int
	// failure is why the last attempt has failed, "" where it has not.
	failure string
	// pause is that after the next failure, until the end of the one after the last.
	pause time.Duration
	until time.Time
	// turn is the number of the last attempt.
	turn uint64
}

func newOutbox(c Channel) *outbox {
	if c.RetryMin <= 0 {
		c.RetryMin = time.Second
	}
	if c.RetryMax <= 0 {
		c.RetryMax = time.Minute
	}
	o := &outbox{Channel: c, wake: make(chan struct{}, 1), lost: map[string]uint64{"refused": 0, "expired": 0, "overflow": 0}}
	names := []string{""}
	if several, ok := c.Sender.(notify.Addressed); ok {
		names = several.Recipients()
	}
	for _, name := range names {
		o.recipients = append(o.recipients, &recipient{name: name, pause: c.RetryMin})
	}
	return o
}

// add queues a notice. It is sent once the state is saved.
func (o *outbox) add(n notify.Notice, now time.Time) {
	if len(o.list) >= maxPending {
		o.drop(1)
		o.lost["overflow"]++
	}
	o.list = append(o.list, queued{Channel: o.Name, Queued: now, Notice: n})
}

// restore queues a notice that was saved.
func (o *outbox) restore(q queued) {
	for _, r := range o.recipients {
		if r.has == len(o.list) && slices.Contains(q.Told, r.name) {
			r.has++
		}
	}
	q.Told = nil
	o.list = append(o.list, q)
	o.shed()
}

// waiting returns the notices as they are saved.
func (o *outbox) waiting() []queued {
	list := slices.Clone(o.list)
	for _, r := range o.recipients {
		for i := range list[:r.has] {
			list[i].Told = append(list[i].Told, r.name)
		}
	}
	return list
}

// shed lets go of the notices that every recipient has.
func (o *outbox) shed() {
	n := len(o.list)
	for _, r := range o.recipients {
		n = min(n, r.has)
	}
	for i := range o.list[:n] {
		if o.list[i].Refused {
			o.lost["refused"]++
		} else {
			o.sent++
		}
	}
	o.drop(n)
}

// drop takes away the n oldest notices.
func (o *outbox) drop(n int) {
	o.list, o.ready = o.list[n:], max(0, o.ready-n)
	for _, r := range o.recipients {
		r.has = max(0, r.has-n)
	}
}

// gone is how many notices have left the box.
func (o *outbox) gone() uint64 {
	n := o.sent
	for _, lost := range o.lost {
		n += lost
	}
	return n
}

// failure is why recipients cannot be told, nil where all can.
func (o *outbox) failure() error {
	var all []string
	for _, r := range o.recipients {
		if r.failure != "" {
			all = append(all, r.failure)
		}
	}
	return joined(all)
}

// joined makes one error of what several recipients have failed with, each once.
func joined(failures []string) error {
	slices.Sort(failures)
	if failures = slices.Compact(failures); len(failures) == 0 {
		return nil
	}
	return errors.New(strings.Join(failures, "; "))
}

// saved tells that the first n of what waits are durable.
func (o *outbox) saved(n int) {
	o.ready = max(0, min(n, len(o.list)))
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
	for {
		to, batch, wait := w.take(o)
		if len(batch) == 0 {
			var again <-chan time.Time
			idle := refresh
			if wait > 0 {
				again, idle = time.After(wait), nil
			}
			select {
			case <-ctx.Done():
				return
			case <-o.wake:
			case <-again:
			case <-idle:
				w.refresh(sending, o)
			}
			continue
		}
		if !w.told(o, to, batch, o.send(sending, to, batch), &logger) && ctx.Err() != nil {
			return
		}
	}
}

// send makes one attempt. It returns what it came to for each recipient.
func (o *outbox) send(ctx context.Context, to []*recipient, batch []notify.Notice) []error {
	several, ok := o.Sender.(notify.Addressed)
	if !ok {
		return []error{o.Sender.Send(ctx, batch)}
	}
	names := make([]string, len(to))
	for i, r := range to {
		names[i] = r.name
	}
	return several.SendTo(ctx, names, batch)
}

// take returns what is to be sent next, and to whom: those who have come as far as the
// one whose last attempt is the longest ago. Where all have what there is, or pause, it
// returns for how long the first of these does. What is too old is dropped.
func (w *Watcher) take(o *outbox) (to []*recipient, batch []notify.Notice, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for o.ready > 0 && w.cfg.Now().Sub(o.list[0].Queued) > maxPatience {
		o.drop(1)
		o.lost["expired"]++
	}
	now := time.Now()
	var next *recipient
	for _, r := range o.recipients {
		pause := r.until.Sub(now)
		switch {
		case r.has >= o.ready:
		case pause > 0:
			if wait == 0 || pause < wait {
				wait = pause
			}
		case next == nil || r.turn < next.turn:
			next = r
		}
	}
	if next == nil {
		return nil, nil, wait
	}
	for _, r := range o.recipients {
		if r.has == next.has && !r.until.After(now) {
			to = append(to, r)
		}
	}
	for _, q := range o.list[next.has:min(o.ready, next.has+notify.MaxNotices)] {
		batch = append(batch, q.Notice)
	}
	return to, batch, 0
}

// told takes note of what an attempt has come to. false: for some it is to be made again.
func (w *Watcher) told(o *outbox, to []*recipient, batch []notify.Notice, errs []error, logger *zerolog.Logger) bool {
	var failed, refused []string // what is new, and what is for good
	var again []*recipient
	recovered := false
	w.mu.Lock()
	o.attempts++
	for i, r := range to {
		err, before := errs[i], r.failure
		r.turn, r.failure = o.attempts, ""
		switch {
		case err == nil:
			recovered = recovered || before != ""
		case notify.IsRefused(err):
			r.failure = err.Error()
			refused = append(refused, r.failure)
		default:
			r.failure = err.Error()
			again = append(again, r)
			if before == "" && !errors.Is(err, context.Canceled) {
				failed = append(failed, r.failure)
			}
			continue
		}
		r.pause, r.until = o.RetryMin, time.Time{}
		o.advance(r, batch, err != nil)
	}
	if len(again) > 0 {
		o.retries++
		// They wait together, so that one attempt will do for all.
		pause := slices.MaxFunc(again, func(a, b *recipient) int { return cmp.Compare(a.pause, b.pause) }).pause
		until := time.Now().Add(pause/2 + rand.N(pause/2+1))
		for _, r := range again {
			r.pause, r.until = min(2*pause, o.RetryMax), until
		}
	}
	o.shed()
	w.mu.Unlock()
	if len(failed) > 0 {
		logger.Warn().Err(joined(failed)).Msg("alerts cannot be told: it is tried again")
	}
	if len(refused) > 0 {
		logger.Error().Err(joined(refused)).Int("notices", len(batch)).Msg("alerts are refused for good, and dropped")
	}
	if recovered {
		logger.Info().Msg("alerts can be told again")
	}
	if len(again) < len(to) {
		w.saveNow()
	}
	return len(again) == 0
}

// advance takes note that a recipient has a batch, or has refused it.
func (o *outbox) advance(r *recipient, batch []notify.Notice, refused bool) {
	// Meanwhile the oldest may have given way to new ones.
	last := batch[len(batch)-1].ID
	sent := o.list[r.has:min(len(o.list), r.has+len(batch))]
	n := slices.IndexFunc(sent, func(q queued) bool { return q.Notice.ID == last }) + 1
	for i := range sent[:n] {
		sent[i].Refused = sent[i].Refused || refused
	}
	r.has += n
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
		failure := ""
		if err != nil {
			failure = err.Error()
			o.retries++
		}
		for _, r := range o.recipients {
			r.failure = failure
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
