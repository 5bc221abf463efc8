package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/search"
)

// Defaults of rules.
const (
	DefaultRepeat = 4 * time.Hour
	DefaultSeen   = 24 * time.Hour
	DefaultLate   = time.Hour
)

// Rule is one alert of the configuration.
type Rule struct {
	// Name is the configured name.
	Name string
	// Query finds what is counted: terms without stages, and without times.
	Query *search.Query
	// QueryText is the query as it was written.
	QueryText string
	// By are the fields whose values are watched each for themselves.
	By []search.Field
	// Condition is what fires.
	Condition Condition
	// Window is in which messages are counted, or how long silence has to last.
	Window time.Duration
	// Seen is how long a group is remembered without a message, for silence and
	// lower bounds.
	Seen time.Duration
	// For is how long the condition must hold.
	For time.Duration
	// Repeat is how often is told that an alert still fires; 0: once.
	Repeat time.Duration
	// Late is how much later than their window messages are counted still.
	Late time.Duration
	// Severity and Labels go with what is told.
	Severity string
	Labels   map[string]string
	// Summary and Annotations are texts for people.
	Summary     Template
	Annotations map[string]Template
	// Silent leaves out that an alert has ended.
	Silent bool
	// Notify names the channels.
	Notify []string
}

// identity tells rules that count something else from each other.
func (r *Rule) identity() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %v %d %d %d", r.QueryText, r.Condition, r.Window, r.Late, r.Seen)
	for _, f := range r.By {
		fmt.Fprintf(h, " %q", f.Name())
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// describe names the condition and what it holds in, for people.
func (r *Rule) describe() (condition, window string) {
	return r.Condition.String(), short(r.Window)
}

// Condition is what is asked of the number of messages in a window.
type Condition struct {
	// Op is ">", ">=", "<" or "<="; "" for silence.
	Op string
	N  uint64
}

// Absent is the condition that there are none.
var Absent = Condition{}

// ParseCondition reads "count > 100".
func ParseCondition(text string) (Condition, error) {
	bad := errors.New(`want "count > N", with >, >=, < or <= and a number`)
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "count")
	if !ok {
		return Condition{}, bad
	}
	rest = strings.TrimSpace(rest)
	for _, op := range []string{">=", "<=", ">", "<"} {
		number, ok := strings.CutPrefix(rest, op)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
		if err != nil {
			return Condition{}, bad
		}
		c := Condition{op, n}
		switch {
		case c.lower() && c.holds(0) && !c.holds(1), op == "<" && n == 0:
			return c, errors.New(`for no message at all write absent = "10m" and no condition`)
		case !c.lower() && c.holds(0):
			return c, errors.New("always holds")
		}
		return c, nil
	}
	return Condition{}, bad
}

// String returns the condition as it is written.
func (c Condition) String() string {
	if c == Absent {
		return "absent"
	}
	return "count " + c.Op + " " + strconv.FormatUint(c.N, 10)
}

// lower tells that few messages fulfil the condition, not many.
func (c Condition) lower() bool { return c.Op == "" || c.Op[0] == '<' }

func (c Condition) holds(n uint64) bool {
	switch c.Op {
	case ">":
		return n > c.N
	case ">=":
		return n >= c.N
	case "<":
		return n < c.N
	case "<=":
		return n <= c.N
	}
	return n == 0
}

// short writes a duration as people do.
func short(d time.Duration) string {
	text := d.String()
	if cut, ok := strings.CutSuffix(text, "m0s"); ok {
		text = cut + "m"
	}
	if cut, ok := strings.CutSuffix(text, "h0m"); ok {
		text = cut + "h"
	}
	if hours, ok := strings.CutSuffix(text, "h"); ok {
		if n, err := strconv.Atoi(hours); err == nil && n%24 == 0 && n > 0 {
			return strconv.Itoa(n/24) + "d"
		}
	}
	return text
}

// tells tells whether a channel is told of an alert; without names all are.
func (r *Rule) tells(channel string) bool {
	return len(r.Notify) == 0 || slices.Contains(r.Notify, channel)
}
