package cli

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/node"
)

// topLook is how a node was at one moment.
type topLook struct {
	server, by string
	status     node.Status
	noisy      []noisy
	noisyErr   error
}

// lines are what is shown, with rates since before; names are made harmless, and no
// line holds anything but printable characters.
func (l *topLook) lines(before *node.Status) []string {
	s := &l.status
	seconds := 0.0
	if before != nil && s.Started.Equal(before.Started) {
		seconds = s.Time.Sub(before.Time).Seconds()
	} else {
		before = nil // another process: its counts begin anew
	}
	rate := func(now, then uint64) string {
		if seconds <= 0 || now < then {
			return "-"
		}
		return count(uint64(float64(now-then)/seconds + 0.5))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "syslane %s  %s  up %s  %s  %s\n\n", harmless(s.Role), harmless(s.Version), s.Time.Sub(s.Started).Round(time.Second),
		harmless(l.server), s.Time.Local().Format(time.TimeOnly))
	fmt.Fprintf(&b, "LOG  %s messages  %s  %d segments", count(s.Log.Retained), config.Size(s.Log.Octets), s.Log.Segments)
	if s.Log.Oldest != nil {
		fmt.Fprintf(&b, "  since %s", s.Log.Oldest.Local().Format("2006-01-02 15:04"))
	}
	switch {
	case s.Log.DiskLow:
		b.WriteString("  FULL: its disk has no room")
	case s.Log.Failing:
		b.WriteString("  FAILING: it takes no messages")
	case s.Log.Full:
		b.WriteString("  FULL")
	}
	if s.Log.Damaged > 0 {
		fmt.Fprintf(&b, "  %s DAMAGED", count(s.Log.Damaged))
	}
	b.WriteString("\n\n")

	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "INPUT\tA SECOND\tRECEIVED\tSTORED\tBY RULES\tDROPPED\t")
	for i, in := range s.Inputs {
		c := in.Counts
		var then map[string]uint64
		if before != nil && i < len(before.Inputs) && before.Inputs[i].Name == in.Name {
			then = before.Inputs[i].Counts
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t\n", harmless(in.Name), rate(c["received_messages"], then["received_messages"]), count(c["received_messages"]),
			count(c["stored_messages"]), count(c["suppressed_messages"]+c["filtered_messages"]+c["limited_messages"]), count(c["dropped_messages"]))
	}
	fmt.Fprintln(w, "\t\t\t\t\t\t")
	fmt.Fprintln(w, "OUTPUT\tA SECOND\tDELIVERED\tWAITING\tDEAD LETTER\tDROPPED\t")
	for i, o := range s.Outputs {
		var then node.OutputStatus
		if before != nil && i < len(before.Outputs) && before.Outputs[i].Name == o.Name {
			then = before.Outputs[i]
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", harmless(o.Name), rate(o.Delivered, then.Delivered), count(o.Delivered), count(o.Retained),
			count(o.DeadLettered), count(o.Dropped+o.Damaged), outlook(o, then, seconds))
	}
	for _, u := range s.Unclaimed {
		fmt.Fprintf(w, "%s\t\t\t%s\t\t\tis not in the configuration\n", harmless(u.Name), count(u.Retained))
	}
	w.Flush()
	if len(l.noisy) > 0 || l.noisyErr != nil {
		fmt.Fprintf(&b, "\nNOISIEST by %s, last minute\n", l.by)
		if l.noisyErr != nil {
			fmt.Fprintf(&b, "%s\n", harmless(l.noisyErr.Error()))
		}
		w = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
		for _, n := range l.noisy {
			name := harmless(n.name)
			if name == "" {
				name = "-"
			}
			fmt.Fprintf(w, "%s\t %s\n", count(n.count), name)
		}
		w.Flush()
	}
	lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// outlook says what is to be expected of an output.
func outlook(now, then node.OutputStatus, seconds float64) string {
	switch {
	case !now.Up:
		return "DOWN: " + harmless(now.Error)
	case now.Retained == 0 || seconds <= 0 || then.Name == "":
		return ""
	case now.Retained >= then.Retained:
		return "behind, and not catching up"
	}
	perSecond := float64(then.Retained-now.Retained) / seconds
	left := time.Duration(float64(now.Retained) / perSecond * float64(time.Second))
	return "even in " + left.Round(time.Second).String()
}

// count writes a number with its thousands apart.
func count(n uint64) string {
	text := fmt.Sprint(n)
	var b strings.Builder
	for i, c := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// cut shortens a line to so many characters.
func cut(line string, width int) string {
	if utf8.RuneCountInString(line) <= width {
		return line
	}
	runes := []rune(line)
	return string(runes[:max(width, 0)])
}
