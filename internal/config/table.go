package config

import (
	"fmt"
	"reflect"
	"slices"
)

// Table is one table of a configuration, such as one [[input]]. A struct field
// of type Table, []Table or map[string]Table keeps tables for later, when it is
// known which struct their type has; each must then be decoded, or Check
// complains. The zero Table is empty and belongs to no file.
type Table struct {
	file *File
	node *node
}

// Decode fills into, a pointer to a struct, from the table. A key that the
// struct does not know is an error; the key "type" is always known. All errors
// are returned, as Errors, and kept for File.Check.
func (t Table) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: Decode into %T; want a pointer to a struct", into))
	}
	if t.node == nil {
		return nil
	}
	delete(t.file.pending, t.node)
	d := binder{file: t.file, top: t.node}
	d.structure(t.node, v.Elem())
	if len(d.errs) == 0 {
		return nil
	}
	d.errs.sort()
	t.file.errs = append(t.file.errs, d.errs...)
	return d.errs
}

// Shape returns the struct that the table was decoded into, with what it holds;
// invalid where it was not.
func (t Table) Shape() reflect.Value {
	if t.node == nil {
		return reflect.Value{}
	}
	return t.node.shape
}

// Type returns the table's key "type", which must be one of known. Where it is
// not, the error says which there are, and Check asks for no decoding any more.
func (t Table) Type(known ...string) (string, error) {
	if t.node == nil {
		return "", t.Errorf("type", "is missing")
	}
	delete(t.file.pending, t.node)
	n := t.node.table["type"]
	if n == nil {
		return "", t.file.add(&Error{Pos: t.node.pos, Key: "type",
			Text: fmt.Sprintf("%s: key \"type\" is missing%s", t.node.where(), Suggest("", known))})
	}
	name, ok := n.scalar.(string)
	if !ok || n.kind != scalarKind {
		return "", t.file.add(&Error{Pos: n.valPos, Key: n.path(),
			Text: fmt.Sprintf("%s = %s is not a string%s", n.path(), n.shown(), Suggest("", known))})
	}
	if !slices.Contains(known, name) {
		return "", t.file.add(&Error{Pos: n.valPos, Key: n.path(),
			Text: fmt.Sprintf("%s = %s: unknown type%s", n.path(), n.shown(), Suggest(name, known))})
	}
	t.file.pending[t.node] = struct{}{}
	return name, nil
}

// Has tells whether the file sets the key, dotted for one in a table below.
func (t Table) Has(key string) bool {
	if t.node == nil {
		return false
	}
	at := t.node.find(key)
	return at != t.node && at.path() == joinPath(t.node.path(), key)
}

func joinPath(a, b string) string {
	if a == "" {
		return b
	}
	return a + "." + b
}

// Pos returns where the table stands.
func (t Table) Pos() Pos {
	if t.node == nil {
		return Pos{}
	}
	return t.node.pos
}

// Errorf makes an error about a value that Decode took and that is wrong all the
// same: "file:line:column: input.listen = ":70000": port is above 65535". The
// key is dotted for one in a table below and can have indices
// ("targets[1].host"); where the file does not set it, the error stands at the
// table. The error is returned, and kept for File.Check.
func (t Table) Errorf(key, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if t.node == nil {
		return t.file.add(&Error{Key: key, Text: key + ": " + text})
	}
	n := t.node.find(key)
	if n == t.node || n.kind != scalarKind {
		full := joinPath(t.node.path(), key)
		if n != t.node {
			return t.file.add(&Error{Pos: n.valPos, Key: full, Text: full + ": " + text})
		}
		return t.file.add(&Error{Pos: n.pos, Key: full, Text: fmt.Sprintf("%s, key %q: %s", n.where(), key, text)})
	}
	return t.file.add(&Error{Pos: n.valPos, Key: n.path(), Text: fmt.Sprintf("%s = %s: %s", n.path(), n.shown(), text)})
}
