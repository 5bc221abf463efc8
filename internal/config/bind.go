package config

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// binder fills Go values from nodes and collects what is wrong on the way.
type binder struct {
	file *File
	// top is the table that Decode was called on; it may have a key "type".
	top  *node
	errs Errors
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	timeType     = reflect.TypeFor[time.Time]()
	secretType   = reflect.TypeFor[Secret]()
	tableType    = reflect.TypeFor[Table]()
)

func (d *binder) fail(n *node, format string, args ...any) {
	d.errs = append(d.errs, &Error{Pos: n.valPos, Key: n.path(), Text: fmt.Sprintf(format, args...)})
}

// mismatch reports a value of the wrong type.
func (d *binder) mismatch(n *node, want string) {
	d.fail(n, "%s = %s: want %s", n.path(), n.shown(), want)
}

// structure fills v from the table n.
func (d *binder) structure(n *node, v reflect.Value) {
	n.shape = v
	fields := map[string]field{}
	collect(v, fields)
	for _, key := range slices.Sorted(maps.Keys(n.table)) {
		child := n.table[key]
		if f, ok := fields[key]; ok {
			d.value(child, f.value)
			continue
		}
		if key == "type" && n == d.top && n.parent != nil {
			continue
		}
		d.errs = append(d.errs, &Error{Pos: child.pos, Key: child.path(),
			Text: fmt.Sprintf("unknown key %q %s%s", key, n.within(), Suggest(key, slices.Collect(maps.Keys(fields))))})
	}
	d.defaults(n, fields)
	for key, f := range fields {
		if f.required && n.table[key] == nil {
			d.errs = append(d.errs, &Error{Pos: n.pos, Key: joinPath(n.path(), key),
				Text: fmt.Sprintf("%s: key %q is missing", n.where(), key)})
		}
	}
}

// defaults fills fields of which no file says anything, also in tables that are not
// there.
func (d *binder) defaults(n *node, fields map[string]field) {
	for key, f := range fields {
		if n.table[key] != nil {
			continue
		}
		absent := &node{key: key, parent: n, pos: n.pos, valPos: n.pos}
		switch t := f.value.Type(); {
		case f.fallback != "" && f.value.IsZero():
			absent.scalar = f.fallback
			d.value(absent, f.value)
		case t.Kind() == reflect.Struct && t != secretType && t != timeType && t != tableType:
			below := map[string]field{}
			collect(f.value, below)
			d.defaults(absent, below)
		}
	}
}

type field struct {
	value    reflect.Value
	required bool
	// fallback is the tag default: what the field has where no file sets it.
	fallback string
}

// collect lists the fields of the struct v by key; those of embedded structs
// without a tag count as v's own.
func collect(v reflect.Value, into map[string]field) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		tag, tagged := sf.Tag.Lookup("toml")
		if sf.Anonymous && !tagged && sf.Type.Kind() == reflect.Struct {
			collect(v.Field(i), into)
			continue
		}
		key, option, _ := strings.Cut(tag, ",")
		if !sf.IsExported() || key == "" || key == "-" {
			continue
		}
		into[key] = field{v.Field(i), option == "required", sf.Tag.Get("default")}
	}
}

