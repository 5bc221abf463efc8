package interop

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// message is what a program sends, as it must be understood.
type message struct {
	facility, severity int
	// host, app, pid, msgID are empty where the message does not say them.
	host, app, pid, msgID string
	// sender is the process whose credentials the unix socket vouches for; 0 for
	// none.
	sender int
	// number is a parameter of the structured data, or a further field of a journal.
	number string
	// time is zero where the program takes the time at which it sends.
	time time.Time
	// text is the message itself, or pattern describes all of it.
	text    string
	pattern *regexp.Regexp
}

func (m *message) matches(text string) bool {
	if m.pattern != nil {
		return m.pattern.MatchString(text)
	}
	return m.text == text
}

// clock is how much of the time a message tells.
type clock struct {
	name string
	step time.Duration
	tag  string
}

var (
	microseconds = clock{name: "µs", step: time.Microsecond}
	seconds      = clock{name: "s", step: time.Second}
	yearless     = clock{name: "s, no year", step: time.Second, tag: "year-inferred"}
	// receipt takes the place of a time that is not there.
	receipt = clock{name: "of receipt", step: time.Nanosecond, tag: "no-timestamp"}
)

// form is how messages look.
type form struct {
	name string
	// label is how a document calls it.
	label string
	// element and param are where a document has a message's number.
	element, param string
}

var (
	rfc5424 = form{name: "RFC 5424", label: "rfc5424", element: "test@32473", param: "number"}
	rfc3164 = form{name: "RFC 3164", label: "rfc3164"}
	// rfc3164Full is RFC 3164 but for a time of RFC 3339.
	rfc3164Full = form{name: "RFC 3164, full time", label: "rfc3164"}
	// local is what libc's syslog(3) writes to /dev/log: RFC 3164 without a host.
	local = form{name: "of /dev/log", label: "rfc3164"}
	// bare has a priority and the text, and no more.
	bare   = form{name: "priority and text", label: "rfc3164"}
	export = form{name: "journal export", label: "rfc5424", element: "journal@32473", param: "NUMBER"}
)

// sample makes messages that show every field, which a daemon forwards.
func sample(marker string) []message {
	const count = 10
	began := time.Now().Truncate(time.Second).Add(-time.Minute)
	var all []message
	for n := range count {
		all = append(all, message{
			facility: (n * 7) % 24, severity: n % 8,
			host: fmt.Sprintf("host-%d.example.org", n%3), app: fmt.Sprintf("app-%d", n%4),
			pid: strconv.Itoa(1000 + n), msgID: fmt.Sprintf("ID%d", n%5), number: strconv.Itoa(n),
			time: began.Add(time.Duration(n) * 1003017 * time.Microsecond),
			text: fmt.Sprintf("%s message %d of %d \"quoted\" \\ back ] bracket ümlaut 100%% %%d", marker, n, count),
		})
	}
	return all
}

// line is the message in the form of RFC 5424.
func (m *message) line() string {
	return fmt.Sprintf("<%d>1 %s %s %s %s %s [test@32473 number=%q] %s\n", m.facility*8+m.severity,
		m.time.Format("2006-01-02T15:04:05.000000Z07:00"), m.host, m.app, m.pid, m.msgID, m.number, m.text)
}

// in is what is left of messages in a form that has no place for the rest.
func in(f form, messages []message) []message {
	if f == rfc5424 {
		return messages
	}
	kept := slices.Clone(messages)
	for i := range kept {
		kept[i].msgID, kept[i].number = "", ""
	}
	return kept
}

// document is what syslane search --json says of an event: the fields looked at.
type document struct {
	Timestamp time.Time `json:"@timestamp"`
	Message   string
	Event     struct{ ID string }
	Host      struct{ Name string }
	Process   struct{ PID int }
	Source    struct{ IP string }
	Labels    struct {
		Input, Format string
		SenderPID     string `json:"sender_pid"`
	}
	Log struct {
		Syslog struct {
			Facility, Severity struct{ Code *int }
			Hostname           string
			AppName, ProcID    string
			MsgID              string
			StructuredData     map[string]map[string]any `json:"structured_data"`
		}
	}
	Tags []string
}

func decode(source []byte) (*document, error) {
	d := new(document)
	if err := json.Unmarshal(source, d); err != nil {
		return nil, fmt.Errorf("%w in document %.300s", err, source)
	}
	return d, nil
}

// standIn is who is taken for the host where no message names it.
type standIn struct {
	// host is its name or, of a remote one, its address; name is what the table
	// calls it.
	host, name string
	remote     bool
}
