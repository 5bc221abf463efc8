package targets

import (
	"context"
	"errors"
	"fmt"

	"github.com/syslane/syslane/outputs"
)

// progress is what is known of a batch from one Write of it to the next.
type progress struct {
	stream string
	first  uint64
	// start is the index of the first event not known to be owned.
	start int
	// pieces are those of a balanced batch.
	pieces []*piece
}

func (p *progress) begin(b *outputs.Batch) {
	if p.stream != b.Stream || p.first != b.First {
		*p = progress{stream: b.Stream, first: b.First}
	}
}

// failover hands b to the first target that works, and what that does not
// acknowledge to the next.
func (g *Group) failover(ctx context.Context, b *outputs.Batch) error {
	g.progress.begin(b)
	for {
		m := g.first()
		if m == nil {
			if err := g.noneUp(); err != nil {
				return err
			}
			// One has just come back, or owes the answer to a check.
			if g.undecided() {
				if err := g.await(ctx); err != nil {
					return err
				}
			}
			continue
		}
		if m != g.active {
			if g.active != nil {
				g.metrics.switches.Inc()
				g.cfg.Logger.Info().Str("target", m.address).Msg("messages now go to another target")
				g.active.lane.Renew() // a connection kept idle would not tell how its target is
			}
			g.active = m
		}
		if b.Packed != nil && g.progress.start > 0 {
			g.release(m, false)
			return outputs.ErrUnpack
		}
		rest := tail(b, g.progress.start)
		owned, err := m.lane.Write(ctx, rest)
		var rejected *outputs.Rejected
		taken := err == nil || errors.As(err, &rejected)
		g.release(m, taken || owned > 0)
		if errors.Is(err, outputs.ErrUnpack) {
			return err
		}
		if taken {
			start := g.progress.start
			g.progress = progress{}
			return shifted(err, rejected, start)
		}
		if err = fmt.Errorf("%s: %w", m.address, err); ctx.Err() != nil || g.cfg.Refused(err) || !Several(g.cfg.Targets) {
			return err
		}
		// Only where another target goes on does it count what this one has: the
		// lane knows it in more detail.
		g.progress.start += owned
		g.fail(m, err)
		if g.progress.start >= b.Count {
			g.progress = progress{}
			return nil
		}
	}
}

// first takes the first target that works, in the order of the list.
func (g *Group) first() *member {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.members {
		if g.works(m) {
			m.busy = true
			return m
		}
	}
	return nil
}

// tail returns b without its first n events.
func tail(b *outputs.Batch, n int) *outputs.Batch {
	if n == 0 {
		return b
	}
	rest := cut(b, n, b.Count)
	return &rest
}

// shifted makes the places of rejected events those of the whole batch.
func shifted(err error, rejected *outputs.Rejected, start int) error {
	if rejected != nil && start > 0 {
		items := make([]outputs.Rejection, len(rejected.Items))
		for i, item := range rejected.Items {
			item.Index += start
			items[i] = item
		}
		return &outputs.Rejected{Items: items}
	}
	return err
}
