package targets

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serviceTier is added to the priorities of SRV records, so that they are told
// from the order of the list.
const serviceTier = 1 << 16

// isService tells whether a target is the name of an SRV record.
func isService(target string) bool { return strings.HasPrefix(target, "_") }

// address is a target as the names resolve at present.
type address struct {
	hostPort string
	tier     int
}

// watchNames looks names up until ctx ends: those of SRV records for the servers
// they name, others for whether a server has moved.
func (g *Group) watchNames(ctx context.Context) {
	g.resolve(ctx)
	close(g.resolved)
	g.signal()
	pause := g.cfg.ResolveEvery
	if !slices.ContainsFunc(g.cfg.Targets, needsLookup) {
		return
	}
	for {
		wait := pause
		if g.count() == 0 {
			wait = min(pause, checkPause)
		}
		select {
		case <-time.After(wait):
			g.resolve(ctx)
			g.renewMoved(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func needsLookup(target string) bool {
	host, _, err := net.SplitHostPort(target)
	if err != nil {
		return true
	}
	_, err = netip.ParseAddr(host)
	return err != nil
}

func (g *Group) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members)
}

// resolve brings the members up to date. Where a look-up fails the list stays.
func (g *Group) resolve(ctx context.Context) {
	var list []address
	for i, t := range g.cfg.Targets {
		if !isService(t) {
			list = append(list, address{hostPort: t, tier: i})
			continue
		}
		servers, err := g.lookup(ctx, t)
		if err != nil {
			g.mu.Lock()
			g.resolveErr = err
			g.mu.Unlock()
			g.cfg.Logger.Debug().Err(err).Msg("the servers of an SRV record are not known")
			return
		}
		for _, a := range servers {
			a.tier += serviceTier * (i + 1)
			list = append(list, a)
		}
	}
	g.update(list)
}

func (g *Group) lookup(ctx context.Context, name string) ([]address, error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.CheckTimeout)
	defer cancel()
	return lookup(ctx, g.cfg.Resolver, name)
}

// lookup returns the servers of an SRV record, in the order of priority and
// random by weight within it (RFC 2782).
func lookup(ctx context.Context, resolver *net.Resolver, name string) ([]address, error) {
	_, records, err := resolver.LookupSRV(ctx, "", "", name)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	var list []address
	for _, r := range records {
		host := strings.TrimSuffix(r.Target, ".")
		if host == "" {
			return nil, fmt.Errorf("%s says that the service is not there", name)
		}
		list = append(list, address{net.JoinHostPort(host, strconv.Itoa(int(r.Port))), int(r.Priority)})
	}
	return list, nil
}

// update makes the members those of the list. Who stays keeps connection and
// place, so that a new random order moves nobody.
func (g *Group) update(list []address) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.resolveErr = nil
	order := make(map[string]int)
	for i, a := range list {
		order[a.hostPort] = i
	}
	kept := g.members[:0:0]
	for _, m := range g.members {
		if i, ok := order[m.address]; ok {
			m.tier = list[i].tier
			kept = append(kept, m)
			delete(order, m.address)
			continue
		}
		m.gone = true
		g.metrics.forget(m.address)
		g.cfg.Logger.Info().Str("target", m.address).Msg("target is no longer named")
		g.retire(m)
	}
	for _, a := range list {
		if _, isNew := order[a.hostPort]; isNew {
			delete(order, a.hostPort)
			kept = append(kept, &member{address: a.hostPort, tier: a.tier, lane: g.cfg.Open(a.hostPort)})
			g.metrics.up(a.hostPort, true)
		}
	}
	slices.SortStableFunc(kept, func(a, b *member) int { return a.tier - b.tier })
	g.members = kept
	g.signal()
}

// retire closes the lane of a member that has left the list, once it is idle. g.mu is held.
func (g *Group) retire(m *member) {
	g.background.Go(func() {
		for {
			g.mu.Lock()
			busy := m.busy
			g.mu.Unlock()
			if !busy {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := m.lane.Close(); err != nil {
			g.cfg.Logger.Debug().Err(err).Str("target", m.address).Msg("connection did not close well")
		}
	})
}

// renewMoved has those lanes connect anew whose name no longer stands for the
// address that they are connected to.
func (g *Group) renewMoved(ctx context.Context) {
	g.mu.Lock()
	members := slices.Clone(g.members)
	g.mu.Unlock()
	for _, m := range members {
		host, _, err := net.SplitHostPort(m.address)
		remote := m.lane.Remote()
		if err != nil || !remote.IsValid() || !needsLookup(m.address) {
			continue
		}
		lookup, cancel := context.WithTimeout(ctx, g.cfg.CheckTimeout)
		addrs, err := g.cfg.Resolver.LookupNetIP(lookup, "ip", host)
		cancel()
		if err != nil || slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Unmap() == remote.Unmap().WithZone("") }) {
			continue
		}
		g.cfg.Logger.Info().Str("target", m.address).Stringer("was", remote).Msg("target has another address: connecting there")
		m.lane.Renew()
	}
}
