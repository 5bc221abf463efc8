package rsyslog

import (
	"fmt"
	"strings"

	"github.com/syslane/syslane/internal/convert"
	"github.com/syslane/syslane/internal/syslog"
)

// selectorCond reads a selector of syslog.conf, as rsyslogd does: the parts between
// semicolons one after the other, each changes what is meant for its facilities.
func selectorCond(text string) (convert.Cond, error) {
	var all convert.Priorities
	for part := range strings.SplitSeq(text, ";") {
		if part == "" {
			continue
		}
		dot := strings.LastIndexByte(part, '.')
		if dot < 0 {
			return convert.Cond{}, fmt.Errorf("%q has no priority", part)
		}
		facilities, err := facilityList(part[:dot])
		if err != nil {
			return convert.Cond{}, err
		}
		change, err := priority(part[dot+1:])
		if err != nil {
			return convert.Cond{}, err
		}
		for _, f := range facilities {
			all[f] = change(all[f])
		}
	}
	when := all.Cond()
	return when, nil
}

func facilityList(text string) (list []int, err error) {
	for name := range strings.SplitSeq(text, ",") {
		if name == "*" {
			for f := range convert.Facilities {
				list = append(list, f)
			}
			continue
		}
		switch name = strings.ToLower(name); name {
		case "mark": // rsyslogd's own messages, of which there are none
			continue
		case "security": // to rsyslogd the old name of auth, not facility 13
			name = "auth"
		case "bsd_security":
			name = "security"
		}
		f, err := syslog.ParseFacility(name)
		if err != nil || name[0] <= '9' {
			return nil, fmt.Errorf("no facility %q", name)
		}
		list = append(list, int(f))
	}
	return list, nil
}

// priority returns what the part behind the dot does to the severities meant.
func priority(text string) (func(uint8) uint8, error) {
	text, negated := strings.CutPrefix(text, "!")
	text, alone := strings.CutPrefix(text, "=")
	var mask uint8
	switch strings.ToLower(text) {
	case "*":
		mask = 0xff
	case "none":
		return func(uint8) uint8 { return 0 }, nil
	default:
		s, err := syslog.ParseSeverity(text)
		if err != nil {
			return nil, fmt.Errorf("no priority %q", text)
		}
		if mask = 1 << s; !alone {
			mask |= mask - 1
		}
	}
	if negated {
		return func(m uint8) uint8 { return m &^ mask }, nil
	}
	return func(m uint8) uint8 { return m | mask }, nil
}
