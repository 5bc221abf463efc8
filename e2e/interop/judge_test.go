package interop

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// clockLag is how far the clock that a program looks at may be behind ours: many
// read one that the kernel sets at each tick, or keep the time of their last event.
const clockLag = time.Second

// judge compares documents with what was sent.
type judge struct {
	form         form
	clock        clock
	began, ended time.Time
	stand        standIn
	faults       []string
}

// compare finds for each message the one document with its text, and returns for
// each column what all of them have in common.
func (j *judge) compare(messages []message, found []*document) findings {
	cells := findings{}
	unit := time.Second
	left := slices.Clone(found)
	for i := range messages {
		m := &messages[i]
		at := slices.IndexFunc(left, func(d *document) bool { return m.matches(d.Message) })
		if at < 0 {
			j.fault("no document for %+v", *m)
			continue
		}
		d := left[at]
		left = slices.Delete(left, at, at+1)
		cells.add(j.fields(m, d))
		for d.Timestamp.Truncate(unit) != d.Timestamp {
			unit /= 1000
		}
	}
	for _, d := range left {
		j.fault("nobody sent %+v", *d)
	}
	if unit != j.clock.step && j.clock != receipt {
		j.fault("the times are all whole multiples of %v, want of %v", unit, j.clock.step)
	}
	return cells
}

// fields compares one document with its message.
func (j *judge) fields(m *message, d *document) findings {
	s := &d.Log.Syslog
	cells := findings{message: sent}
	check := func(field string, got, want any) bool {
		if got != want {
			j.fault("%s is %v, want %v, in %+v", field, got, want, *d)
		}
		return got == want
	}
	// given is the cell of a field that the message may or may not have.
	given := func(field, got, want string) string {
		if !check(field, got, want) {
			return wrong
		}
		if want == "" {
			return notSent
		}
		return sent
	}
	if j.stand.remote {
		check("source.ip", d.Source.IP, j.stand.host)
	}
	check("labels.format", d.Labels.Format, j.form.label)

	cells.host = given("log.syslog.hostname", s.Hostname, m.host)
	want := m.host
	if want == "" {
		want, cells.host = j.stand.host, j.stand.name
	}
	if !check("host.name", d.Host.Name, want) {
		cells.host = wrong
	}
	cells.app = given("log.syslog.appname", s.AppName, m.app)
	cells.pid = given("log.syslog.procid", s.ProcID, m.pid)
	if m.sender != 0 {
		if !check("labels.sender_pid", d.Labels.SenderPID, strconv.Itoa(m.sender)) {
			cells.pid = wrong
		} else if m.pid == "" {
			cells.pid = "credentials"
		}
		if m.pid == "" && !check("process.pid", d.Process.PID, m.sender) {
			cells.pid = wrong
		}
	}
	cells.priority = j.priority(m, d)
	cells.msgID = given("log.syslog.msgid", s.MsgID, m.msgID)
	number, _ := s.StructuredData[j.form.element][j.form.param].(string)
	cells.data = given("log.syslog.structured_data", number, m.number)
	cells.time = j.time(m, d)
	if want := j.tags(m); !slices.Equal(slices.Sorted(slices.Values(d.Tags)), want) {
		j.fault("tags are %q, want %q, in %+v", d.Tags, want, *d)
	}
	return cells
}

// tags are those of a message, sorted.
func (j *judge) tags(m *message) []string {
	var tags []string
	if m.facility < 0 {
		tags = append(tags, "no-priority")
	}
	if j.clock.tag != "" {
		tags = append(tags, j.clock.tag)
	}
	if m.host == "" && j.stand.remote {
		tags = append(tags, "no-hostname")
	}
	slices.Sort(tags)
	return tags
}

func (j *judge) priority(m *message, d *document) string {
	s := &d.Log.Syslog
	if m.facility < 0 {
		return notSent
	}
	if s.Facility.Code == nil || s.Severity.Code == nil || *s.Facility.Code != m.facility || *s.Severity.Code != m.severity {
		j.fault("facility and severity are not %d and %d in %+v", m.facility, m.severity, *d)
		return wrong
	}
	return sent
}

func (j *judge) time(m *message, d *document) string {
	first, last := m.time, m.time
	if m.time.IsZero() {
		first, last = j.began.Add(-clockLag), j.ended
	}
	if first, last = first.Truncate(j.clock.step), last.Truncate(j.clock.step); d.Timestamp.Before(first) || d.Timestamp.After(last) {
		j.fault("@timestamp is not between %v and %v in %+v", first.UTC(), last.UTC(), *d)
		return wrong
	}
	return j.clock.name
}

func (j *judge) fault(format string, args ...any) {
	j.faults = append(j.faults, fmt.Sprintf(format, args...))
}