// value fills v, which is settable, from n.
func (d *binder) value(n *node, v reflect.Value) {
	switch v.Type() {
	case tableType:
		if n.kind != tableKind {
			d.mismatch(n, "a table, ["+n.path()+"]")
			return
		}
		d.file.pending[n] = struct{}{}
		v.Set(reflect.ValueOf(Table{d.file, n}))
		return
	case secretType:
		d.secret(n, v)
		return
	case addressType, endpointType:
		d.address(n, v)
		return
	case durationType:
		if s, ok := d.text(n, `a duration such as "5s", "15m" or "7d"`); ok {
			if t, err := ParseDuration(s); err != nil {
				d.fail(n, "%s = %s: %v", n.path(), n.shown(), err)
			} else {
				v.SetInt(int64(t))
			}
		}
		return
	case timeType:
		if t, ok := n.scalar.(time.Time); ok {
			v.Set(reflect.ValueOf(t))
		} else {
			d.mismatch(n, "a time such as 2026-01-31T12:00:00Z")
		}
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok && v.Kind() != reflect.Pointer {
		if s, ok := d.text(n, "a string"); ok {
			if err := u.UnmarshalText([]byte(s)); err != nil {
				d.fail(n, "%s = %s: %v", n.path(), n.shown(), err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		d.value(n, v.Elem())
	case reflect.Struct:
		if n.kind != tableKind {
			d.mismatch(n, "a table, ["+n.path()+"]")
			return
		}
		d.structure(n, v)
	case reflect.Slice:
		d.slice(n, v)
	case reflect.Map:
		d.mapping(n, v)
	default:
		d.scalar(n, v)
	}
}

func (d *binder) slice(n *node, v reflect.Value) {
	if n.kind != arrayKind && n.kind != tablesKind {
		want := "an array, [ … ]"
		switch {
		case n.kind == tableKind:
			want = "an array of tables, [[" + n.path() + "]] with two brackets"
		case n.kind == scalarKind && v.Type().Elem().Kind() == reflect.String:
			want = "an array of strings, [" + n.shown() + "]"
		}
		d.mismatch(n, want)
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.value(item, out.Index(i))
	}
	v.Set(out)
}

func (d *binder) mapping(n *node, v reflect.Value) {
	if n.kind != tableKind || v.Type().Key().Kind() != reflect.String {
		d.mismatch(n, "a table, ["+n.path()+"]")
		return
	}
	out := reflect.MakeMapWithSize(v.Type(), len(n.table))
	for key, child := range n.table {
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(child, item)
		out.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), item)
	}
	v.Set(out)
}

// text returns the string of n with the environment put in; an integer counts as
// its digits. Where n is something else it says what is wanted.
func (d *binder) text(n *node, want string) (string, bool) {
	if n.kind == scalarKind {
		switch s := n.scalar.(type) {
		case string:
			out, _, err := expand(s)
			if err != nil {
				d.fail(n, "%s = %s: %v", n.path(), n.shown(), err)
				return "", false
			}
			return out, true
		case int64:
			return strconv.FormatInt(s, 10), true
		}
	}
	d.mismatch(n, want)
	return "", false
}

func (d *binder) secret(n *node, v reflect.Value) {
	n.secret = true
	s, ok := n.scalar.(string)
	if !ok {
		d.mismatch(n, `a secret: "text", "${NAME}", "file:PATH" or "credential:NAME"`)
		return
	}
	text, _, err := expand(s)
	if err == nil {
		var secret Secret
		secret, err = readSecret(text, filepath.Dir(n.pos.File))
		var absent noCredentialsError
		if errors.As(err, &absent) && d.file.leave {
			d.file.left = append(d.file.left, Left{n.valPos, n.path(), string(absent)})
			secret, err = Secret{strings.Repeat(text+" ", 4)}, nil // long enough for any key
		}
		if err == nil {
			v.Set(reflect.ValueOf(secret))
			n.resolved = secret
		}
	}
	if err != nil {
		d.fail(n, "%s = %s: %v", n.path(), n.shown(), err)
	}
}

// scalar fills a string, number or boolean. A string that the environment had a
// part in can stand for the others too, since "${PORT}" cannot be written
// without quotes.
func (d *binder) scalar(n *node, v reflect.Value) {
	val := n.scalar
	if s, ok := val.(string); ok && n.kind == scalarKind {
		out, changed, err := expand(s)
		if err != nil {
			d.fail(n, "%s = %s: %v", n.path(), n.shown(), err)
			return
		}
		val = out
		if changed || n.parent != nil && n.parent.table[n.key] != n && n.parent.kind == tableKind {
			val = retype(out, v.Kind()) // "${PORT}", or a default
		}
	}
	switch v.Kind() {
	case reflect.String:
		if s, ok := val.(string); ok && n.kind == scalarKind {
			v.SetString(s)
			return
		}
		d.mismatch(n, "a string in quotes")
	case reflect.Bool:
		if b, ok := val.(bool); ok {
			v.SetBool(b)
			return
		}
		d.mismatch(n, "true or false, without quotes")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if i, ok := val.(int64); ok && !v.OverflowInt(i) {
			v.SetInt(i)
			return
		}
		low := int64(-1) << (v.Type().Bits() - 1)
		d.mismatch(n, fmt.Sprintf("an integer from %d to %d", low, -(low+1)))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if i, ok := val.(int64); ok && i >= 0 && !v.OverflowUint(uint64(i)) {
			v.SetUint(uint64(i))
			return
		}
		d.mismatch(n, fmt.Sprintf("an integer from 0 to %d", ^uint64(0)>>(64-v.Type().Bits())))
	case reflect.Float32, reflect.Float64:
		switch f := val.(type) {
		case float64:
			v.SetFloat(f)
			return
		case int64:
			v.SetFloat(float64(f))
			return
		}
		d.mismatch(n, "a number")
	default:
		panic(fmt.Sprintf("config: field of type %s cannot be decoded", v.Type()))
	}
}

// retype reads s as a value of the given kind, and returns s where it is none.
func retype(s string, k reflect.Kind) any {
	switch {
	case k == reflect.Bool && (s == "true" || s == "false"):
		return s == "true"
	case k >= reflect.Int && k <= reflect.Uint64:
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i
		}
	case k == reflect.Float32 || k == reflect.Float64:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	}
	return s
}
