package alert

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/notify"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

// Config says what is watched, and whom is told.
type Config struct {
	Rules    []*Rule
	Channels []Channel
	// View is the log.
	View *spool.View
	// State is the path of the file in which alerts survive a restart.
	State string
	// Interval is how often conditions are evaluated. Default 1s.
	Interval time.Duration
	// Now is the clock, and FS the file system. Defaults: the real ones.
	Now func() time.Time
	FS  vfs.FS
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
	Logger     zerolog.Logger
}

// saveInterval is how often the position and the counts are saved while nothing
// changes that is to be told. After a crash what has come since is read again.
const saveInterval = 10 * time.Second

// deafness is for how long nobody may have listened without silence beginning anew: a
// reload of the configuration takes less.
const deafness = 10 * time.Second

// Watcher evaluates alerts over a log while it grows.
type Watcher struct {
	cfg   Config
	sieve *search.Sieve

	mu       sync.Mutex // guards what follows
	engine   *engine
	boxes    []*outbox
	position uint64
	// head is the end of the log as it was seen last.
	head       uint64
	evaluated  uint64
	missed     uint64
	unreadable uint64
	saveErrors uint64
	spent      time.Duration

	// nextSave is when the state is saved next where nothing happens.
	nextSave time.Time

	saving sync.Mutex // held while the file is written; guards what follows
	most   int        // maxStateFile, but for tests
	large  bool       // what was written last lacks what did not fit
}

// New reads the state of alerts, and where there is none begins at the end of the log.
func New(cfg Config) (*Watcher, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.FS == nil {
		cfg.FS = vfs.OS
	}
	if cfg.Interval <= 0 {
		cfg.Interval = time.Second
	}
	w := &Watcher{cfg: cfg, most: maxStateFile}
	var queries []*search.Query
	for _, r := range cfg.Rules {
		queries = append(queries, r.Query)
	}
	w.sieve = search.NewSieve(queries)
	for _, c := range cfg.Channels {
		w.boxes = append(w.boxes, newOutbox(c))
	}
	var err error
	if w.head, err = cfg.View.Head(); err != nil {
		return nil, fmt.Errorf("find the end of the log: %w", err)
	}
	saved, err := loadState(cfg.FS, cfg.State, cfg.View.ID(), cfg.Logger)
	if err != nil {
		return nil, err
	}
	now := cfg.Now()
	w.position = w.head
	start := now
	if saved != nil && saved.Position > 0 && saved.Position <= w.head {
		w.position, start = saved.Position, time.Unix(0, min(saved.Now, now.UnixNano()))
	}
	w.engine = newEngine(cfg.Rules, start)
	if saved != nil {
		changes := w.engine.restore(saved.Alerts, saved.Now)
		if now.Sub(time.Unix(0, saved.Now)) > deafness {
			w.engine.listenFrom(now)
		}
		for _, q := range saved.Pending {
			if o := w.box(q.Channel); o != nil {
				o.restore(q)
			} else {
				cfg.Logger.Warn().Str("channel", q.Channel).Str("alert", q.Notice.Alert).Msg("an alert cannot be told: its channel was removed from the configuration")
			}
		}
		w.queue(changes)
	}
	if err := w.save(); err != nil && !errors.Is(err, vfs.ErrTooLarge) { // that keeps nobody from starting
		return nil, fmt.Errorf("save the state of alerts: %w", err)
	}
	return w, w.register(cfg.Registerer)
}

func (w *Watcher) box(name string) *outbox {
	i := slices.IndexFunc(w.boxes, func(o *outbox) bool { return o.Name == name })
	if i < 0 {
		return nil
	}
	return w.boxes[i]
}

// queue puts what has changed into the boxes. w.mu is held, or nobody else is there.
func (w *Watcher) queue(changes []Change) {
	now := w.cfg.Now()
	for i := range changes {
		c := &changes[i]
		if c.State == Inactive && c.Rule.Silent {
			continue
		}
		n := c.Notice()
		for _, o := range w.boxes {
			_, remembers := o.Sender.(notify.Refresher)
			if c.Rule.tells(o.Name) && !(c.Repeat && remembers) {
				o.add(n, now)
			}
		}
	}
}

// Run watches until ctx ends. Its other returns are failures of the log.
func (w *Watcher) Run(ctx context.Context) error {
	telling, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	for _, o := range w.boxes {
		wg.Go(func() { w.tell(telling, o) })
	}
	w.warm(ctx)
	err := w.read(ctx)
	stop()
	wg.Wait()
	w.saveNow()
	return err
}

