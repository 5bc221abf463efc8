package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of octets, written as a plain number or with a unit of 1024
// (KiB, MiB, GiB, TiB) or of 1000 (KB, MB, GB, TB). Bare letters ("64M") are
// refused, since programs disagree about them.
type Size int64

var sizeUnits = []struct {
	name string
	size int64
}{
	{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// UnmarshalText reads "64MiB", "1.5GB" or "4096".
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := splitUnit(string(text))
	factor := int64(0)
	for _, u := range sizeUnits {
		if strings.EqualFold(unit, u.name) || unit == "" && u.name == "B" {
			factor = u.size
		}
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil && factor > 0 {
		if n > math.MaxInt64/factor {
			return fmt.Errorf("too large; at most %s", Size(math.MaxInt64))
		}
		*s = Size(n * factor)
		return nil
	}
	f, err := strconv.ParseFloat(number, 64)
	switch {
	case len(unit) == 1 && strings.Contains("kmgtKMGT", unit):
		letter := strings.ToUpper(unit)
		return fmt.Errorf("the unit %q is ambiguous; write %siB (of 1024) or %sB (of 1000)", unit, letter, letter)
	case err != nil || factor == 0:
		return fmt.Errorf(`not a size; write octets or a number with a unit: 65536, "64KiB", "1.5GB"`)
	case f*float64(factor) >= math.MaxInt64:
		return fmt.Errorf("too large; at most %s", Size(math.MaxInt64))
	}
	*s = Size(f * float64(factor))
	return nil
}

// String returns the size with the largest unit of 1024 that divides it, or with
// one decimal where it is large and none does.
func (s Size) String() string {
	for _, u := range sizeUnits[:4] {
		if s != 0 && int64(s)%u.size == 0 {
			return strconv.FormatInt(int64(s)/u.size, 10) + u.name
		}
	}
	for _, u := range sizeUnits[:4] {
		if int64(s) >= 10*u.size {
			return strconv.FormatFloat(float64(s)/float64(u.size), 'f', 1, 64) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10) + "B"
}

// splitUnit cuts "64 MiB" into "64" and "MiB".
func splitUnit(s string) (number, unit string) {
	s = strings.TrimSpace(s)
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		return s, ""
	}
	return s[:end], strings.TrimSpace(s[end:])
}

var durationUnits = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// ParseDuration reads a span of time as people write it: "5s", "1.5h", "1d12h".
// A day is 24 hours, a week (w) seven days. 0 needs no unit.
func ParseDuration(s string) (time.Duration, error) {
	rest := strings.TrimSpace(s)
	if rest == "0" {
		return 0, nil
	}
	bad := fmt.Errorf(`not a duration; write a number with a unit of ms, s, m, h, d or w: "5s", "15m", "7d"`)
	if rest == "" {
		return 0, bad
	}
	total := 0.0
	for rest != "" {
		number, tail := splitUnit(rest)
		end := strings.IndexFunc(tail, func(r rune) bool { return r >= '0' && r <= '9' || r == ' ' })
		if end < 0 {
			end = len(tail)
		}
		unit, ok := durationUnits[tail[:end]]
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !ok {
			return 0, bad
		}
		total += n * float64(unit)
		rest = strings.TrimSpace(tail[end:])
	}
	if total >= math.MaxInt64 {
		return 0, fmt.Errorf("too long; at most 292 years")
	}
	return time.Duration(math.Round(total)), nil
}
