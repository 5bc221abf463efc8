package config

import (
	"encoding"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Show writes the configuration that is in force as one TOML document: what the files
// say, with the environment put in, and the defaults. It loads again and means the
// same, but for secrets that stand in a file as they are, which are masked. With
// origin, each line says where its value comes from. Everything must have been decoded.
func (f *File) Show(w io.Writer, origin bool) error {
	s := shower{origin: origin}
	s.table(f.node, f.node.shape, "")
	_, err := io.WriteString(w, s.b.String())
	return err
}

type shower struct {
	b      strings.Builder
	origin bool
}

// table writes plain keys first: what follows a header belongs to it.
func (s *shower) table(n *node, v reflect.Value, path string) {
	var later []func()
	if n != nil && n.table["type"] != nil && (n.parent != nil && n.parent.kind == tablesKind) {
		s.line("type", quote(fmt.Sprint(n.table["type"].scalar)), n.table["type"])
	}
	if !v.IsValid() {
		return
	}
	ordered(v, func(key string, field reflect.Value) {
		var child *node
		if n != nil {
			child = n.table[key]
		}
		full := joinPath(path, bareKey(key))
		if sub := s.nested(child, field, full); sub != nil {
			later = append(later, sub)
			return
		}
		if text, ok := s.plain(child, field); ok {
			s.line(bareKey(key), text, child)
		}
	})
	for _, write := range later {
		write()
	}
}

// ordered calls do for the fields of the struct v that have a key, as collect finds
// them, in their order.
func ordered(v reflect.Value, do func(key string, field reflect.Value)) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		tag, tagged := sf.Tag.Lookup("toml")
		if sf.Anonymous && !tagged && sf.Type.Kind() == reflect.Struct {
			ordered(v.Field(i), do)
			continue
		}
		if key, _, _ := strings.Cut(tag, ","); sf.IsExported() && key != "" && key != "-" {
			do(key, v.Field(i))
		}
	}
}

// nested returns what writes a table or tables; nil where the field is neither.
func (s *shower) nested(n *node, v reflect.Value, path string) func() {
	header := func(text string, n *node, v reflect.Value) {
		if s.b.Len() > 0 {
			s.b.WriteByte('\n')
		}
		s.b.WriteString(text)
		s.comment(n)
		s.table(n, v, path)
	}
	nothing := func() {}
	for v.Kind() == reflect.Pointer && v.Type().Elem().Kind() == reflect.Struct {
		if v.IsNil() {
			return nothing
		}
		v = v.Elem()
	}
	switch {
	case v.Type() == tableType:
		if n == nil {
			return nothing
		}
		return func() { header("["+path+"]", n, n.shape) }
	case v.Type() == secretType || v.Type() == timeType:
		return nil
	case v.Kind() == reflect.Struct:
		if n == nil && !said(v) {
			return nothing
		}
		return func() { header("["+path+"]", n, v) }
	case v.Kind() == reflect.Slice && v.Type().Elem() == tableType:
		return func() {
			for i := range v.Len() {
				item := v.Index(i).Interface().(Table).node
				header("[["+path+"]]", item, item.shape)
			}
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem() != secretType && v.Type().Elem() != timeType:
		return func() {
			for i := range v.Len() {
				var item *node
				if n != nil && i < len(n.items) {
					item = n.items[i]
				}
				header("[["+path+"]]", item, v.Index(i))
			}
		}
	case v.Kind() == reflect.Map:
		if v.Len() == 0 && n == nil {
			return nothing
		}
		return func() {
			if s.b.Len() > 0 {
				s.b.WriteByte('\n')
			}
			s.b.WriteString("[" + path + "]")
			s.comment(n)
			keys := v.MapKeys()
			slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
			for _, key := range keys {
				var child *node
				if n != nil {
					child = n.table[key.String()]
				}
				if text, ok := s.plain(child, v.MapIndex(key)); ok {
					s.line(bareKey(key.String()), text, child)
				}
			}
		}
	}
	return nil
}

// said tells whether a table that is not there has anything to show.
func said(v reflect.Value) (any bool) {
	ordered(v, func(_ string, field reflect.Value) { any = any || !field.IsZero() })
	return any
}

// plain returns a value as TOML; false where there is nothing to say.
func (s *shower) plain(n *node, v reflect.Value) (string, bool) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return "", false
		}
		v = v.Elem()
	} else if n == nil && v.IsZero() {
		return "", false
	}
	switch value := v.Interface().(type) {
	case Secret:
		if text, written := n.reference(); written {
			return `"` + text + `"`, true
		}
		return quote(value.String()), true
	case Address, Endpoint:
		shown := fmt.Sprint(value)
		if text, written := n.variable(); written && shown != v.String() {
			return `"` + text + `"`, true
		}
		return quote(shown), true
	case time.Duration:
		return quote(FormatDuration(value)), true
	case Size:
		if text := value.String(); !strings.Contains(text, ".") && value >= 0 {
			return quote(text), true
		}
		return strconv.FormatInt(int64(value), 10), true
	case time.Time:
		return value.Format(time.RFC3339Nano), true
	case encoding.TextMarshaler:
		if text, err := value.MarshalText(); err == nil {
			return quote(string(text)), true
		}
	}
	switch v.Kind() {
	case reflect.String:
		return quote(v.String()), true
	case reflect.Slice:
		parts := make([]string, 0, v.Len())
		for i := range v.Len() {
			var item *node
			if n != nil && i < len(n.items) {
				item = n.items[i]
			}
			if item == nil {
				item = &node{} // also an empty one counts
			}
			text, _ := s.plain(item, v.Index(i))
			parts = append(parts, text)
		}
		return "[" + strings.Join(parts, ", ") + "]", true
	case reflect.Float32, reflect.Float64:
		text := strconv.FormatFloat(v.Float(), 'f', -1, 64)
		if !strings.Contains(text, ".") {
			text += ".0"
		}
		return text, true
	}
	return fmt.Sprint(v.Interface()), true
}

