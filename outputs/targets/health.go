package targets

import (
	"context"
	"sync"
	"time"
)

// watchHealth checks targets until ctx ends: those that failed every second, so
// that they are used again soon after they are well, and idle ones now and then,
// so that it is known beforehand who could stand in.
func (g *Group) watchHealth(ctx context.Context) {
	tick := time.NewTicker(min(checkPause, g.cfg.CheckEvery))
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		idle := time.Since(last) >= g.cfg.CheckEvery
		if idle {
			last = time.Now()
		}
		var checks sync.WaitGroup
		for _, m := range g.due(idle) {
			checks.Go(func() { g.check(ctx, m) })
		}
		checks.Wait()
	}
}

// due returns the members to check.
func (g *Group) due(idle bool) (list []*member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, m := range g.members {
		standby := g.cfg.Mode != Balance && !m.busy && i > 0
		failed := m.down != nil && time.Now().After(m.restUntil)
		if failed || m.down == nil && idle && standby && !m.lane.Remote().IsValid() {
			list = append(list, m)
		}
	}
	return list
}

// check takes a target in use again, or out of it.
func (g *Group) check(ctx context.Context, m *member) {
	limited, cancel := context.WithTimeout(ctx, g.cfg.CheckTimeout)
	defer cancel()
	err := m.lane.Check(limited)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		g.fail(m, err)
		return
	}
	g.mu.Lock()
	wasDown := m.down != nil
	m.down = nil
	if wasDown {
		m.upSince = time.Now()
	}
	g.mu.Unlock()
	if wasDown {
		g.metrics.up(m.address, true)
		g.cfg.Logger.Info().Str("target", m.address).Msg("target works again")
		g.signal()
	}
}
