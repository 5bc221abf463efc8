package numbered

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Document is an event as Syslane hands it out, in the names of the Elastic
// Common Schema: the fields that these tests look at.
type Document struct {
	Timestamp time.Time `json:"@timestamp"`
	Message   string    `json:"message"`
	Tags      []string  `json:"tags"`
	Event     struct {
		ID string `json:"id"`
	} `json:"event"`
	Host struct {
		Name string `json:"name"`
	} `json:"host"`
	Log struct {
		Syslog struct {
			Facility struct {
				Code *int   `json:"code"`
				Name string `json:"name"`
			} `json:"facility"`
			Severity struct {
				Code *int   `json:"code"`
				Name string `json:"name"`
			} `json:"severity"`
			Appname        string                       `json:"appname"`
			ProcID         string                       `json:"procid"`
			MsgID          string                       `json:"msgid"`
			StructuredData map[string]map[string]string `json:"structured_data"`
		} `json:"syslog"`
	} `json:"log"`
}

// Decode reads a document.
func Decode(source []byte) (*Document, error) {
	d := new(Document)
	if err := json.Unmarshal(source, d); err != nil {
		return nil, fmt.Errorf("%w in document %.300s", err, source)
	}
	return d, nil
}

// Form is a form in which messages travel, and with that what of them survives.
type Form int

// The forms that rsyslog's own templates write.
const (
	// RFC5424 keeps everything (RSYSLOG_SyslogProtocol23Format).
	RFC5424 Form = iota
	// RFC3164ISO has no place for MSGID and structured data, but a timestamp of
	// RFC 3339 (RSYSLOG_ForwardFormat).
	RFC3164ISO
	// RFC3164 has a timestamp without year and fraction (RSYSLOG_TraditionalForwardFormat).
	RFC3164
)

// differences tells how d departs from what message m must look like after it
// travelled in form f; empty where it does not.
func (d *Document) differences(m Message, f Form) string {
	var diffs []string
	check := func(field string, got, want any) {
		if got != want {
			diffs = append(diffs, fmt.Sprintf("%s is %v, want %v", field, got, want))
		}
	}
	code := func(c *int) int {
		if c == nil {
			return -1
		}
		return *c
	}
	want := m.Time.Truncate(time.Microsecond)
	if f == RFC3164 {
		want = m.Time.Truncate(time.Second)
	}
	s := &d.Log.Syslog
	check("@timestamp", d.Timestamp.UTC(), want.UTC())
	check("message", d.Message, m.Text)
	check("host.name", d.Host.Name, m.Host)
	check("log.syslog.facility.code", code(s.Facility.Code), m.Facility)
	check("log.syslog.severity.code", code(s.Severity.Code), m.Severity)
	check("log.syslog.appname", s.Appname, m.App)
	check("log.syslog.procid", s.ProcID, m.ProcID)
	if f == RFC5424 {
		check("log.syslog.msgid", s.MsgID, m.MsgID)
		check("log.syslog.structured_data.test@32473.number", s.StructuredData["test@32473"]["number"], fmt.Sprint(m.Number))
	}
	return strings.Join(diffs, "; ")
}
