package targets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// The sizes of the pieces into which a batch is divided among targets: small
// enough to employ all of them, large enough for compression and fsync. There
// are never more than maxPieces, since receivers remember only so many gaps
// (docs/LINK.md).
const (
	minPiece  = 64 << 10
	maxPiece  = 1 << 20
	maxPieces = 64
)

// piece is a part of a batch that goes to one target as a whole.
type piece struct {
	outputs.Batch
	// at is the index in the whole batch of the piece's first event.
	at       int
	taken    bool
	owned    bool
	rejected []outputs.Rejection
	// refusedBy is the target that refused an event of the piece: only there it is tried again.
	refusedBy *member
	// rested: not to be tried again before the next Write.
	rested bool
}

// waits tells whether a target is still to be found for the piece.
func (p *piece) waits() bool { return !p.owned && !p.taken && !p.rested }

// errUnsent: the last target failed, and came back before anybody looked.
var errUnsent = errors.New("no target took the batch")

// written is how a piece fared.
type written struct {
	piece  *piece
	member *member
	owned  int
	err    error
}

// balance divides b among the targets that work. A target gets its next piece
// when it has acknowledged the one before, so that the fastest get most. What a
// target fails to acknowledge goes to the others.
func (g *Group) balance(ctx context.Context, b *outputs.Batch) error {
	p := &g.progress
	p.begin(b)
	if p.pieces == nil {
		var err error
		if p.pieces, err = divide(b, len(g.cfg.Targets)); err != nil {
			return err
		}
	}
	for _, piece := range p.pieces {
		piece.taken, piece.rested = false, false
	}
	results := make(chan written)
	var errs []error
	for busy := 0; ; {
		for ctx.Err() == nil {
			m, next := g.match(p.pieces)
			if next == nil {
				break
			}
			next.taken = true
			busy++
			go func() {
				owned, err := m.lane.Write(ctx, &next.Batch)
				results <- written{next, m, owned, err}
			}()
		}
		if busy == 0 {
			// What is left may be for a target that owes the answer to a check.
			if ctx.Err() != nil || !slices.ContainsFunc(p.pieces, (*piece).waits) || !g.undecided() {
				break
			}
			if err := g.await(ctx); err != nil {
				return err
			}
			continue
		}
		select {
		case r := <-results:
			busy--
			if err := g.settle(p, r); err != nil {
				errs = append(errs, err)
			}
		case <-g.changed: // perhaps a target works again
		}
	}
	return g.outcome(ctx, p, errs)
}

// outcome is what Write returns after every piece has been tried.
func (g *Group) outcome(ctx context.Context, p *progress, errs []error) error {
	var rejected []outputs.Rejection
	for _, piece := range p.pieces {
		if !piece.owned {
			return cmp.Or(ctx.Err(), errors.Join(errs...), g.noneUp(), errUnsent)
		}
		rejected = append(rejected, piece.rejected...)
	}
	g.progress = progress{}
	if len(rejected) == 0 {
		return nil
	}
	slices.SortFunc(rejected, func(a, b outputs.Rejection) int { return a.Index - b.Index })
	return &outputs.Rejected{Items: rejected}
}

// settle takes note of how a piece fared.
func (g *Group) settle(p *progress, r written) error {
	var rejected *outputs.Rejected
	taken := r.err == nil || errors.As(r.err, &rejected)
	g.release(r.member, taken || r.owned > 0)
	switch {
	case r.err == nil:
		r.piece.owned = true
		return nil
	case rejected != nil:
		r.piece.owned = true
		for _, item := range rejected.Items {
			item.Index += r.piece.at
			r.piece.rejected = append(r.piece.rejected, item)
		}
		return nil
	}
	err := fmt.Errorf("%s: %w", r.member.address, r.err)
	r.piece.taken = false
	if g.cfg.Refused(r.err) {
		r.piece.refusedBy, r.piece.rested = r.member, true
		return err
	}
	g.fail(r.member, r.err)
	r.piece.refusedBy = nil
	switch {
	case r.owned >= r.piece.Count:
		r.piece.owned = true
	case r.owned > 0:
		r.piece.Batch = cut(&r.piece.Batch, r.owned, r.piece.Count)
		r.piece.at += r.owned
	}
	return err
}

// match finds a piece that waits and an idle target for it; the idle take turns.
func (g *Group) match(pieces []*piece) (*member, *piece) {
	g.mu.Lock()
	defer g.mu.Unlock()
	tier, found := 0, false
	for _, m := range g.members {
		if g.works(m) && (!found || m.tier < tier) {
			tier, found = m.tier, true
		}
	}
	for i := range g.members {
		m := g.members[(g.turn+i)%len(g.members)]
		if m.busy || !g.works(m) || m.tier != tier && g.named(m) {
			continue
		}
		for _, p := range pieces {
			if !p.waits() {
				continue
			}
			if by := p.refusedBy; by != nil && by != m && by.down == nil && !by.gone {
				continue
			}
			m.busy = true
			g.turn = (g.turn + i + 1) % len(g.members)
			return m, p
		}
	}
	return nil, nil
}

// named tells whether the order of the target is one of an SRV record's
// priorities: of those only the first that works are used (RFC 2782). The order
// in which the configuration names targets means nothing to balance.
func (g *Group) named(m *member) bool { return m.tier >= serviceTier }

// divide cuts b into pieces.
func divide(b *outputs.Batch, targets int) ([]*piece, error) {
	size := min(max(len(b.Events)/(2*targets), minPiece), maxPiece)
	size = max(size, len(b.Events)/maxPieces+1)
	var pieces []*piece
	run, start, first := b.Events, b.Events, 0
	for i := 0; i < b.Count; i++ {
		record, rest := syslog.NextRecord(run)
		if record == nil {
			return nil, fmt.Errorf("batch at position %d holds %d of %d records", b.First, i, b.Count)
		}
		if len(start)-len(rest) > size && i > first {
			pieces = append(pieces, &piece{at: first, Batch: b.Part(first, i, start[:len(start)-len(run)])})
			first, start = i, run
		}
		run = rest
	}
	return append(pieces, &piece{at: first, Batch: b.Part(first, b.Count, start)}), nil
}

// cut returns the events of b with the indexes from to before to.
func cut(b *outputs.Batch, from, to int) outputs.Batch {
	run := b.Events
	for range from {
		_, run = syslog.NextRecord(run)
	}
	return b.Part(from, to, run)
}
