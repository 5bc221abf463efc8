// Package ecs writes an event as one JSON document with the field names of the
// Elastic Common Schema (ECS 8.11), the form in which events are indexed and in
// which `syslane search --json` prints them. Objects are nested, not dotted:
//
//	{
//	  "@timestamp": originator's time, else the receive time; RFC 3339, UTC, nanoseconds
//	  "message":    MSG, without a byte order mark
//	  "log":        {"level": severity keyword, "syslog": {
//	                  "priority", "facility": {"code", "name"}, "severity": {"code", "name"},
//	                  "version": "1" (RFC 5424 only), "hostname", "appname", "procid", "msgid",
//	                  "structured_data": {SD-ID: {PARAM-NAME: value or [values]}}},
//	                "file": {"path": the file in which the message stood}}
//	  "host":       {"name", "hostname": HOSTNAME, else the machine that the input
//	                 knows, else the source address, else "unknown"}
//	  "process":    {"name": APP-NAME, "pid": PROCID where it is a decimal number,
//	                 else the PID of the sender's credentials}
//	  "user":       {"id", "group": {"id"}: the sender's credentials}
//	  "source":     {"address", "ip", "port": the peer that sent the message}
//	  "tls":        {"client": {"subject": the peer's name in its verified certificate}}
//	  "observer":   {"hostname": the Syslane node, "product": "Syslane"}
//	  "event":      {"id", "created": receive time, "dataset", "original": the raw octets}
//	  "labels":     {"input": name of the input, "format": "rfc5424", "rfc3164" or "unparsed",
//	                 "sender_pid": the PID of the sender's credentials}
//	  "syslane":    {"original": the raw octets in base64,
//	                 "fields": {name: value or array of values} taken out of the text}
//	  "tags":       names of the event's warnings
//	  "ecs":        {"version"}
//	}
//
// What an event does not have is left out; host.name and message are always
// there. A message can give any PROCID; credentials (of a unix socket) are vouched
// for by the kernel, and user.id, user.group.id and labels.sender_pid come from
// them alone. Octets that are not UTF-8 become U+FFFD in text; then, and only then,
// syslane.original is there too and keeps the message as it was received.
package ecs

import (
	"encoding/base64"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/syslane/syslane/internal/syslog"
)

// Version is the version of ECS that the documents follow.
const Version = "8.11.0"

// UnknownHost is host.name where neither the message nor the transport names a
// host. The field is always filled: indices in logsdb mode sort by it.
const UnknownHost = "unknown"

// Options are what a document says beyond the event itself.
type Options struct {
	// Original adds the message as it was received: event.original.
	Original bool
	// Dataset is event.dataset; "" leaves it out.
	Dataset string
	// Observer is observer.hostname, the node that writes the document; ""
	// leaves it out.
	Observer string
}

// Writer appends documents to buffers. What an event has in common with the one
// before it, such as its sender, is copied and not put together anew. The zero Writer
// is ready for use; it is not safe for concurrent use.
type Writer struct {
	Options
	said, received clock
	sender         sender
	input          input
	end            end
}

// AppendDocument is Append of a new Writer, for those that write one document.
func AppendDocument(dst []byte, e *syslog.Event, o Options) []byte {
	w := Writer{Options: o}
	return w.Append(dst, e)
}