// read reads the log and evaluates now and then.
func (w *Watcher) read(ctx context.Context) error {
	follower := w.cfg.View.Follow(w.position)
	defer follower.Close()
	next := time.Now().Add(w.cfg.Interval)
	for {
		until, cancel := context.WithDeadline(ctx, next)
		b, err := follower.Next(until)
		cancel()
		switch {
		case ctx.Err() != nil, errors.Is(err, spool.ErrClosed):
			return nil
		case err == nil:
			w.block(&b)
		case errors.Is(err, context.DeadlineExceeded):
		case errors.Is(err, spool.ErrVersion):
			return fmt.Errorf("read the log for alerts: %w", err)
		default:
			// The disk failed; the reader tries again where it stood.
			w.cfg.Logger.Warn().Err(err).Msg("alerts cannot read the log: it is tried again")
			if !sleep(ctx, w.cfg.Interval) {
				return nil
			}
		}
		if time.Now().Before(next) {
			continue
		}
		next = time.Now().Add(w.cfg.Interval)
		if err := w.evaluate(); err != nil {
			return err
		}
	}
}

// block counts the events of a block.
func (w *Watcher) block(b *spool.Block) {
	began := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.cfg.Now()
	if b.Next() < w.head { // written in the future where the clock was set back since
		now = time.Unix(0, max(min(b.Appended, now.UnixNano()), w.engine.now))
	}
	w.engine.clock(now)
	w.unreadable += uint64(w.sieve.Each(b.Records, func(query int, e *syslog.Event) { w.engine.observe(query, e) }))
	w.evaluated += uint64(b.Count)
	w.missed += b.Missing
	w.position = b.Next()
	w.spent += time.Since(began)
}

// evaluate evaluates the conditions, and sees to it that what has changed is told.
func (w *Watcher) evaluate() error {
	head, err := w.cfg.View.Head()
	if err != nil {
		return fmt.Errorf("find the end of the log: %w", err)
	}
	began := time.Now()
	w.mu.Lock()
	w.head = head
	if w.position >= head {
		w.engine.clock(w.cfg.Now())
	}
	changes := w.engine.advance()
	w.queue(changes)
	due := len(changes) > 0 || !w.cfg.Now().Before(w.nextSave)
	w.spent += time.Since(began)
	w.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		if c.Repeat {
			continue
		}
		w.cfg.Logger.Info().Str("alert", c.Rule.Name).Strs("group", c.Values).Str("state", string(c.State)).Uint64("value", c.Value).Msg("alert")
	}
	if due {
		w.saveNow()
	}
	return nil
}

// saveNow saves the state, and lets what waits be sent. Where it cannot be saved that
// is told and counted, and alerts are sent all the same: told twice after a crash is
// better than not at all.
func (w *Watcher) saveNow() {
	if err := w.save(); err != nil {
		w.mu.Lock()
		w.saveErrors++
		first := w.saveErrors == 1
		w.mu.Unlock()
		if first {
			w.cfg.Logger.Error().Err(err).Msg("the state of alerts cannot be saved: after a crash some may be told twice")
		}
	}
}

// save writes the file.
func (w *Watcher) save() error {
	w.saving.Lock()
	defer w.saving.Unlock()
	began := time.Now()
	w.mu.Lock()
	id := w.cfg.View.ID()
	state := savedState{Version: stateVersion, Log: hex.EncodeToString(id[:]), Position: w.position, Now: w.engine.now, Alerts: w.engine.save(), Pending: []queued{}}
	lengths := make([]int, len(w.boxes))
	for i, o := range w.boxes {
		state.Pending = append(state.Pending, o.waiting()...)
		lengths[i] = len(o.list)
	}
	lost := make([]uint64, len(w.boxes))
	for i, o := range w.boxes {
		lost[i] = o.gone()
	}
	w.mu.Unlock()
	text, err := w.encode(&state)
	if err == nil {
		err = vfs.WriteFileAtomic(w.cfg.FS, w.cfg.State, text, 0o640)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// A state with many groups takes its time; it is written the less often.
	w.nextSave = w.cfg.Now().Add(max(saveInterval, 50*time.Since(began)))
	for i, o := range w.boxes {
		o.saved(lengths[i] - int(o.gone()-lost[i]))
	}
	return err
}

// encode returns the text of a state, which is no larger than what is read. It may lack
// what can be done without; that is told. w.saving is held.
func (w *Watcher) encode(state *savedState) ([]byte, error) {
	text, err := json.Marshal(state)
	large := len(text) > w.most
	if large {
		state.lean()
		text, err = json.Marshal(state)
	}
	if err == nil && len(text) > w.most {
		return nil, fmt.Errorf("%d octets are %w: at most %d are read; let alerts watch fewer groups, or tell the notices that wait", len(text), vfs.ErrTooLarge, w.most)
	}
	if large && !w.large {
		w.cfg.Logger.Warn().Msg("the state of alerts is too large to be saved in full: after a restart they count anew what does not fire")
	}
	w.large = large
	return text, err
}

// sleep waits, and returns false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
