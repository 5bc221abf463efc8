package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// part is what of a machine a fault strikes. A part of a machine suffers one fault
// at a time, its parts each their own.
type part string

const (
	process     part = "process"
	wire        part = "wire"
	storage     part = "storage"
	wallClock   part = "clock"
	certificate part = "certificate"
)

// kind is a kind of fault.
type kind struct {
	name string
	part part
	// strikes tells which machines it can strike.
	strikes func(c *cluster, h *host) bool
	// most is how long it lasts at most, and mends how long mending may take then.
	most, mends time.Duration
	// weight is how often it is drawn beside others. Where it is 0 each machine that it
	// strikes suffers it once, in the first quarter of the time.
	weight int
	// begin breaks something, and returns what mends it.
	begin func(t testing.TB, c *cluster, h *host, random *rand.Rand) (end func() error, err error)
}

func anywhere(*cluster, *host) bool        { return true }
func onNodes(c *cluster, h *host) bool     { return c.nodeAt(h) != nil }
func onCertified(c *cluster, h *host) bool { return onNodes(c, h) && c.nodeAt(h).certified }
func onElastic(c *cluster, h *host) bool   { return h == c.elastic.host }
func none() error                          { return nil }
func (c *cluster) nodeAt(h *host) *node {
	for _, n := range c.nodes() {
		if n.host == h {
			return n
		}
	}
	return nil
}

func (c *cluster) agentAt(h *host) *agent {
	for _, a := range c.agents {
		if a.host == h {
			return a
		}
	}
	return nil
}

// kinds are all faults there are, but for one. binary is what nodes are upgraded to;
// empty where they start as it.
func kinds(binary, without string) []kind {
	all := []kind{
		{"kill -9", process, onNodes, 8 * time.Second, 3 * time.Second, 4, func(t testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
			n := c.nodeAt(h)
			n.Kill()
			return func() error { n.Restart(t); return nil }, nil
		}},
		{"SIGSTOP", process, anywhere, 12 * time.Second, 3 * time.Second, 3, func(t testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
			p := c.elastic.Process()
			if n := c.nodeAt(h); n != nil {
				n.Freeze()
				return func() error { n.Thaw(); return nil }, nil
			}
			if a := c.agentAt(h); a != nil {
				p = a.proc()
			}
			p.Freeze()
			return func() error { p.Thaw(); return nil }, nil
		}},
		{"restart", process, onNodes, 3 * time.Second, 3 * time.Second, 1, func(t testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
			n := c.nodeAt(h)
			n.Shutdown(t)
			return func() error { n.Restart(t); return nil }, nil
		}},
		{"cut", wire, anywhere, 12 * time.Second, time.Second, 3, func(_ testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
			return h.mend, h.cut()
		}},
		{"one-way cut", wire, anywhere, 12 * time.Second, time.Second, 2, func(_ testing.TB, c *cluster, h *host, random *rand.Rand) (func() error, error) {
			direction := []string{"in", "out"}[random.IntN(2)]
			return func() error { return h.clear(direction) }, h.rule(direction, "")
		}},
		{"loss of 20 %", wire, anywhere, 20 * time.Second, time.Second, 2, func(_ testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
			return func() error { return h.clear("in") }, h.rule("in", "numgen random mod 100 < 20")
		}},
		{"slow wire", wire, anywhere, 20 * time.Second, time.Second, 1, func(_ testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
			return h.fast, h.slow("1mbit")
		}},
		{"full disk", storage, onNodes, 12 * time.Second, time.Second, 2, func(_ testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
			d := c.nodeAt(h).disk
			return d.free, d.fill()
		}},
		{"clock jump", wallClock, onCertified, 20 * time.Second, time.Second, 2, func(_ testing.TB, c *cluster, h *host, random *rand.Rand) (func() error, error) {
			by := time.Duration(random.IntN(7200)-3600) * time.Second
			n := c.nodeAt(h)
			return func() error { return errors.Join(n.tells(by), n.clock.set(0)) }, n.clock.set(by)
		}},
		// A certificate is looked at when a connection opens, so the node is started again.
		{"expired certificate", process, onCertified, 8 * time.Second, 3 * time.Second, 1, func(t testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
			n := c.nodeAt(h)
			c.certify(t, n, time.Now().Add(-2*time.Hour))
			n.Kill()
			n.Restart(t)
			return func() error { c.certify(t, n, time.Now().Add(24*time.Hour)); return nil }, nil
		}},
		{"new certificate", certificate, onCertified, 0, time.Second, 1, func(t testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
			c.certify(t, c.nodeAt(h), time.Now().Add(24*time.Hour))
			return none, nil
		}},
		// Another input comes and goes, and a configuration that is wrong is refused.
		{"reload", process, onCertified, 4 * time.Second, time.Second, 3, func(t testing.TB, c *cluster, h *host, random *rand.Rand) (func() error, error) {
			n := c.nodeAt(h)
			load := func(more string) {
				n.syslane().Reconfigure(t, n.config+more)
				n.syslane().HangUp()
			}
			load([]string{"\n[[input]]\ntype = \"udp\"\nname = \"passing\"\nlisten = \"127.0.0.1:5140\"\n", "\nnonsense = 1\n"}[random.IntN(2)])
			return func() error { load(""); return nil }, nil
		}},
		{"kill -9", process, onElastic, 5 * time.Second, 25 * time.Second, 2, func(t testing.TB, c *cluster, _ *host, _ *rand.Rand) (func() error, error) {
			c.elastic.Kill()
			return func() error { c.elastic.Start(t); return nil }, nil
		}},
		{"index blocked", storage, onElastic, 12 * time.Second, time.Second, 3, func(_ testing.TB, c *cluster, _ *host, _ *rand.Rand) (func() error, error) {
			block := func(on bool) error {
				return c.elastic.Do("PUT", "/_all/_settings?expand_wildcards=all", map[string]any{"index.blocks.write": on}, nil)
			}
			// The server may be away meanwhile.
			return func() error { return insist(func() error { return block(false) }) }, insist(func() error { return block(true) })
		}},
	}
	if binary != "" {
		all = append(all, kind{"upgrade", process, onCertified, time.Second, 3 * time.Second, 0,
			func(t testing.TB, c *cluster, h *host, _ *rand.Rand) (func() error, error) {
				n := c.nodeAt(h)
				n.syslane().Use(binary)
				n.Shutdown(t)
				return func() error { n.Restart(t); return nil }, nil
			}})
	}
	return slices.DeleteFunc(all, func(k kind) bool { return k.name == without })
}