// Append appends the document of e to dst: one line of JSON, without a line end. It
// does not allocate, save to grow dst, to keep what a sender's documents have in
// common, and to group the structured data of messages with more than 24 parameters.
func (w *Writer) Append(dst []byte, e *syslog.Event) []byte {
	valid := true
	text := func(b []byte, v bool) []byte { valid = valid && v; return b }

	dst = w.said.append(append(dst, `{"@timestamp":"`...), e.TimeNano())
	dst = text(appendString(append(dst, `","message":`...), e.Field(e.Text)))

	dst = append(dst, priorities[int(e.Facility)<<3&0xf8|int(e.Severity)&7]...)
	if e.Format == syslog.RFC5424 {
		dst = append(dst, `,"version":"1"`...)
	}
	hostname, appName, procID := e.Field(e.Hostname), e.Field(e.AppName), e.Field(e.ProcID)
	// What stands in more than one place is escaped once, and copied.
	var hostnameAt, appNameAt, nameAt part
	if len(hostname) > 0 {
		dst = append(dst, `,"hostname":`...)
		hostnameAt.start = len(dst)
		dst = text(appendString(dst, hostname))
		hostnameAt.end = len(dst)
	}
	if len(appName) > 0 {
		dst = append(dst, `,"appname":`...)
		appNameAt.start = len(dst)
		dst = text(appendString(dst, appName))
		appNameAt.end = len(dst)
	}
	pid := procID
	if isPID(procID) {
		dst = append(append(append(dst, `,"procid":"`...), procID...), '"')
	} else if pid = nil; len(procID) > 0 {
		dst = text(appendString(append(dst, `,"procid":`...), procID))
	}
	if !e.MsgID.Empty() {
		dst = text(appendString(append(dst, `,"msgid":`...), e.Field(e.MsgID)))
	}
	if !e.StructuredData.Empty() {
		dst = text(appendStructuredData(append(dst, `,"structured_data":`...), e.Field(e.StructuredData)))
	}

	dst = append(dst, '}')
	if e.Path != "" {
		dst = append(appendText(append(dst, `,"file":{"path":`...), e.Path), '}')
	}
	dst = append(dst, `},"host":{"name":`...)
	nameAt.start = len(dst)
	switch {
	case len(hostname) > 0:
		dst = hostnameAt.appendTo(dst)
	case e.Host != "":
		dst = appendText(dst, e.Host)
	case e.Source.IsValid():
		dst = appendAddr(dst, e)
	default:
		dst = append(dst, `"`+UnknownHost+`"`...)
	}
	nameAt.end = len(dst)
	dst = nameAt.appendTo(append(dst, `,"hostname":`...))

	var decimal [20]byte
	if pid == nil && e.Credentials.PID > 0 {
		pid = strconv.AppendUint(decimal[:0], uint64(e.Credentials.PID), 10)
	}
	switch {
	case len(appName) > 0:
		dst = appNameAt.appendTo(append(dst, `},"process":{"name":`...))
		if len(pid) > 0 {
			dst = append(append(dst, `,"pid":`...), pid...)
		}
	case len(pid) > 0:
		dst = append(append(dst, `},"process":{"pid":`...), pid...)
	}
	if c := e.Credentials; c.Known {
		dst = strconv.AppendUint(append(dst, `},"user":{"id":"`...), uint64(c.UID), 10)
		dst = strconv.AppendUint(append(dst, `","group":{"id":"`...), uint64(c.GID), 10)
		dst = append(dst, `"}`...)
	}
	dst = append(dst, w.sender.of(e, w.Observer)...)
	dst = append(e.ID.AppendText(append(dst, `},"event":{"id":"`...)), `","created":"`...)
	dst = append(w.received.append(dst, e.ID.ReceivedNano()), '"')
	if w.Dataset != "" {
		dst = appendText(append(dst, `,"dataset":`...), w.Dataset)
	}
	original := w.Original && valid && utf8.Valid(e.Raw)
	if original {
		dst, _ = appendString(append(dst, `,"original":`...), e.Raw)
	}
	inBase64 := !original && (!valid || w.Original)
	if inBase64 || len(e.Extracted) > 0 {
		dst = append(dst, `},"syslane":{`...)
	}
	if inBase64 {
		dst = append(dst, `"original":"`...)
		dst = append(base64.StdEncoding.AppendEncode(dst, e.Raw), '"')
	}
	if len(e.Extracted) > 0 {
		if inBase64 {
			dst = append(dst, ',')
		}
		dst = appendExtracted(dst, e.Extracted)
	}
	dst = append(dst, w.input.of(e)...)
	if e.Credentials.PID > 0 {
		dst = strconv.AppendUint(append(dst, `,"sender_pid":"`...), uint64(e.Credentials.PID), 10)
		dst = append(dst, '"')
	}
	return append(dst, w.end.of(e)...)
}

// part is a part of a document under way that occurs again.
type part struct{ start, end int }

func (p part) appendTo(dst []byte) []byte { return append(dst, dst[p.start:p.end]...) }

// appendExtracted appends "fields":{…}: the fields taken out of the text, grouped
// as structured data is. Octets replaced in them are still in the text.
func appendExtracted(dst, extracted []byte) []byte {
	start := len(dst)
	dst, _ = appendStructuredData(dst, extracted)
	// Of {"fields":{…}} the inner part goes into an object that is open.
	copy(dst[start:], dst[start+1:len(dst)-1])
	return dst[:len(dst)-2]
}

// priorities is the part of the document that depends on facility and severity
// alone, for each octet that can hold the two.
var priorities = func() (t [256]string) {
	for p := range t {
		f, s := syslog.Facility(p>>3), syslog.Severity(p&7)
		t[p] = `,"log":{"level":"` + s.String() + `","syslog":{"priority":` + strconv.Itoa(p) +
			`,"facility":{"code":` + strconv.Itoa(int(f)) + `,"name":"` + f.String() +
			`"},"severity":{"code":` + strconv.Itoa(int(s)) + `,"name":"` + s.String() + `"}`
	}
	return t
}()

// appendText is appendString for names from the configuration or a certificate.
func appendText(dst []byte, s string) []byte {
	dst, _ = appendString(dst, unsafe.Slice(unsafe.StringData(s), len(s))) // which only reads it
	return dst
}

// isPID tells whether b is a decimal number that fits the type long, in the form
// that JSON wants: without leading zeros.
func isPID(b []byte) bool {
	if len(b) == 0 || len(b) > 18 || b[0] == '0' && len(b) > 1 {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