// reference is how a file may name a secret without telling it, as it is written.
func (n *node) reference() (text string, written bool) {
	if n == nil {
		return "", false
	}
	text, _ = n.scalar.(string)
	kind, rest, _ := strings.Cut(text, ":")
	switch {
	case kind == "file" && rest != "":
		if !filepath.IsAbs(rest) && !strings.HasPrefix(rest, "${") {
			rest = filepath.Join(filepath.Dir(n.pos.File), rest)
			if abs, err := filepath.Abs(rest); err == nil {
				rest = abs
			}
		}
		return strings.Trim(strings.ReplaceAll(quote("file:"+rest), "$${", "${"), `"`), true
	case kind == "credential":
		return text, true
	}
	return n.variable()
}

// variable is the one variable of the environment that is all a file has, as it is
// written.
func (n *node) variable() (text string, written bool) {
	if n == nil {
		return "", false
	}
	text, _ = n.scalar.(string)
	if strings.HasPrefix(text, "${") && strings.HasSuffix(text, "}") && strings.Count(text, "${") == 1 && !strings.Contains(text, ":-") {
		return text, true
	}
	return "", false
}

// line writes one key.
func (s *shower) line(key, value string, n *node) {
	s.b.WriteString(key + " = " + value)
	s.comment(n)
}

// comment ends a line, with where its value comes from.
func (s *shower) comment(n *node) {
	if s.origin {
		s.b.WriteString("  # " + n.from())
	}
	s.b.WriteByte('\n')
}

// from says where a value comes from.
func (n *node) from() string {
	if n == nil {
		return "default"
	}
	text := n.pos.File + ":" + strconv.Itoa(n.pos.Line)
	if names := n.environment(nil); len(names) > 0 {
		text += ", environment " + strings.Join(names, " ")
	}
	if n.over != nil {
		text += ", instead of " + n.over.pos.File + ":" + strconv.Itoa(n.over.pos.Line)
	}
	return text
}

// environment names the variables that a plain value or an array refers to.
func (n *node) environment(names []string) []string {
	for _, item := range n.items {
		if n.kind == arrayKind {
			names = item.environment(names)
		}
	}
	text, _ := n.scalar.(string)
	os.Expand(strings.ReplaceAll(text, "$${", ""), func(name string) string {
		if name, _, _ = strings.Cut(name, ":-"); strings.Contains(text, "${"+name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
		return ""
	})
	return names
}

// FormatDuration writes d as ParseDuration reads it, in the largest unit that divides it.
func FormatDuration(d time.Duration) string {
	for _, unit := range []string{"d", "h", "m", "s", "ms", "us", "ns"} {
		if size := durationUnits[unit]; d%size == 0 && (d != 0 || unit == "s") {
			return strconv.FormatInt(int64(d/size), 10) + unit
		}
	}
	return d.String()
}

// quote writes a basic string in which nothing is put in from the environment.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ReplaceAll(s, "${", "$${") {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// bareKey writes a key, in quotes where it needs them.
func bareKey(key string) string {
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r > 0x7e || !bare(byte(r)) }) {
		return quote(key)
	}
	return key
}
