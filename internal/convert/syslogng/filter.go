package syslogng

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/syslane/syslane/internal/convert"
	"github.com/syslane/syslane/internal/syslog"
)

// filter translates the expression of a filter.
type filter struct {
	t    *translator
	list []*node
	pos  int
}

func (t *translator) condition(list []*node) (convert.Cond, error) {
	t.depth++
	defer func() { t.depth-- }()
	if t.depth > maxDepth {
		return convert.Cond{}, errors.New("filters are nested too deep, or name each other")
	}
	var plain []*node
	for _, n := range list {
		if !n.is(";") {
			plain = append(plain, n)
		}
	}
	f := &filter{t, plain, 0}
	c, err := f.or()
	if err == nil && f.pos < len(f.list) {
		err = fmt.Errorf("%q is not understood", f.list[f.pos].text)
	}
	if err == nil && c.TooLong() {
		err = errors.New("the condition gets longer than anyone would read")
	}
	return c, err
}

func (f *filter) next() *node {
	if f.pos < len(f.list) {
		return f.list[f.pos]
	}
	return &node{}
}

func (f *filter) or() (convert.Cond, error) {
	c, err := f.and()
	for err == nil && f.next().is("or") {
		f.pos++
		var d convert.Cond
		if d, err = f.and(); err == nil {
			c = c.Or(d)
		}
	}
	return c, err
}

func (f *filter) and() (convert.Cond, error) {
	c, err := f.not()
	for err == nil && f.next().is("and") {
		f.pos++
		var d convert.Cond
		if d, err = f.not(); err == nil {
			c = c.And(d)
		}
	}
	return c, err
}

func (f *filter) not() (convert.Cond, error) {
	n := f.next()
	negated := false
	for n.is("not") {
		negated = !negated
		f.pos++
		n = f.next()
	}
	c, err := f.one(n)
	if negated {
		c = c.Not()
	}
	return c, err
}

// comparisons of texts and what they are here.
var comparisons = map[string]string{"eq": "==", "==": "==", "ne": "!=", "!=": "!="}

func (f *filter) one(n *node) (convert.Cond, error) {
	f.pos++
	switch {
	case n.called && n.text == "" && !n.quoted:
		return f.t.condition(n.args)
	case n.called && !n.quoted:
		return f.t.function(n)
	case n.text != "":
		op := comparisons[f.next().text]
		if field, err := f.t.macroField(n.text); op != "" && err == nil && f.pos+1 < len(f.list) {
			value := f.list[f.pos+1].text
			f.pos += 2
			if field == "facility" || field == "severity" {
				if _, err := keyword(field, value); err != nil {
					return convert.Cond{}, err
				}
				return convert.Atom("%s %s %s", field, op, value), nil
			}
			return convert.Atom("%s %s %s", field, op, convert.Text(value)), nil
		}
	}
	return convert.Cond{}, fmt.Errorf("%q has no translation", n.text)
}

var whole = regexp.MustCompile(`^\$\{?([A-Za-z_.0-9]+)\}?$`)

// macroField translates the name of a macro.
func (t *translator) macroField(text string) (string, error) {
	name := text
	if m := whole.FindStringSubmatch(text); m != nil {
		name = m[1]
	}
	switch strings.ToUpper(name) {
	case "MESSAGE", "MSG", "MSGONLY":
		return "message", nil
	case "HOST", "FULLHOST":
		t.ofMessage()
		return "host", nil
	case "PROGRAM":
		return "app", nil
	case "PID":
		return "procid", nil
	case "MSGID":
		return "msgid", nil
	case "HOST_FROM", "FULLHOST_FROM":
		if t.options["use-dns"] != "no" {
			return "", fmt.Errorf("%s is the name that the DNS has for the sender, and none is looked up here: source is the sender's address", text)
		}
		return "source", nil
	case "SOURCEIP":
		return "source", nil
	case "FACILITY":
		return "facility", nil
	case "LEVEL", "SEVERITY", "PRIORITY":
		return "severity", nil
	case "RAWMSG":
		return "raw", nil
	case "FILE_NAME":
		return "file", nil
	}
	if rest, ok := strings.CutPrefix(name, ".SDATA."); ok {
		if i := strings.LastIndexByte(rest, '.'); i > 0 {
			return fmt.Sprintf("sd[%s][%s]", convert.Text(rest[:i]), convert.Text(rest[i+1:])), nil
		}
	}
	return "", fmt.Errorf("the value %s is none that messages have here", text)
}

// function translates a filter function.
func (t *translator) function(n *node) (convert.Cond, error) {
	args := texts(n.args)
	switch n.word() {
	case "facility", "level", "severity", "priority":
		return priorities(n, args)
	case "host":
		t.ofMessage()
		return t.match(n, "host", args)
	case "program":
		return t.match(n, "app", args)
	case "message":
		return t.match(n, "message", args)
	case "match":
		value := option(n.args, "value")
		if value == "" {
			return convert.Cond{}, errors.New("match() without value() looks into the whole message; name the field, as in match(\"…\" value(\"MESSAGE\"))")
		}
		field, err := t.macroField(value)
		if err != nil {
			return convert.Cond{}, err
		}
		return t.match(n, field, args)
	case "netmask", "netmask6":
		prefix, err := network(first(args))
		if err != nil {
			return convert.Cond{}, err
		}
		c := convert.Atom("cidr(source, %s)", convert.Text(prefix.String()))
		if prefix.Contains(netip.AddrFrom4([4]byte{127, 0, 0, 1})) { // where the machine's own come from to syslog-ng
			c = c.Or(convert.Atom(`source == ""`))
		}
		return c, nil
	case "filter":
		return t.named(first(args))
	case "source":
		return t.from(args)
	}
	return convert.Cond{}, fmt.Errorf("the filter %s() has no translation", n.word())
}

