package oldlog

import (
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

// daysOfYear numbers days so that every date has a number, in whichever year:
// 31 for each month.
const daysOfYear = 12 * 31

// lateness is how many days a line may be older than the one before it, without
// being taken for one of the next year. Lines of one file come from many threads
// and hosts, and are in order only roughly.
const lateness = 10

// calendar tells in which year a line was written, counted from that of the first,
// of lines whose timestamps name day and month: where these jump back, a year has
// passed; where they jump ahead by nearly a year, the line is a late one of the
// year before.
type calendar struct {
	began        bool
	before, past int // number of the day of the line before; years that have passed
}

func (c *calendar) year(month, day int) int {
	now := (month-1)*31 + day
	if c.began {
		switch ahead := now - c.before; {
		case ahead < -lateness:
			c.past++
		case ahead > daysOfYear-lateness:
			c.past--
		}
	}
	c.began, c.before = true, now
	return c.past
}

// lastYear returns the latest year in which the date is not after modified. A day
// more is allowed: the zone of the timestamps may be another.
func lastYear(month, day int, modified time.Time) int {
	limit := modified.AddDate(0, 0, 1)
	year := limit.Year()
	if m := int(limit.Month()); month > m || month == m && day > limit.Day() {
		year--
	}
	return year
}

// dater parses messages one after the other and gives each its year.
type dater struct {
	options  parser.Options
	first    int
	calendar calendar
}

func (d *dater) parse(m *syslog.Message) {
	raw, w := m.Raw, m.Warnings
	parser.Parse(m, &d.options)
	if m.Warnings&syslog.WarnYearInferred == 0 {
		return
	}
	// The year was inferred from the time of the message before; that is right
	// unless the year has changed or much time has passed.
	t := m.Time().In(d.options.Location)
	year := d.first + d.calendar.year(int(t.Month()), t.Day())
	if t.Year() != year {
		d.options.Received = time.Date(year, t.Month(), t.Day(), 12, 0, 0, 0, time.UTC)
		m.Raw, m.Warnings = raw, w
		parser.Parse(m, &d.options)
	}
	d.options.Received = m.Time()
}
