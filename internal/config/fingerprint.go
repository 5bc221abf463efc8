package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"slices"
)

// Fingerprint tells whether two tables say the same: it is a hash of all keys and
// values, with the environment put in and secrets resolved, wherever and in whatever
// order they stand. The named keys are left out. It is taken after Decode.
func (t Table) Fingerprint(without ...string) string {
	h := sha256.New()
	if t.node != nil {
		t.node.hash(h, without)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// FingerprintOf is the Fingerprint of what stands at a key, and "" where nothing does.
func (t Table) FingerprintOf(key string) string {
	if t.node == nil || t.node.table[key] == nil {
		return ""
	}
	h := sha256.New()
	t.node.table[key].hash(h, nil)
	return hex.EncodeToString(h.Sum(nil))
}

func (n *node) hash(h hash.Hash, without []string) {
	switch n.kind {
	case tableKind:
		fmt.Fprint(h, "{")
		for _, key := range slices.Sorted(maps.Keys(n.table)) {
			if slices.Contains(without, key) {
				continue
			}
			fmt.Fprintf(h, "%q=", key)
			n.table[key].hash(h, nil)
		}
		fmt.Fprint(h, "}")
	case arrayKind, tablesKind:
		fmt.Fprint(h, "[")
		for _, item := range n.items {
			item.hash(h, nil)
			fmt.Fprint(h, ",")
		}
		fmt.Fprint(h, "]")
	default:
		value := n.scalar
		if s, ok := value.(string); ok {
			if out, _, err := expand(s); err == nil {
				value = out
			}
		}
		if n.secret {
			value = n.resolved.value
		}
		fmt.Fprintf(h, "%T:%q;", value, fmt.Sprint(value))
	}
}

// sort names the kind of n, for errors.
func (n *node) sort() string {
	switch n.kind {
	case tableKind:
		return "a table, [" + n.path() + "],"
	case tablesKind:
		return "an array of tables, [[" + n.path() + "]],"
	case arrayKind:
		return "an array"
	}
	return "a plain value"
}

// Override is a value that a later file has put in the place of an earlier one's.
type Override struct {
	// Key is the dotted key, Pos where the value stands that counts, Before where
	// the one stands that does not.
	Key         string
	Pos, Before Pos
}

// Overrides returns the values of earlier files that later ones have replaced.
func (f *File) Overrides() (all []Override) {
	f.node.each(func(n *node) {
		if n.over != nil {
			all = append(all, Override{n.path(), n.pos, n.over.pos})
		}
	})
	return all
}

// each calls do for n and all below, tables in the order of their keys.
func (n *node) each(do func(*node)) {
	do(n)
	for _, key := range slices.Sorted(maps.Keys(n.table)) {
		n.table[key].each(do)
	}
	for _, item := range n.items {
		item.each(do)
	}
}
