package parser

import "github.com/syslane/syslane/internal/syslog"

// Cisco writes a mnemonic where other systems have a tag, with the severity in
// it, and before it, as configured, a sequence number, the host, a second
// sequence number, and the time, whose clock it calls unset with "*" and not
// synchronised with ".".
//
//	<189>29: router1: 000045: *Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I: text   IOS
//	<189>: 2022 Oct 11 22:14:15.123 UTC: %VSHD-5-VSHD_SYSLOG_CONFIG_I: text     NX-OS
//	<189>12: RP/0/RSP0/CPU0:Oct 11 22:14:15.123 : ifmgr[204]: %PKT_INFRA-LINK-3-UPDOWN : text   IOS XR
//	<166>Oct 11 2022 22:14:15 asa1 : %ASA-6-302014: text                        ASA, FTD
//	<134>wlc1: *spamApTask1: Oct 11 22:14:15.123: %CAPWAP-4-DISC: text          wireless controllers
//	<189>router1: 3w2d: %LINK-3-UPDOWN: text                                    uptime: no time
//	<181>Oct 11 22:14:15 ise1 CISE_Passed_Authentications 0001939187 4 0 text   ISE, ACS
//
// The mnemonic is the AppName, with its percent sign, as it stands in Cisco's own
// references and as rsyslog names it: %SYS-5-CONFIG_I. Its last part, CONFIG_I
// or 302014, is the MsgID. Where a process comes first (IOS XR), that is the
// AppName.

// skipOwnZone skips a zone that an administrator has named as he likes ("clock
// timezone mng 3"), behind the time and before a mnemonic. It cannot be resolved.
//
//	3924923: *Oct  6 03:32:04.114 mng: %SEC-6-IPACCESSLOGP: text
func skipOwnZone(b []byte, p int) int {
	end := p
	for end < len(b) && end < p+8 && isAlpha(b[end]) {
		end++
	}
	if end == p || at(b, end) != ':' {
		return p
	}
	next := skipSpace(b, end+1)
	if at(b, next) == '*' {
		next++
	}
	if at(b, next) != '%' {
		return p
	}
	return end
}

// isMnemonic tells whether w is %FACILITY-SEVERITY-MNEMONIC or, as H3C also
// writes it, FACILITY/SEVERITY/MNEMONIC.
func isMnemonic(w []byte) bool {
	_, ok := mnemonicSeverity(w)
	return ok
}

// mnemonicSeverity returns the severity that a mnemonic states, with dashes as
// Cisco or slashes as Huawei writes it; switches of Cisco's and Dell's small
// business lines have a letter for it.
//
//	%LINK-3-UPDOWN   %%01IFNET/4/LINK_STATE(l)   IFNET/3/LINK_UPDOWN   %LINK-W-Down
func mnemonicSeverity(w []byte) (syslog.Severity, bool) {
	if len(w) < 5 || w[0] != '%' && w[0]-'A' >= 26 {
		return 0, false
	}
	for i := 2; i < len(w)-2; i++ {
		c := w[i]
		if (c != '-' || w[0] != '%') && c != '/' || w[i+2] != c {
			continue
		}
		if d := w[i+1]; d >= '0' && d <= '7' {
			return syslog.Severity(d - '0'), true
		} else if c == '-' {
			return severityLetter(d)
		}
	}
	return 0, false
}

// severityLetter reads the first letter of a severity.
func severityLetter(c byte) (syslog.Severity, bool) {
	switch c {
	case 'A':
		return syslog.Alert, true
	case 'C', 'F':
		return syslog.Critical, true
	case 'E':
		return syslog.Error, true
	case 'W':
		return syslog.Warning, true
	case 'N':
		return syslog.Notice, true
	case 'I':
		return syslog.Informational, true
	case 'D':
		return syslog.Debug, true
	}
	return 0, false
}

// mnemonicIn returns the last part of a tag such as %SYS-5-CONFIG_I or
// %%01SHELL/5/CMDRECORD(l).
func mnemonicIn(b []byte, tag syslog.Span) syslog.Span {
	end := int(tag.End)
	for k := end - 1; k > int(tag.Start); k-- {
		switch b[k] {
		case '(':
			end = k
		case '-', '/':
			return span(k+1, end)
		}
	}
	return syslog.Span{}
}

// ciscoStampless reads a message of Cisco's whose time is the uptime or missing:
// a mnemonic behind a few words, of which the first with a colon that is neither
// a number nor an uptime is the host.
func (d *dialect) ciscoStampless(p int) bool {
	b := d.b
	var host syslog.Span
	for range maxPrefixes {
		p = skipSpace(b, p)
		if at(b, p) == '*' && at(b, p+1) == '%' {
			p++
		}
		if at(b, p) == '%' {
			name, msgID, pid, end := tagAt(b, p)
			if end == 0 || !isMnemonic(b[name.Start:name.End]) {
				return false
			}
			d.m.Format = syslog.RFC3164
			d.m.AppName, d.m.MsgID, d.m.ProcID = name, msgID, pid
			d.m.Hostname = host
			d.m.Text = textWithoutEnd(b, end)
			return true
		}
		end := wordEnd(b, p)
		if end == p || end-p > 64 {
			return false
		}
		if start, stop := hostIn(b, p, end); host.Empty() && b[end-1] == ':' && stop > start && !isUptime(b[start:stop]) && zoneNameEnd(b, start) == 0 {
			host = span(start, stop)
		}
		p = end
	}
	return false
}

// isUptime tells whether w is a number, a time of day, or an uptime as 3w2d or
// 1y12w.
func isUptime(w []byte) bool {
	letters := 0
	for i, c := range w {
		switch {
		case isDigit(c) || c == ':' || c == '.':
		case i > 0 && isDigit(w[i-1]) && (c == 'y' || c == 'w' || c == 'd' || c == 'h' || c == 'm' || c == 's'):
			letters++
		default:
			return false
		}
	}
	return true
}
