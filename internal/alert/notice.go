package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/syslane/syslane/internal/notify"
)

// Notice returns what is told of a change.
func (c *Change) Notice() notify.Notice {
	r := c.Rule
	n := notify.Notice{
		Status: notify.Firing, Alert: r.Name, Severity: r.Severity, Labels: make(map[string]string), Query: r.QueryText,
		Value: c.Value, Sample: c.Sample, Started: c.Started, Repeat: c.Repeat, Note: c.Note,
	}
	if c.by == nil { // else the rule is gone, and what it watched with it
		n.Condition, n.Window = r.describe()
	}
	for name, value := range r.Labels {
		n.Labels[name] = value
	}
	names := c.by
	for _, f := range r.By {
		names = append(names, f.Name())
	}
	for i, name := range names {
		if i < len(c.Values) {
			n.Labels[name] = c.Values[i]
		}
	}
	value := func(name string) string {
		if grouped, ok := n.Labels[name]; ok && name == "severity" { // that of the messages
			return grouped
		}
		switch name {
		case "alert":
			return r.Name
		case "condition":
			return n.Condition
		case "count":
			return strconv.FormatUint(c.Value, 10)
		case "severity":
			return r.Severity
		case "window":
			return n.Window
		}
		return n.Labels[name]
	}
	n.Summary = r.Summary.fill(value)
	if n.Summary == "" {
		n.Summary = c.summary()
	}
	for name, text := range r.Annotations {
		if n.Annotations == nil {
			n.Annotations = make(map[string]string)
		}
		n.Annotations[name] = text.fill(value)
	}
	if c.State == Inactive {
		n.Status = notify.Resolved
		ended := c.Ended
		n.Ended = &ended
	}
	n.ID = c.id()
	return n
}

// summary is what is told where the configuration has no text.
func (c *Change) summary() string {
	condition, window := c.Rule.describe()
	switch {
	case c.by != nil || c.Note != "":
		return c.Rule.Name
	case c.Rule.Condition == Absent:
		return "no message for " + window
	}
	return fmt.Sprintf("%d messages in %s (%s)", c.Value, window, condition)
}

// id tells a notice from all others, and is the same after a restart.
func (c *Change) id() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %s %d %d", c.Rule.Name, c.Values, c.State, c.Started.UnixNano(), c.Ended.UnixNano())
	if c.Repeat {
		fmt.Fprintf(h, " %d", c.repeated)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}
