package config

import "regexp"

// indices are those of a key such as "targets[1]".
var indices = regexp.MustCompile(`\[\d+\]`)

// At returns where the value of a key stands and its full dotted key, for what is
// found out about a value after it was read. The key is as for Errorf; where the
// file does not set it, the place is that of the nearest table.
func (t Table) At(key string) (Pos, string) {
	if t.node == nil {
		return Pos{}, key
	}
	n, full := t.node.find(key), joinPath(t.node.path(), indices.ReplaceAllString(key, ""))
	if n.path() != full {
		return n.pos, full
	}
	return n.valPos, full
}
