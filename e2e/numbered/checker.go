package numbered

import (
	"errors"
	"fmt"
	"strings"
)

// shown is how many findings of a kind a report names.
const shown = 5

// Checker looks at documents as they come, in any order.
type Checker struct {
	set  Set
	form Form
	// copies counts the documents of each number.
	copies []uint32
	// ids holds the number of each event id seen: an id names one event.
	ids map[string]int
	// Duplicates counts documents beyond the first of their number.
	Duplicates int
	wrong      int
	findings   []string
}

// NewChecker is for messages of set that travelled in form.
func NewChecker(set Set, form Form) *Checker {
	return &Checker{set: set, form: form, copies: make([]uint32, set.Count), ids: make(map[string]int, set.Count)}
}

// Add looks at one document.
func (c *Checker) Add(source []byte) error {
	d, err := Decode(source)
	if err != nil {
		return err
	}
	n, err := Number(d.Message)
	if err != nil || n < 0 || n >= c.set.Count {
		c.note("foreign document %.300s", source)
		return nil
	}
	if c.copies[n]++; c.copies[n] > 1 {
		c.Duplicates++
	}
	if d.Event.ID == "" {
		c.note("message %d has no event.id", n)
	} else if other, ok := c.ids[d.Event.ID]; ok {
		c.note("messages %d and %d have the event.id %s", other, n, d.Event.ID)
	}
	c.ids[d.Event.ID] = n
	if diffs := d.differences(c.set.At(n), c.form); diffs != "" {
		c.note("message %d: %s", n, diffs)
	}
	return nil
}

func (c *Checker) note(format string, args ...any) {
	if c.wrong++; c.wrong <= shown {
		c.findings = append(c.findings, fmt.Sprintf(format, args...))
	}
}

// ExactlyOnce returns nil where every number has arrived once and unharmed, and
// otherwise a report.
func (c *Checker) ExactlyOnce() error {
	err := c.AtLeastOnce()
	if c.Duplicates > 0 {
		err = errors.Join(err, fmt.Errorf("%d documents too many: %s", c.Duplicates, c.ranges(func(copies uint32) bool { return copies > 1 })))
	}
	return err
}

// AtLeastOnce is ExactlyOnce but for messages that arrived more often, each time
// as an event of its own.
func (c *Checker) AtLeastOnce() error {
	var errs []error
	if missing := c.Missing(); missing > 0 {
		errs = append(errs, fmt.Errorf("%d of %d messages are missing: %s", missing, c.set.Count, c.ranges(func(copies uint32) bool { return copies == 0 })))
	}
	if c.wrong > 0 {
		errs = append(errs, fmt.Errorf("%d findings, the first: %s", c.wrong, strings.Join(c.findings, "\n  ")))
	}
	return errors.Join(errs...)
}

// Missing counts the numbers of which there is no document.
func (c *Checker) Missing() (n int) {
	for _, copies := range c.copies {
		if copies == 0 {
			n++
		}
	}
	return n
}

// ranges names the numbers that match, as ranges, the first few.
func (c *Checker) ranges(match func(copies uint32) bool) string {
	var parts []string
	for n := 0; n < len(c.copies); n++ {
		if !match(c.copies[n]) {
			continue
		}
		first := n
		for n+1 < len(c.copies) && match(c.copies[n+1]) {
			n++
		}
		if len(parts) == shown {
			parts = append(parts, "...")
			break
		}
		if first == n {
			parts = append(parts, fmt.Sprint(first))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", first, n))
		}
	}
	return strings.Join(parts, ", ")
}