// insist tries for as long as a start of Elasticsearch takes on a machine with much to do.
func insist(f func() error) error {
	var err error
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		if err = f(); err == nil {
			return nil
		}
	}
	return err
}

// fault is a fault of a plan.
type fault struct {
	at, lasts time.Duration
	kind      kind
	host      *host
	seed      uint64
}

func (f fault) String() string { return fmt.Sprintf("%s at %s", f.kind.name, f.host.name) }

// mended is when the part that the fault strikes is as before, as far as is known.
func (f fault) mended() time.Duration { return f.at + f.lasts + f.kind.mends }

// meets reports whether both would strike one part of a machine at one time.
func (f fault) meets(other fault) bool {
	return f.host == other.host && f.kind.part == other.kind.part && f.at < other.mended() && other.at < f.mended()
}

// plan draws the faults of a run: the same for a seed and a cluster. All have ended
// by length.
func plan(seed uint64, length time.Duration, c *cluster, from []kind) (faults []fault) {
	const first = 2 * time.Second
	random := rand.New(rand.NewPCG(seed, 1))
	draw := func(k kind, h *host, at time.Duration) fault {
		return fault{at: at, lasts: time.Duration(random.Float64() * float64(k.most)), kind: k, host: h, seed: random.Uint64()}
	}
	var weighted []kind
	for _, k := range from {
		struck := slices.DeleteFunc(c.hosts(), func(h *host) bool { return !k.strikes(c, h) })
		if len(struck) == 0 {
			continue
		}
		for range k.weight {
			weighted = append(weighted, k)
		}
		if k.weight == 0 {
			for _, h := range struck {
				faults = append(faults, draw(k, h, first+time.Duration(random.Float64()*float64(length/4))))
			}
		}
	}
	// Pauses between faults are such that two or three are under way at most times.
	for at := first; ; at += time.Duration(random.ExpFloat64() * float64(1500*time.Millisecond)) {
		k := weighted[random.IntN(len(weighted))]
		hosts := slices.DeleteFunc(c.hosts(), func(h *host) bool { return !k.strikes(c, h) })
		f := draw(k, hosts[random.IntN(len(hosts))], at)
		if at >= length {
			slices.SortStableFunc(faults, func(a, b fault) int { return cmp.Compare(a.at, b.at) })
			return faults
		}
		if f.at+f.lasts <= length && !slices.ContainsFunc(faults, f.meets) {
			faults = append(faults, f)
		}
	}
}
