package vfs

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is what a disk writes whole or not at all.
const sector = 512

// CrashClone returns what a disk would hold had the power gone now: everything
// that was synced, and of the rest what rng says: none, all, the first part, or
// any of it in any order, in sectors. Nobody holds a lock in it, and it has no
// hook and no capacity. m is not changed.
func (m *Mem) CrashClone(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	c.root = m.root.crash(rng, make(map[*node]*node))
	return c
}

// Clone returns what the processes see now, all of it durable: the disk after
// the death of a process.
func (m *Mem) Clone() *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := NewMem()
	c.root = m.root.clone()
	return c
}

func (n *node) clone() *node {
	if !n.dir {
		return &node{data: bytes.Clone(n.data), synced: bytes.Clone(n.data)}
	}
	c := newDir()
	for name, e := range n.entries {
		c.entries[name] = e.clone()
	}
	c.durable = maps.Clone(c.entries)
	return c
}

// loss is how much of what was not synced survives.
type loss int

const (
	lossAll loss = iota
	lossNone
	lossTail
	lossAny
	losses
)

// crash returns n as it is found after power loss. A node with two names stays
// one.
func (n *node) crash(rng *rand.Rand, done map[*node]*node) *node {
	if c := done[n]; c != nil {
		return c
	}
	c := &node{dir: n.dir}
	done[n] = c
	if n.dir {
		entries := maps.Clone(n.durable)
		for _, op := range choose(rng, n.dirOps) {
			op.apply(entries)
		}
		c.entries = make(map[string]*node, len(entries))
		for _, name := range slices.Sorted(maps.Keys(entries)) { // a seed means the same in every run
			c.entries[name] = entries[name].crash(rng, done)
		}
		c.durable = maps.Clone(c.entries)
		return c
	}
	data := bytes.Clone(n.synced)
	for _, op := range choose(rng, n.ops) {
		data = op.apply(data)
	}
	if len(n.ops) > 0 && loss(rng.IntN(int(losses))) == lossAny {
		data = tear(rng, n.synced, n.ops)
	}
	c.data, c.synced = data, bytes.Clone(data)
	return c
}

// choose returns the changes that survive.
func choose[T any](rng *rand.Rand, ops []T) []T {
	switch loss(rng.IntN(int(losses))) {
	case lossNone:
		return ops
	case lossTail:
		return ops[:rng.IntN(len(ops)+1)]
	case lossAny:
		var kept []T
		for _, op := range ops {
			if rng.IntN(2) == 0 {
				kept = append(kept, op)
			}
		}
		return kept
	}
	return nil
}

// tear applies some sectors of the writes.
func tear(rng *rand.Rand, synced []byte, ops []fileOp) []byte {
	data := bytes.Clone(synced)
	for _, op := range ops {
		if op.data == nil {
			if rng.IntN(2) == 0 {
				data = op.apply(data)
			}
			continue
		}
		end := op.off + int64(len(op.data))
		for from := op.off; from < end; {
			to := min(end, (from/sector+1)*sector)
			if rng.IntN(2) == 0 {
				data = fileOp{from, op.data[from-op.off : to-op.off]}.apply(data)
			}
			from = to
		}
	}
	return data
}
