package search

import (
	"fmt"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/config"
)

// ParseTime reads a bound in time: a span before now ("15m", "7d"), RFC 3339, or
// a date with or without a time of day, which is in loc ("2006-01-02",
// "2006-01-02 15:04", "2006-01-02 15:04:05.123").
func ParseTime(s string, now time.Time, loc *time.Location) (time.Time, error) {
	s = strings.TrimSpace(s)
	if d, err := config.ParseDuration(s); err == nil {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	local := strings.Replace(s, "T", " ", 1)
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, local, loc); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf(`time %q: write a span before now ("15m", "7d"), "2006-01-02 15:04", or RFC 3339 ("2006-01-02T15:04:05Z")`, s)
}
