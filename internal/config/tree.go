package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// node is a value of the document with its place. Exactly one of table, items
// and scalar is in use, by kind.
type node struct {
	kind   kind
	pos    Pos // of the key
	valPos Pos // of the value
	key    string
	parent *node

	table  map[string]*node
	items  []*node
	scalar any
	// literal is a string as the file has it, with quotes and escapes.
	literal string
	// secret keeps the value out of errors; resolved is what it stands for.
	secret   bool
	resolved Secret
	// conceal masks what is secret of an address; nil for what is none.
	conceal func(string) string
	// over is the value of an earlier file that this one replaces; nil for none.
	over *node
	// shape is what the table was decoded into; invalid where it was not.
	shape reflect.Value
}

type kind uint8

const (
	scalarKind kind = iota
	tableKind
	arrayKind
	// tablesKind is an array of tables, [[name]] or name = [{…}].
	tablesKind
)

// tabular tells whether values of the kind are merged, not replaced.
func (k kind) tabular() bool { return k == tableKind || k == tablesKind }

// builder joins the decoder's values with the scanner's places. A value without
// a place, which only a fault of the scanner could leave, takes its parent's.
type builder struct {
	file  string
	order int
}

func (b *builder) node(parent *node, key string, v any, p *place) *node {
	switch v := v.(type) {
	case map[string]any:
		return b.table(parent, key, v, p)
	case []map[string]any:
		n := b.leaf(parent, key, p)
		n.kind = tablesKind
		for i, item := range v {
			n.items = append(n.items, b.table(n, "", item, p.item(i)))
		}
		return n
	case []any:
		n := b.leaf(parent, key, p)
		n.kind = arrayKind
		tables := len(v) > 0
		for i, item := range v {
			child := b.node(n, "", item, p.item(i))
			tables = tables && child.kind == tableKind
			n.items = append(n.items, child)
		}
		if tables {
			n.kind = tablesKind
		}
		return n
	default:
		n := b.leaf(parent, key, p)
		n.scalar = v
		return n
	}
}

func (b *builder) table(parent *node, key string, values map[string]any, p *place) *node {
	n := b.leaf(parent, key, p)
	n.kind = tableKind
	n.table = make(map[string]*node, len(values))
	for k, v := range values {
		n.table[k] = b.node(n, k, v, p.child(k))
	}
	return n
}

func (b *builder) leaf(parent *node, key string, p *place) *node {
	n := &node{key: key, parent: parent}
	if p == nil {
		n.pos, n.valPos = Pos{File: b.file, order: b.order}, Pos{File: b.file, order: b.order}
		if parent != nil {
			n.pos, n.valPos = parent.pos, parent.valPos
		}
		return n
	}
	n.pos = Pos{File: b.file, Line: p.key.line, Column: p.key.column, order: b.order}
	n.valPos = Pos{File: b.file, Line: p.val.line, Column: p.val.column, order: b.order}
	n.literal = p.literal
	return n
}

func (p *place) child(key string) *place {
	if p == nil {
		return nil
	}
	return p.table[key]
}

func (p *place) item(i int) *place {
	if p == nil || i >= len(p.items) {
		return nil
	}
	return p.items[i]
}

// merge takes other, which comes from a later file, into n; both are tables. clash is
// told of a key that is one sort of thing here and another there.
func (n *node) merge(other *node, clash func(ours, theirs *node)) {
	for k, theirs := range other.table {
		ours := n.table[k]
		switch {
		case ours != nil && (ours.kind.tabular() || theirs.kind.tabular()) && ours.kind != theirs.kind:
			clash(ours, theirs)
			continue
		case ours != nil && ours.kind == tableKind && theirs.kind == tableKind:
			ours.merge(theirs, clash)
			continue
		case ours != nil && ours.kind == tablesKind && theirs.kind == tablesKind:
			for _, item := range theirs.items {
				item.parent = ours
				ours.items = append(ours.items, item)
			}
			continue
		}
		theirs.parent, theirs.over = n, ours
		n.table[k] = theirs
	}
}

// path is the dotted key of n, without the indices of arrays: "output.tls.cert".
func (n *node) path() string {
	if n == nil || n.parent == nil {
		return ""
	}
	up := n.parent.path()
	if n.key == "" {
		return up
	}
	key := n.key
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r > 0x7e || !bare(byte(r)) }) {
		key = strconv.Quote(key)
	}
	if up == "" {
		return key
	}
	return up + "." + key
}

// where names the table n as the file does: `[http]`, `[[input]] of type "tcp"`.
func (n *node) where() string {
	switch {
	case n.parent == nil:
		return "the top level"
	case n.parent.kind == tablesKind || n.parent.kind == arrayKind:
		s := "[[" + n.path() + "]]"
		if t := n.table["type"]; t != nil && t.kind == scalarKind {
			if v, ok := t.scalar.(string); ok {
				s += fmt.Sprintf(" of type %q", v)
			}
		}
		return s
	}
	return "[" + n.path() + "]"
}

// within is where with its preposition.
func (n *node) within() string {
	if n.parent == nil {
		return "at " + n.where()
	}
	return "in " + n.where()
}

// find follows a path of dotted keys and indices, "targets[1].tls.cert", and
// returns the nearest node that exists, n where there is none.
func (n *node) find(path string) *node {
	at := n
	for _, part := range strings.Split(path, ".") {
		name, index, indexed := strings.Cut(part, "[")
		if at.table[name] == nil {
			return at
		}
		at = at.table[name]
		if !indexed {
			continue
		}
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err != nil || i < 0 || i >= len(at.items) {
			return at
		}
		at = at.items[i]
	}
	return at
}

// shown is the value as an error shows it: as written, cut when long.
func (n *node) shown() string {
	switch {
	case n.secret:
		return Secret{"x"}.String()
	case n.kind == tableKind:
		return "a table"
	case n.kind == tablesKind:
		return "an array of tables"
	case n.kind == arrayKind:
		return "an array"
	}
	s, ok := n.scalar.(string)
	if !ok {
		s = fmt.Sprint(n.scalar)
	}
	if _, variable := n.variable(); n.conceal != nil && !variable {
		s = n.conceal(s)
	}
	s = withoutUserinfo(s)
	if len(s) > 60 {
		s = strings.ToValidUTF8(s[:60], "") + "…"
	}
	if ok {
		return strconv.Quote(s)
	}
	return s
}

// withoutUserinfo takes user and password out of an address: errors are logged.
func withoutUserinfo(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority = rest[:i]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		return scheme + "://…" + rest[i:]
	}
	return s
}
