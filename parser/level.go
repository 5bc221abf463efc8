package parser

import "github.com/syslane/syslane/internal/syslog"

// severityWord reads the name of a severity in any case, as programs and devices
// spell it.
func severityWord(w []byte) (syslog.Severity, bool) {
	if len(w) < 3 || len(w) > 13 || !isAlpha(w[0]) {
		return 0, false
	}
	var low [13]byte
	for i, c := range w {
		if c-'A' < 26 {
			c |= 0x20
		}
		low[i] = c
	}
	switch string(low[:len(w)]) {
	case "emerg", "emergency", "panic", "emer":
		return syslog.Emergency, true
	case "alert", "alrt", "aler":
		return syslog.Alert, true
	case "crit", "critical", "fatal", "severe":
		return syslog.Critical, true
	case "err", "error", "errs", "erro":
		return syslog.Error, true
	case "warn", "warning":
		return syslog.Warning, true
	case "notice", "noti", "notif", "notification":
		return syslog.Notice, true
	case "info", "information", "informational":
		return syslog.Informational, true
	case "debug", "dbug", "trace":
		return syslog.Debug, true
	}
	return 0, false
}

// rating reads a severity as bodies rate their events: a severity's name, a
// syslog severity as a digit, or the words of security products.
//
//	high -> error   medium -> warning   low -> notice
func rating(w []byte) (syslog.Severity, bool) {
	if len(w) == 1 && w[0] >= '0' && w[0] <= '7' {
		return syslog.Severity(w[0] - '0'), true
	}
	switch {
	case equalFold(w, "high"), equalFold(w, "major"):
		return syslog.Error, true
	case equalFold(w, "medium"), equalFold(w, "minor"):
		return syslog.Warning, true
	case equalFold(w, "low"):
		return syslog.Notice, true
	case equalFold(w, "very-high"):
		return syslog.Critical, true
	case equalFold(w, "cleared"), equalFold(w, "verbose"):
		return syslog.Informational, true
	}
	return severityWord(w)
}

// selector reads a facility and a severity joined by a dot, as BSD's syslogd -v,
// BusyBox, OpenWrt's logread and the files of Kiwi have them.
//
//	auth.info   daemon.notice   Local7.Notice
func selector(w []byte) (syslog.Facility, syslog.Severity, bool) {
	dot := indexByte(w, '.')
	if dot <= 0 {
		return 0, 0, false
	}
	severity, ok := severityWord(w[dot+1:])
	if !ok {
		return 0, 0, false
	}
	facility, ok := facilityWord(w[:dot])
	return facility, severity, ok
}

// facilityWord reads the keyword of a facility in any case.
func facilityWord(w []byte) (syslog.Facility, bool) {
	if len(w) < 3 || len(w) > 8 {
		return 0, false
	}
	var low [8]byte
	for i, c := range w {
		if c-'A' < 26 {
			c |= 0x20
		}
		low[i] = c
	}
	w = low[:len(w)]
	switch string(w) {
	case "kern", "kernel":
		return 0, true
	case "user":
		return 1, true
	case "mail":
		return 2, true
	case "daemon":
		return 3, true
	case "auth", "security":
		return 4, true
	case "syslog":
		return 5, true
	case "lpr":
		return 6, true
	case "news":
		return 7, true
	case "uucp":
		return 8, true
	case "cron":
		return 9, true
	case "authpriv":
		return 10, true
	case "ftp":
		return 11, true
	case "ntp":
		return 12, true
	case "audit":
		return 13, true
	}
	if len(w) == 6 && string(w[:5]) == "local" && w[5] >= '0' && w[5] <= '7' {
		return syslog.Local0 + syslog.Facility(w[5]-'0'), true
	}
	return 0, false
}
