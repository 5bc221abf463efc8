package parser

import (
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

const (
	secondsPerDay = 86400
	nanosPerSec   = 1_000_000_000
	// A time must fit nanoseconds in an int64: 1678 to 2261 hold whole years.
	minYear, maxYear = 1678, 2261
)

var daysBeforeMonth = [13]int{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

func isLeap(year int) bool { return year&3 == 0 && (year%25 != 0 || year&15 == 0) }

// daysIn returns the number of days of a month, 1 to 12.
func daysIn(year, month int) int {
	if month == 2 && isLeap(year) {
		return 29
	}
	return daysBeforeMonth[month] - daysBeforeMonth[month-1]
}

// isDay tells whether a month, 1 to 12, has a day.
func isDay(year, month, day int) bool {
	return day <= 28 && day > 0 || day > 0 && day <= daysIn(year, month)
}

// firstDays holds, for each year from minYear on, the number of days from 1
// January 1970 to its first; of one year more than maxYear.
var firstDays = func() (t [maxYear - minYear + 2]int32) {
	for i := range t {
		y := minYear + i - 1
		t[i] = int32(365*y + y/4 - y/100 + y/400 - 719162)
	}
	return t
}()

// leapDaysBeforeMonth is daysBeforeMonth of a leap year.
var leapDaysBeforeMonth = [13]int{0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366}

// unixDay returns the number of days from 1 January 1970 to a date. The year
// must be from minYear to maxYear+1.
func unixDay(year, month, day int) int64 {
	before := &daysBeforeMonth
	if isLeap(year) {
		before = &leapDaysBeforeMonth
	}
	return int64(int(firstDays[year-minYear]) + before[month-1] + day - 1)
}

// yearOf returns the year, in UTC, of a time in seconds since the epoch, which
// must fit nanoseconds in 64 bits.
func yearOf(unix int64) int {
	day := unix / secondsPerDay
	if unix < day*secondsPerDay {
		day--
	}
	year := min(max(int(1970+day*400/146097), minYear), maxYear)
	for year > minYear && int64(firstDays[year-minYear]) > day {
		year--
	}
	for year < maxYear && int64(firstDays[year+1-minYear]) <= day {
		year++
	}
	return year
}

// maxAhead is how far after the receive time a stamp without a year may come to
// lie. A month lets a clock that runs ahead show any day of January while it is
// still December here, and reads eleven months of an old file right.
const maxAhead = 31 * secondsPerDay

// inferYear returns the year of a stamp that names none: the latest in which the
// date exists and lies no more than maxAhead after received (both by the
// calendar of UTC: a zone's hours do not matter here).
//
//	received 2 January 2025,   stamp Dec 31  -> 2024
//	received 31 December 2024, stamp Jan  1  -> 2025
//	received 1 March 2025,     stamp Feb 29  -> 2024
func inferYear(month, day int, received int64) int {
	limit := received + maxAhead
	year := yearOf(limit)
	for year > minYear {
		if isDay(year, month, day) && unixDay(year, month, day)*secondsPerDay <= limit {
			return year
		}
		year--
	}
	return year
}

// offsetAt returns the offset of loc from UTC, in seconds, at a time in seconds
// since the epoch.
func offsetAt(loc *time.Location, unix int64) int64 {
	if loc == time.UTC {
		return 0
	}
	_, off := time.Unix(unix, 0).In(loc).Zone()
	return int64(off)
}

// inLocation turns a local time (wall, seconds since the epoch as if it were
// UTC) into seconds since the epoch.
//
// A time that the clocks show twice (a fold: autumn in Europe) is the one of the
// two that is nearer to received; where both are as near, the later. A time that
// they never show (a gap: spring) is read with the offset before the change: in
// Berlin, 02:30 on the last Sunday of March is 03:30 summer time.
func inLocation(wall int64, loc *time.Location, received int64) int64 {
	if loc == time.UTC {
		return wall
	}
	span := zoneSpanAt(loc, wall)
	if offset, ok := span.lookUp(loc, wall); ok {
		return wall - offset
	}
	// No zone has two changes within two days, and no offset is a day.
	before := offsetAt(loc, wall-secondsPerDay)
	after := offsetAt(loc, wall+secondsPerDay)
	if before == after {
		span.remember(loc, wall-before)
		return wall - before
	}
	first, second := wall-before, wall-after
	firstOK, secondOK := offsetAt(loc, first) == before, offsetAt(loc, second) == after
	switch {
	case firstOK && secondOK:
		if abs(first-received) < abs(second-received) {
			return first
		}
		return second
	case secondOK:
		return second
	}
	return first
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// nanos joins seconds since the epoch and nanoseconds; NoTimestamp where an
// int64 cannot hold the result.
func nanos(unix int64, nsec int) int64 {
	const limit = (1<<63-1)/nanosPerSec - 1
	if unix > limit || unix < -limit {
		return syslog.NoTimestamp
	}
	return unix*nanosPerSec + int64(nsec)
}
