package parser

// Firewalls of many makers send key=value pairs with a PRI before them and
// nothing else, so that the pairs hold time, host and severity. The rule is one
// for all: it knows the keys, not the makers.
//
//	<189>date=2022-10-11 time=22:14:15 devname="FG100" devid="FG100E" eventtime=1665526455123456789 tz="+0200" level="notice"   FortiGate
//	<30>device="SFW" date=2022-10-11 time=22:14:15 timezone="CEST" device_name="XG125" log_id=0101 priority=Information    Sophos
//	<134>id=firewall sn=C0EAE4000001 time="2022-10-11 22:14:15 UTC" fw=203.0.113.7 pri=6 m=98 msg="Connection Opened"       SonicWall
//	time=1570561225|hostname=gw1|severity=Informational|product=IPS|origin=10.0.0.1      Check Point, Log Exporter for Splunk
//	<133>ns204: NetScreen device_id=ns204 [Root]system-notification-00257: start_time="2022-10-11 22:14:15"    Juniper ScreenOS

// found are the values of a body of key=value pairs that a header could have.
type found struct {
	date, time, zone [2]int
	eventTime        [2]int
	host             [2]int
	hostRank         int // 0 none; a smaller one is the better
}

// keyValue takes what the header lacks from a body of key=value pairs.
func (d *dialect) keyValue(p, end int) bool {
	b := d.b
	const screenOS = "NetScreen "
	if hasPrefix(b[:end], p, screenOS) {
		p += len(screenOS)
	}
	key := p
	for key < end && isKey(b[key]) {
		key++
	}
	if (key == p || at(b[:end], key) != '=') && at(b, p) != '|' {
		return false
	}
	var f found
	w := pairs{b: b, p: p, end: end}
	for i := 0; ; i++ {
		k, ok := w.next()
		if !ok {
			break
		}
		d.keyValuePair(&f, k, i, w.separator)
	}
	d.host(f.host[0], f.host[1])
	d.keyValueTime(&f)
	return true
}

// keyValuePair notes the value of one pair, the i-th of the body.
func (d *dialect) keyValuePair(f *found, k pair, i int, separator byte) {
	value := [2]int{k.value, k.valueEnd}
	if k.value == k.valueEnd {
		return
	}
	switch string(d.b[k.key:k.keyEnd]) {
	case "date":
		set(&f.date, value)
	case "time", "log_time":
		set(&f.time, value)
	case "tz", "timezone":
		set(&f.zone, value)
	case "eventtime", "timestamp", "start_time", "datetime", "UTCTime", "devTime", "ts":
		set(&f.eventTime, value)
	case "level", "severity", "pri", "priority", "sev", "log_level":
		if s, ok := rating(d.b[k.value:k.valueEnd]); ok {
			d.severity(s)
		}
	case "devname", "device_name", "dvchost":
		f.setHost(value, 1)
	case "fw", "node":
		f.setHost(value, 2)
	case "hostname", "host", "machine":
		// Of a firewall's later pairs these name the host that a client visits.
		if i < 3 || separator == '|' {
			f.setHost(value, 2)
		}
	case "origin", "dvc":
		f.setHost(value, 3)
	case "device_id", "devid":
		f.setHost(value, 4)
	}
}

func set(to *[2]int, value [2]int) {
	if to[1] == 0 {
		*to = value
	}
}

func (f *found) setHost(value [2]int, rank int) {
	if f.hostRank == 0 || rank < f.hostRank {
		f.host, f.hostRank = value, rank
	}
}

// trimZone leaves of "(GMT+2:00)Athens" what a stamp can read.
func (f *found) trimZone(b []byte) {
	if f.zone[1] == 0 || b[f.zone[0]] != '(' {
		return
	}
	if i := indexByte(b[f.zone[0]:f.zone[1]], ')'); i > 0 {
		f.zone = [2]int{f.zone[0] + 1, f.zone[0] + i}
	}
}

// keyValueTime takes the time. An absolute eventtime is the more exact, but some
// releases wrote wrong ones: it counts where it is within a day and two hours of date and time.
func (d *dialect) keyValueTime(f *found) {
	if d.m.Timestamp != noTime {
		return
	}
	f.trimZone(d.b)
	if f.date[1] == 0 {
		d.timeIn(f.time, f.zone)
		d.timeIn(f.eventTime, f.zone)
		return
	}
	var event stamp
	if f.eventTime[1] > 0 && event.parse(d.b[:f.eventTime[1]], f.eventTime[0]) == 0 {
		event.isUnix = false
	}
	// Date, time and zone stand apart; a stamp is one piece.
	var one [96]byte
	n := 0
	for _, part := range [...][2]int{f.date, f.time, f.zone} {
		if part[1]-part[0] > 30 {
			return
		}
		if part[1] > 0 {
			n += copy(one[n:], d.b[part[0]:part[1]])
			one[n] = ' '
			n++
		}
	}
	var s stamp
	if s.parse(one[:n], 0) == 0 {
		d.timeIn(f.eventTime, f.zone)
		return
	}
	time, warning := s.resolve(one[:n], d.c)
	if event.isUnix && !s.hasOffset && abs(event.unix-time/nanosPerSec) < 26*3600 {
		time = nanos(event.unix, event.nsec)
	}
	d.m.Timestamp = time
	d.m.Warnings |= warning
}

// timeIn takes the time at value, with the zone that stands apart from it.
func (d *dialect) timeIn(value, zone [2]int) {
	if value[1]-value[0] < 8 || value[1]-value[0] > 64 {
		return
	}
	if zone[1] == 0 || zone[1]-zone[0] > 16 {
		d.time(value[0], value[1])
		return
	}
	if d.m.Timestamp != noTime {
		return
	}
	var one [96]byte
	n := copy(one[:], d.b[value[0]:value[1]])
	var s stamp
	if s.parse(one[:n], 0) == 0 {
		return
	}
	if !s.hasOffset && s.zoneEnd == 0 {
		one[n] = ' '
		n += 1 + copy(one[n+1:], d.b[zone[0]:zone[1]])
		s.parse(one[:n], 0)
	}
	time, warning := s.resolve(one[:n], d.c)
	d.m.Timestamp = time
	d.m.Warnings |= warning
}
