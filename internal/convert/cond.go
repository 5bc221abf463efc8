package convert

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/syslane/syslane/internal/syslog"
)

// Cond is a condition in the language of [[route]] tables. The zero value holds
// always.
type Cond struct {
	text string
	// loose is how loosely its outermost operator binds: 0 an atom, 1 "not", 2 "and", 3 "or".
	loose int
	never bool
}

// Never is the condition that never holds.
var Never = Cond{never: true}

// maxCond bounds a condition, in octets; what gets longer is given up.
const maxCond = 32 << 10

// Atom returns the condition that text says: a comparison, or a call.
func Atom(format string, args ...any) Cond { return Cond{text: fmt.Sprintf(format, args...)} }

// Always tells whether the condition holds always, and Nothing whether never.
func (c Cond) Always() bool { return c.text == "" && !c.never }

// Nothing tells whether the condition never holds.
func (c Cond) Nothing() bool { return c.never }

// TooLong tells whether the condition has grown beyond what anyone would read.
func (c Cond) TooLong() bool { return len(c.text) > maxCond }

func (c Cond) String() string {
	switch {
	case c.never:
		return "false"
	case c.text == "":
		return "true"
	}
	return c.text
}

func (c Cond) within(loose int) string {
	if c.loose > loose {
		return "(" + c.text + ")"
	}
	return c.text
}

// And holds where both do.
func (c Cond) And(o Cond) Cond {
	switch {
	case c.never || o.never:
		return Never
	case c.Always() || c == o:
		return o
	case o.Always():
		return c
	}
	return Cond{text: c.within(2) + " and " + o.within(2), loose: 2}
}

// Or holds where one does.
func (c Cond) Or(o Cond) Cond {
	switch {
	case c.Always() || o.Always():
		return Cond{}
	case c.never || c == o:
		return o
	case o.never:
		return c
	}
	return Cond{text: c.text + " or " + o.text, loose: 3}
}

// Not holds where c does not.
func (c Cond) Not() Cond {
	switch {
	case c.Always():
		return Never
	case c.never:
		return Cond{}
	}
	if inner, ok := strings.CutPrefix(c.text, "not ("); ok && c.loose == 1 {
		return Cond{text: strings.TrimSuffix(inner, ")"), loose: 3}
	}
	return Cond{text: "not (" + c.text + ")", loose: 1}
}

// Text returns s as a literal of conditions.
func Text(s string) string { return strconv.Quote(s) }

// Matches returns the condition that a field has a match of a regular expression,
// which must be one of RE2.
func Matches(field, pattern string, fold bool) (Cond, error) {
	if fold {
		pattern = "(?i)" + pattern
	}
	if _, err := regexp.Compile(pattern); err != nil {
		return Cond{}, fmt.Errorf("the regular expression %q is none of RE2: back references and looking around have no translation", pattern)
	}
	return Atom("%s matches %s", field, Text(pattern)), nil
}

// In returns the condition that a field has one of some values, which are keywords
// or literals.
func In(field string, values []string) Cond {
	switch len(values) {
	case 0:
		return Never
	case 1:
		return Atom("%s == %s", field, values[0])
	}
	return Atom("%s in [%s]", field, strings.Join(values, ", "))
}

// Facilities is how many there are.
const Facilities = 24

// Priorities says of every facility which severities are meant: bit 0 is emerg.
type Priorities [Facilities]uint8

// Cond returns the condition in as few words as the selection allows.
func (p Priorities) Cond() Cond {
	// Facilities by what of them is meant, in the order of their first.
	var masks []uint8
	by := map[uint8][]string{}
	for f, mask := range p {
		if by[mask] == nil {
			masks = append(masks, mask)
		}
		by[mask] = append(by[mask], syslog.Facility(f).String())
	}
	if len(masks) == 1 {
		return severities(masks[0])
	}
	// What most facilities have is said by what is not in the others.
	most := slices.MaxFunc(masks, func(a, b uint8) int { return len(by[a]) - len(by[b]) })
	out := Never
	var others []string
	for _, mask := range masks {
		if mask == most {
			continue
		}
		others = append(others, by[mask]...)
		if mask != 0 {
			out = out.Or(facilities(by[mask]).And(severities(mask)))
		}
	}
	if most != 0 {
		slices.SortFunc(others, func(a, b string) int { return number(a) - number(b) })
		out = facilities(others).Not().And(severities(most)).Or(out)
	}
	return out
}

func number(facility string) int {
	f, err := syslog.ParseFacility(facility)
	if err != nil {
		return Facilities
	}
	return int(f)
}

func facilities(names []string) Cond { return In("facility", names) }

// severities returns the condition that the severity is in the mask.
func severities(mask uint8) Cond {
	if mask == 0xff {
		return Cond{}
	}
	var names []string
	least, contiguous := -1, true
	for s := range 8 {
		if mask&(1<<s) == 0 {
			continue
		}
		contiguous = contiguous && least == s-1
		least = s
		names = append(names, syslog.Severity(s).String())
	}
	if len(names) > 1 && contiguous {
		return Atom("severity <= %s", names[len(names)-1])
	}
	// From some severity on to debug, without a gap.
	if len(names) > 1 && mask|(mask-1) == 0xff {
		return Atom("severity >= %s", names[0])
	}
	return In("severity", names)
}
