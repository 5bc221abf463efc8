package parser

import "github.com/syslane/syslane/internal/syslog"

// MikroTik's RouterOS writes the topics of a message, joined by commas, where
// others have a tag, one of them the severity. With bsd-syslog=no there is
// neither PRI nor time nor host. The topics are the AppName.
//
//	system,info,account user admin logged in from 10.0.0.5 via winbox
//	<30>Oct 11 22:14:15 MikroTik dhcp,critical,error dhcp-client on ether1 lost IP address
//	<30>Oct 11 22:14:15 MikroTik firewall,info: forward: in:ether1 out:ether2, proto UDP

// topics tells whether b[p:end] is a list of topics with a severity among them,
// and takes the severity.
func (d *dialect) topics(p, end int) bool {
	b := d.b
	if end > p && b[end-1] == ':' {
		end--
	}
	commas, found := 0, false
	var severity syslog.Severity
	start := p
	for i := p; i <= end; i++ {
		if i < end && b[i] != ',' {
			if c := b[i]; c-'a' >= 26 && c != '-' && !isDigit(c) {
				return false
			}
			continue
		}
		if i == start {
			return false
		}
		if s, ok := severityWord(b[start:i]); ok && !found {
			severity, found = s, true
		}
		if i < end {
			commas++
		}
		start = i + 1
	}
	if commas == 0 || !found {
		return false
	}
	d.severity(severity)
	return true
}

// topicsOnly reads a message that begins with its topics.
func (d *dialect) topicsOnly(p int) bool {
	end := wordEnd(d.b, p)
	if end-p > maxTag || end >= len(d.b) || !d.topics(p, end) {
		return false
	}
	d.m.Format = syslog.RFC3164
	d.m.AppName = span(p, end)
	if d.b[end-1] == ':' {
		d.m.AppName.End--
	}
	d.m.Text = textWithoutEnd(d.b, skipSpace(d.b, end))
	return true
}
