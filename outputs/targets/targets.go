// Package targets gives an output several servers to send to: one after the
// other (failover) or all at once (balance). It watches them, leaves the one that
// fails or is stuck, takes what that had not acknowledged to another, and comes
// back when it does.
//
//   - An event is handed to another server only after the one before has failed to
//     acknowledge it. So it may reach two, never none.
//   - A server that failed gets nothing until it has answered a check.
//   - While a server keeps its answer waiting all others are asked, so that messages
//     go at once to one that answers, however many do not.
//   - What is wrong with a message, not with a server, is tried again with the
//     same server, so that the message is found.
package targets

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/outputs"
)

// The modes.
const (
	// Failover sends to the first target that works, and goes back to an earlier
	// one when that works again.
	Failover = "failover"
	// Balance sends to all that work, to each as fast as it answers.
	Balance = "balance"
)

// Lane sends to one target. Write and Close are never called at the same time;
// Silent, Check and Remote may be called at any.
type Lane interface {
	// Write is that of outputs.Output. With an error that is no *outputs.Rejected
	// it says how many events at the beginning of b the target owns already: those
	// need not go to another.
	Write(ctx context.Context, b *outputs.Batch) (owned int, err error)
	// Silent is how long the target has owed Write an answer, 0 while it owes none.
	Silent() time.Duration
	// Check returns nil if the target answers, over a connection of its own.
	Check(ctx context.Context) error
	// Remote is the address connected to, the zero Addr while there is none.
	Remote() netip.Addr
	// Renew closes the connection when Write does not use it; the next Write
	// connects anew.
	Renew()
	Close() error
}

