package vfs

import "slices"

// node is a file or a folder.
type node struct {
	dir bool

	// Of a file:
	data   []byte // what is read
	synced []byte // what is durable
	ops    []fileOp
	// settled is how many changes before those in ops are durable, or lost with a sync
	// that failed.
	settled int

	// Of a folder:
	entries map[string]*node
	durable map[string]*node
	dirOps  []dirOp
}

// fileOp is a change of a file that is not durable. data nil: set the size to off.
type fileOp struct {
	off  int64
	data []byte
}

// dirOp is a change of a folder that is not durable: from goes, to gets the node.
type dirOp struct {
	from, to string
	node     *node
}

func newDir() *node {
	return &node{dir: true, entries: make(map[string]*node), durable: make(map[string]*node)}
}

func (op fileOp) apply(b []byte) []byte {
	if op.data == nil {
		return resize(b, op.off)
	}
	if end := op.off + int64(len(op.data)); end > int64(len(b)) {
		b = resize(b, end)
	}
	copy(b[op.off:], op.data)
	return b
}

func resize(b []byte, size int64) []byte {
	if size <= int64(len(b)) {
		return b[:size]
	}
	old := len(b)
	b = slices.Grow(b, int(size)-old)[:size]
	clear(b[old:])
	return b
}

func (op dirOp) apply(entries map[string]*node) {
	if op.from != "" {
		delete(entries, op.from)
	}
	if op.to != "" {
		entries[op.to] = op.node
	}
}

func (n *node) changeFile(op fileOp) {
	n.ops = append(n.ops, op)
	n.data = op.apply(n.data)
}

func (n *node) changeDir(op dirOp) {
	n.dirOps = append(n.dirOps, op)
	op.apply(n.entries)
}

func (n *node) octets() int64 {
	total := int64(len(n.data))
	for _, e := range n.entries {
		total += e.octets()
	}
	return total
}
