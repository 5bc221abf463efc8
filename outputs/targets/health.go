package targets

import (
	"context"
	"time"
)

// How a target gets stuck is found by those that wait for it; how the others are
// must be known by then. So from a third of the patience on all others are asked
// side by side, and who has not answered for another third is passed over: however
// many hang, only the first costs time.

// suspicion is how long a target may owe an answer before the others are asked, and
// how long a check may take before the target is passed over meanwhile.
func (c *Config) suspicion() time.Duration { return c.Patience / 3 }

// watchHealth checks targets until ctx ends: those that failed every second, so
// that they are used again soon after they are well; idle ones now and then, so that
// it is known beforehand who could stand in; and all that are idle while one that is
// in use keeps its answer waiting.
func (g *Group) watchHealth(ctx context.Context) {
	// By the time the patience is over those that hang must have been known to for a
	// while, also on a machine that is late: so it is looked well before each suspicion.
	tick := time.NewTicker(min(checkPause, g.cfg.CheckEvery, g.cfg.suspicion()/3))
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
		// None waits for another: one that hangs would hide that others are back.
		for _, m := range g.due(idle) {
			g.background.Go(func() { g.check(ctx, m) })
		}
	}
}

// due returns the members to check, and notes that they are being asked.
func (g *Group) due(idle bool) (list []*member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	suspected := g.suspected()
	for i, m := range g.members {
		if !m.asked.IsZero() {
			continue
		}
		failed := m.down != nil && time.Now().After(m.restUntil)
		standby := g.cfg.Mode != Balance && i > 0 && !m.lane.Remote().IsValid()
		if failed || m.down == nil && !m.busy && (suspected || idle && standby) {
			m.asked = time.Now()
			if failed {
				m.restUntil = m.asked.Add(checkPause)
			}
			list = append(list, m)
		}
	}
	return list
}

// suspected tells whether a target in use has owed an answer for a while. g.mu is held.
func (g *Group) suspected() bool {
	for _, m := range g.members {
		if m.busy && m.lane.Silent() >= g.cfg.suspicion() {
			return true
		}
	}
	return false
}

// works tells whether m can be sent to: it has not failed, and keeps no check
// waiting. g.mu is held.
func (g *Group) works(m *member) bool {
	return m.down == nil && (m.asked.IsZero() || time.Since(m.asked) < g.cfg.suspicion())
}

// check takes a target in use again, or out of it.
func (g *Group) check(ctx context.Context, m *member) {
	limited, cancel := context.WithTimeout(ctx, g.cfg.CheckTimeout)
	defer cancel()
	err := m.lane.Check(limited)
	if ctx.Err() != nil {
		return
	}
	g.mu.Lock()
	m.asked = time.Time{}
	wasDown := m.down != nil
	if err == nil && wasDown {
		m.down, m.upSince, m.served = nil, time.Now(), false
	}
	gone := m.gone
	g.mu.Unlock()
	switch {
	case gone:
	case err != nil:
		g.fail(m, err)
	case wasDown:
		g.metrics.up(m.address, true)
		g.cfg.Logger.Info().Str("target", m.address).Msg("target works again")
	}
	g.signal()
}

// rest is how long m, which has just failed, is left alone. g.mu is held.
//
// A server that is restarted several times in a minute is used again at once each
// time. One that answers checks and nothing else, as a stopped program does whose
// kernel goes on, and one that works and hangs by turns, rest for longer each time.
func (m *member) rest() time.Duration {
	m.lapses++
	switch {
	case time.Since(m.upSince) > steady:
		m.lapses = 0
	case !m.served:
		m.lapses = max(m.lapses, forgiven+1)
	}
	return min(checkPause<<min(max(m.lapses-forgiven, 0), maxDoublings), maxPause)
}
