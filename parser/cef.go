package parser

import "github.com/syslane/syslane/internal/syslog"

// startsBody tells that what stands at i can only be the body of a message:
// ArcSight's CEF, QRadar's LEEF, or JSON.
func startsBody(b []byte, i int) bool {
	switch at(b, i) {
	case 'C':
		return hasPrefix(b, i, "CEF:")
	case 'L':
		return hasPrefix(b, i, "LEEF:")
	case '{':
		return true
	case '@':
		return hasPrefix(b, i, "@cee:")
	}
	return false
}

// cef takes what the header lacks from a body of ArcSight's Common Event Format:
// the severity from the seventh field, the time from rt, end or start, and the
// host from dvchost or dvc.
//
//	<134>CEF:0|Citrix|NetScaler|NS13.0|APPFW|APPFW_STARTURL|6|src=10.1.1.5 rt=1665526455000 dvchost=ns1
//
// Of the eleven severities of CEF, 0 to 3 (Low) are notices, 4 to 6 (Medium)
// warnings, 7 and 8 (High) errors, 9 and 10 (Very-High) critical.
func (d *dialect) cef(p, end int) bool {
	b := d.b
	if !hasPrefix(b[:end], p, "CEF:") {
		return false
	}
	start := p
	for range 7 {
		start = p
		if p, _ = headerEnd(b, p, end); p == 0 {
			return true
		}
	}
	if s, ok := rateTen(b[start : p-1]); ok {
		d.severity(s)
	}
	w := extensions{b: b, p: p, end: end}
	for {
		k, ok := w.next()
		if !ok {
			return true
		}
		d.cefField(k)
	}
}

// leef takes what the header lacks from a body of QRadar's Log Event Extended
// Format: devTime, sev (0 to 10), and the host from identHostName or devName.
//
//	LEEF:1.0|Trend Micro|Deep Security Agent|10.0|21|cat=Log<TAB>sev=6<TAB>devTime=Oct 11 2022 22:14:15 UTC
func (d *dialect) leef(p, end int) bool {
	b := d.b
	if !hasPrefix(b[:end], p, "LEEF:") {
		return false
	}
	for range 5 {
		if p, _ = headerEnd(b, p, end); p == 0 {
			return true
		}
	}
	separator, p := leefDelimiter(b, p, end)
	w := attributes{b: b, p: p, end: end, separator: separator}
	for {
		k, ok := w.next()
		if !ok {
			return true
		}
		if string(b[k.key:k.keyEnd]) == "sev" {
			if s, ok := rateTen(b[k.value:k.valueEnd]); ok {
				d.severity(s)
			}
		}
		d.cefField(k)
	}
}

// cefField takes a value by its key.
func (d *dialect) cefField(k pair) {
	switch string(d.b[k.key:k.keyEnd]) {
	case "rt", "end", "start", "deviceReceiptTime", "devTime":
		d.time(k.value, k.valueEnd)
	case "dvchost", "deviceHostName", "devName", "identHostName":
		d.host(k.value, k.valueEnd)
	}
}

// rateTen reads a severity from 0 to 10, or a word.
func rateTen(w []byte) (syslog.Severity, bool) {
	switch len(w) {
	case 1:
		switch c := w[0]; {
		case c >= '0' && c <= '3':
			return syslog.Notice, true
		case c >= '4' && c <= '6':
			return syslog.Warning, true
		case c == '7' || c == '8':
			return syslog.Error, true
		case c == '9':
			return syslog.Critical, true
		}
		return 0, false
	case 2:
		return syslog.Critical, string(w) == "10"
	}
	return rating(w)
}