// ofMessage notes that a host is compared which to syslog-ng is the sender's name or
// address, unless it was told to keep what messages say.
func (t *translator) ofMessage() {
	if t.options["keep-hostname"] != "yes" {
		t.lose(t.at, "without keep-hostname(yes) it compares the name or address of the sender, as source has it; here host is the name that the message brings")
	}
}

// named translates a filter that has a name: once, for filters may name each other in
// many ways.
func (t *translator) named(name string) (convert.Cond, error) {
	st, ok := t.filters[name]
	if !ok {
		return convert.Cond{}, fmt.Errorf("there is no filter %q", name)
	}
	done, ok := t.translated[name]
	if !ok {
		done.err = fmt.Errorf("the filter %q names itself", name)
		t.translated[name] = done
		within := t.at
		t.at = st
		done.cond, done.err = t.condition(st.nodes[len(st.nodes)-1].block)
		t.at = within
		t.translated[name] = done
	}
	return done.cond, done.err
}

// network reads 10.0.0.0/8 and 10.0.0.0/255.0.0.0.
func network(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	addr, mask, _ := strings.Cut(text, "/")
	a, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no network", text)
	}
	if mask == "" {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	m, err := netip.ParseAddr(mask)
	if err != nil || !m.Is4() || !a.Is4() {
		return netip.Prefix{}, fmt.Errorf("%q is no mask", mask)
	}
	b := m.As4()
	ones := bits.LeadingZeros32(^binary.BigEndian.Uint32(b[:]))
	if binary.BigEndian.Uint32(b[:])<<ones != 0 {
		return netip.Prefix{}, fmt.Errorf("the mask %q has gaps", mask)
	}
	return netip.PrefixFrom(a, ones).Masked(), nil
}

// match translates a comparison with a pattern.
func (t *translator) match(n *node, field string, args []string) (convert.Cond, error) {
	if len(args) != 1 {
		return convert.Cond{}, errors.New("it needs one pattern")
	}
	pattern := args[0]
	flags := map[string]bool{}
	if o := find(n.args, "flags"); o != nil {
		for _, flag := range texts(o.args) {
			flags[flag] = true
		}
	}
	fold := flags["ignore-case"]
	if field == "facility" || field == "severity" {
		return convert.Cond{}, fmt.Errorf("%s is a number here", field)
	}
	switch kind := or(option(n.args, "type"), "pcre"); kind {
	case "pcre", "posix":
		return convert.Matches(field, pattern, fold)
	case "glob":
		if fold {
			return convert.Cond{}, errors.New("glob without regard to case")
		}
		return convert.Atom("glob(%s, %s)", field, convert.Text(pattern)), nil
	case "string":
		if fold {
			field, pattern = "lower("+field+")", strings.ToLower(pattern)
		}
		op := "=="
		if flags["substring"] {
			op = "contains"
		} else if flags["prefix"] {
			op = "startsWith"
		}
		return convert.Atom("%s %s %s", field, op, convert.Text(pattern)), nil
	default:
		return convert.Cond{}, fmt.Errorf("no comparison of the type %q", kind)
	}
}

func keyword(field, name string) (int, error) {
	if field == "facility" {
		f, err := syslog.ParseFacility(name)
		return int(f), err
	}
	s, err := syslog.ParseSeverity(name)
	return int(s), err
}

// priorities translates facility(auth, local0..local7) and level(err..emerg).
func priorities(n *node, args []string) (convert.Cond, error) {
	field := "severity"
	if n.is("facility") {
		field = "facility"
	}
	var all convert.Priorities
	set := func(v int) {
		if field == "facility" {
			all[v] = 0xff
			return
		}
		for f := range all {
			all[f] |= 1 << v
		}
	}
	for i := 0; i < len(args); i++ {
		from, err := keyword(field, args[i])
		if err != nil {
			return convert.Cond{}, err
		}
		to := from
		if i+2 < len(args) && args[i+1] == ".." {
			if to, err = keyword(field, args[i+2]); err != nil {
				return convert.Cond{}, err
			}
			i += 2
		}
		for v := min(from, to); v <= max(from, to); v++ {
			set(v)
		}
	}
	return all.Cond(), nil
}

// from is the condition that a message came by one of some sources.
func (t *translator) from(names []string) (convert.Cond, error) {
	var inputs []string
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		list, known := t.inputs[name]
		if !known {
			return convert.Cond{}, fmt.Errorf("there is no source %q", name)
		}
		for _, in := range list {
			inputs = append(inputs, convert.Text(in))
		}
	}
	if len(inputs) == len(t.draft.Inputs()) && len(inputs) > 0 {
		return convert.Cond{}, nil
	}
	return convert.In("input", inputs), nil
}
