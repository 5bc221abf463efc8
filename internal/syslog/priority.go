package syslog

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Severity is the numerical severity of a message, 0 (emergency) to 7 (debug),
// RFC 5424 §6.2.1, table 2. A smaller number is the more severe.
type Severity uint8

// The severities of RFC 5424 §6.2.1.
const (
	Emergency Severity = iota
	Alert
	Critical
	Error
	Warning
	Notice
	Informational
	Debug
)

// Facility is the numerical facility of a message, 0 (kernel) to 23 (local7),
// RFC 5424 §6.2.1, table 1.
type Facility uint8

// The facilities that Syslane names itself; the others are plain numbers.
const (
	Kernel Facility = 0
	User   Facility = 1
	Syslog Facility = 5
	Local0 Facility = 16
	Local7 Facility = 23
)

// DefaultPriority is what RFC 3164 §4.3.3 gives a message that arrives without
// a PRI part: user.notice, 13.
const (
	DefaultFacility = User
	DefaultSeverity = Notice
)

var severityNames = [8]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

// severityAliases are the other spellings that administrators type.
var severityAliases = map[string]Severity{
	"emergency": Emergency, "panic": Emergency, "critical": Critical, "error": Error,
	"warn": Warning, "informational": Informational,
}

var facilityNames = [24]string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news",
	"uucp", "cron", "authpriv", "ftp", "ntp", "security", "console", "solaris-cron",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// String returns the keyword that syslog.conf uses ("err", "warning"), or the
// number where s is out of range.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return strconv.Itoa(int(s))
}

// String returns the keyword that syslog.conf uses ("daemon", "local0"), or the
// number where f is out of range.
func (f Facility) String() string {
	if int(f) < len(facilityNames) {
		return facilityNames[f]
	}
	return strconv.Itoa(int(f))
}

// ParseSeverity reads a severity keyword, one of its usual aliases ("error",
// "warn", "panic"), or a number from 0 to 7.
func ParseSeverity(s string) (Severity, error) {
	s = strings.ToLower(s)
	for i, name := range severityNames {
		if s == name {
			return Severity(i), nil
		}
	}
	if v, ok := severityAliases[s]; ok {
		return v, nil
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= 7 {
		return Severity(n), nil
	}
	return 0, fmt.Errorf("severity %q is none of %s, or 0 to 7", s, strings.Join(severityNames[:], ", "))
}

// ParseFacility reads a facility keyword or a number from 0 to 23.
func ParseFacility(s string) (Facility, error) {
	s = strings.ToLower(s)
	for i, name := range facilityNames {
		if s == name {
			return Facility(i), nil
		}
	}
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n <= 23 {
		return Facility(n), nil
	}
	return 0, fmt.Errorf("facility %q is none of %s, or 0 to 23", s, strings.Join(facilityNames[:], ", "))
}

// SeverityNames returns every keyword that ParseSeverity reads.
func SeverityNames() []string {
	return slices.AppendSeq(slices.Clone(severityNames[:]), maps.Keys(severityAliases))
}

// FacilityNames returns every keyword that ParseFacility reads.
func FacilityNames() []string { return slices.Clone(facilityNames[:]) }