// Config says which targets there are and how they are spoken to.
type Config struct {
	// Output is the output's name, for metrics and log.
	Output string
	// Targets are host:port each, or the name of an SRV record, which begins with
	// an underscore (_syslane._tcp.example.net).
	Targets []string
	// Mode is Failover (default) or Balance.
	Mode string
	// Open returns the lane to an address, host:port. It does not connect.
	Open func(address string) Lane
	// Refused tells whether an error of Lane.Write is about a message and not
	// about the target.
	Refused func(error) bool
	// Patience is how long a lane's Write lets its target owe an answer before it
	// gives the target up. Default 3s.
	Patience time.Duration
	// CheckTimeout bounds a check. Default 3s.
	CheckTimeout time.Duration
	// CheckEvery is the time between two checks of a target that is not in use.
	// Default 5s.
	CheckEvery time.Duration
	// ResolveEvery is the time between two looks at names. Default 30s.
	ResolveEvery time.Duration
	// Resolver looks names up; nil is the one of the system.
	Resolver *net.Resolver

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

// checkPause is the time between two checks of a target that has failed; maxPause
// the longest that one rests which answers checks and nothing else.
const (
	checkPause = time.Second
	maxPause   = 30 * time.Second
	// steady is how long a target must have been in use to count as well again.
	steady = 10 * time.Second
	// forgiven is how many times in a row a target that was of use may fail sooner,
	// before it rests for longer.
	forgiven = 4
	// maxDoublings of checkPause exceed maxPause.
	maxDoublings = 5
)

// Parse checks targets as a configuration names them.
func Parse(list []string) error {
	if len(list) == 0 {
		return errors.New("targets is empty: name at least one host:port")
	}
	seen := make(map[string]bool)
	for _, t := range list {
		if seen[t] {
			return fmt.Errorf("target %q is named twice", t)
		}
		seen[t] = true
		if isService(t) {
			continue
		}
		if host, port, err := net.SplitHostPort(t); err != nil || host == "" || port == "" {
			return fmt.Errorf("target %q: want host:port, or the name of an SRV record such as _syslane._tcp.example.net", t)
		}
	}
	return nil
}

// CheckMode checks a mode as a configuration names it.
func CheckMode(mode string) error {
	switch mode {
	case "", Failover, Balance:
		return nil
	}
	return fmt.Errorf("mode %q: want %q or %q", mode, Failover, Balance)
}

// Several tells whether there may be more than one server behind the list.
func Several(list []string) bool { return len(list) > 1 || len(list) == 1 && isService(list[0]) }

// Group is an outputs.Output over several lanes.
type Group struct {
	cfg     Config
	metrics *metrics

	// mu guards members and what is not noted otherwise in them.
	mu      sync.Mutex
	members []*member
	// changed gets a token when a check has ended or the list has changed.
	changed chan struct{}
	// resolved is closed once the names have been looked up for the first time.
	resolved   chan struct{}
	resolveErr error

	background sync.WaitGroup
	stop       context.CancelFunc

	// What follows belongs to Write.
	progress progress
	// active is the member that failover uses; turn lets the idle take turns.
	active *member
	turn   int
}

// member is a target with what is known of it.
type member struct {
	address string
	lane    Lane
	// tier orders targets: a lower one goes first.
	tier int
	// down is why the target gets nothing at present, nil while it does.
	down error
	// asked is since when a check waits for its answer, zero while none does.
	asked time.Time
	// After a failure the target rests until restUntil. lapses is how often it has
	// failed soon after it had come back, at upSince; served: it has taken something
	// since then.
	restUntil, upSince time.Time
	lapses             int
	served             bool
	// gone: the target is no longer in the list. It is closed when it is idle.
	gone bool
	busy bool
}

// New returns a group and begins to watch its targets.
func New(cfg Config) (*Group, error) {
	if err := errors.Join(Parse(cfg.Targets), CheckMode(cfg.Mode)); err != nil {
		return nil, err
	}
	if cfg.Patience == 0 {
		cfg.Patience = 3 * time.Second
	}
	if cfg.CheckTimeout == 0 {
		cfg.CheckTimeout = 3 * time.Second
	}
	if cfg.CheckEvery == 0 {
		cfg.CheckEvery = 5 * time.Second
	}
	if cfg.ResolveEvery == 0 {
		cfg.ResolveEvery = 30 * time.Second
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	m, err := newMetrics(cfg.Output, cfg.Registerer)
	if err != nil {
		return nil, err
	}
	g := &Group{cfg: cfg, metrics: m, changed: make(chan struct{}, 1), resolved: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.background.Go(func() { g.watchNames(ctx) })
	if Several(cfg.Targets) {
		g.background.Go(func() { g.watchHealth(ctx) })
	}
	return g, nil
}

// Write implements outputs.Output.
func (g *Group) Write(ctx context.Context, b *outputs.Batch) error {
	if err := g.ready(ctx); err != nil {
		return err
	}
	if g.cfg.Mode == Balance && Several(g.cfg.Targets) {
		return g.balance(ctx, b)
	}
	return g.failover(ctx, b)
}

// Packer is a Lane whose Write may be given outputs.Batch.Packed. Packs, which may be
// called at any time, tells whether it had better be. ErrUnpack of a Write is passed on.
type Packer interface {
	Lane
	Packs() bool
}

// Packs implements outputs.Packer. Where events are divided among targets they are
// needed unpacked.
func (g *Group) Packs() bool {
	if g.active == nil || g.cfg.Mode == Balance && Several(g.cfg.Targets) {
		return false
	}
	p, ok := g.active.lane.(Packer)
	return ok && p.Packs()
}

// ready waits for the first look at the names, and for a target that works: not
// for long, so that it is known that none does.
func (g *Group) ready(ctx context.Context) error {
	select {
	case <-g.resolved:
	case <-ctx.Done():
		return ctx.Err()
	}
	patience := time.NewTimer(checkPause)
	defer patience.Stop()
	for {
		err := g.noneUp()
		if err == nil {
			return nil
		}
		select {
		case <-g.changed:
		case <-patience.C:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// noneUp returns nil if there is a target that works, else why there is none.
func (g *Group) noneUp() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for _, m := range g.members {
		if m.down == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", m.address, m.down))
	}
	if len(errs) == 0 {
		return fmt.Errorf("no target is known: %w", g.resolveErr)
	}
	return errors.Join(errs...)
}

// fail takes a target out of use until a check finds it well. The only target
// there is stays in use: then the delivery does the waiting.
func (g *Group) fail(m *member, why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !Several(g.cfg.Targets) || m.gone {
		return
	}
	if m.down == nil {
		m.restUntil = time.Now().Add(m.rest())
		g.cfg.Logger.Warn().Str("target", m.address).Err(why).Msg("target fails: its messages go to another, if there is one")
	}
	m.down = why
	g.metrics.up(m.address, false)
}

// release puts a target back that Write has used; served: it has taken something.
func (g *Group) release(m *member, served bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m.busy = false
	m.served = m.served || served
}

// undecided tells whether there is a target that keeps a check waiting, but has not
// failed.
func (g *Group) undecided() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.ContainsFunc(g.members, func(m *member) bool { return m.down == nil && !g.works(m) })
}

// await waits until the targets are no longer what they were.
func (g *Group) await(ctx context.Context) error {
	select {
	case <-g.changed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *Group) signal() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// Only returns the lane of the only target, for what only makes sense with one.
func (g *Group) Only(ctx context.Context) (Lane, error) {
	if err := g.ready(ctx); err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.members) != 1 {
		return nil, fmt.Errorf("there are %d targets where only one makes sense", len(g.members))
	}
	return g.members[0].lane, nil
}

// Close implements outputs.Output.
func (g *Group) Close() error {
	g.stop()
	g.background.Wait()
	var errs []error
	for _, m := range g.members {
		errs = append(errs, m.lane.Close())
	}
	return errors.Join(errs...)
}
