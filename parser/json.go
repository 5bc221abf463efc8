package parser

// json takes what the header lacks from a body that is a JSON object, as
// applications, GELF and rsyslog's @cee: send, from its own members only.
//
//	{"timestamp":"2022-10-11T22:14:15.123456+0000","host":"sensor1","event_type":"alert"}
//	{"version":"1.1","host":"web1","short_message":"text","timestamp":1665526455.123,"level":4}
func (d *dialect) json(p, end int) bool {
	b := d.b
	if p < end && b[p] == '@' && hasPrefix(b[:end], p, "@cee:") {
		p = skipSpace(b[:end], p+5)
	}
	if p >= end || b[p] != '{' {
		return false
	}
	p++
	for {
		p = skipBlank(b, p, end)
		key, _ := jsonString(b, p, end)
		if key == 0 {
			return true
		}
		name := b[p+1 : key-1]
		p = skipBlank(b, key, end)
		if p >= end || b[p] != ':' {
			return true
		}
		p = skipBlank(b, p+1, end)
		stop := jsonValueEnd(b, p, end)
		if stop == 0 {
			return true
		}
		value, valueEnd := p, stop
		if b[p] == '"' {
			value, valueEnd = p+1, stop-1
		}
		switch string(name) {
		case "@timestamp", "timestamp", "time", "ts", "datetime", "eventTime":
			d.time(value, valueEnd)
		case "host", "hostname", "host.name", "HOSTNAME", "Hostname", "devname":
			if start, e := hostIn(b, value, valueEnd); e > start && e == valueEnd {
				d.host(start, e)
			}
		case "level", "severity", "log.level", "loglevel", "Severity", "SeverityValue":
			if s, ok := rating(b[value:valueEnd]); ok {
				d.severity(s)
			}
		}
		p = skipBlank(b, stop, end)
		if p >= end || b[p] != ',' {
			return true
		}
		p++
	}
}

func skipBlank(b []byte, p, end int) int {
	for p < end && (isSpace(b[p]) || b[p] == '\n' || b[p] == '\r') {
		p++
	}
	return p
}
