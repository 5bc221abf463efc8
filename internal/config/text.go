package config

// Text returns the string at key, or "" where the table does not set it or it is
// no string, which is Decode's to report. It serves to know a table's name before
// it is known which struct its type has.
func (t Table) Text(key string) string {
	if t.node == nil || t.node.table[key] == nil {
		return ""
	}
	d := binder{file: t.file}
	s, _ := d.text(t.node.table[key], "a string")
	return s
}
