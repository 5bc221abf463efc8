package journal

import (
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

// The SD-IDs of the package comment.
const (
	idText   = "journal@32473"
	idBinary = "journalBinary@32473"
	idField  = "journalField@32473"
	idCut    = "journalCut@32473"
)

// appendMessage appends the entry as a message of RFC 5424 to dst. It uses the
// spare room of e.data.
func appendMessage(dst []byte, e *entry) []byte {
	var m syslog.Event
	m.Format = syslog.RFC5424
	m.Facility, m.Severity = e.priority()
	m.Timestamp = syslog.NoTimestamp
	if t, ok := e.time(); ok {
		m.Timestamp = t
	}
	m.Hostname = e.either(hostname, hostname)
	m.AppName = e.either(identifier, command)
	m.ProcID = e.either(pid, syslogPID)
	m.MsgID = e.either(messageID, messageID)
	m.Text = e.either(message, message)

	start := uint32(len(e.data))
	e.data = e.appendStructuredData(e.data)
	m.StructuredData = syslog.Span{Start: start, End: uint32(len(e.data))}
	m.Raw = e.data
	return syslog.AppendRFC5424(dst, &m)
}

// either returns the span of the value that has role a, or else b; it is empty
// where there is none.
func (e *entry) either(a, b role) syslog.Span {
	for _, r := range [...]role{a, b} {
		if i := e.first[r]; i >= 0 && !e.fields[i].value.Empty() {
			return e.fields[i].value
		}
	}
	return syslog.Span{}
}

func (e *entry) priority() (syslog.Facility, syslog.Severity) {
	f, s := syslog.User, syslog.Informational
	if v, _ := e.value(priority); len(v) == 1 && v[0] >= '0' && v[0] <= '7' {
		s = syslog.Severity(v[0] - '0')
	}
	v, _ := e.value(facility)
	if n, ok := number(v, 10); ok && n <= uint64(syslog.Local7) {
		f = syslog.Facility(n)
	} else if v, _ := e.value(transport); string(v) == "kernel" {
		f = syslog.Kernel
	}
	return f, s
}

// time returns when the entry arose, in nanoseconds since the Unix epoch.
func (e *entry) time() (int64, bool) {
	for _, r := range [...]role{sourceTime, realTime} {
		v, _ := e.value(r)
		if n, ok := number(v, 10); ok && n > 0 && n <= math.MaxInt64/1000 {
			return int64(n) * 1000, true
		}
	}
	return 0, false
}

// appendStructuredData appends all fields but the first MESSAGE.
func (e *entry) appendStructuredData(dst []byte) []byte {
	odd, binary := false, false
	dst = syslog.AppendElement(dst, idText)
	for i := range e.fields {
		f := &e.fields[i]
		name, value := f.name.Of(e.data), f.value.Of(e.data)
		switch {
		case i == e.first[message] && len(value) > 0:
		case !isSDName(name):
			odd = true
		case !utf8.Valid(value):
			binary = true
		default:
			dst = syslog.AppendParam(dst, string(name), value)
		}
	}
	dst = syslog.EndElement(dst)
	if binary {
		dst = e.appendBinary(dst)
	}
	if odd {
		dst = e.appendOdd(dst)
	}
	if e.truncated() {
		dst = e.appendCut(dst)
	}
	return dst
}

// appendBinary appends the values that are not UTF-8.
func (e *entry) appendBinary(dst []byte) []byte {
	dst = syslog.AppendElement(dst, idBinary)
	for i := range e.fields {
		name, value := e.fields[i].name.Of(e.data), e.fields[i].value.Of(e.data)
		if i != e.first[message] && isSDName(name) && !utf8.Valid(value) {
			dst = syslog.AppendParam(dst, string(name), encoded(value))
		}
	}
	return syslog.EndElement(dst)
}

// appendOdd appends the fields whose names no SD-NAME can be.
func (e *entry) appendOdd(dst []byte) []byte {
	dst = syslog.AppendElement(dst, idField)
	for i := range e.fields {
		name, value := e.fields[i].name.Of(e.data), e.fields[i].value.Of(e.data)
		if isSDName(name) {
			continue
		}
		dst = syslog.AppendParam(dst, "name", name)
		if utf8.Valid(value) {
			dst = syslog.AppendParam(dst, "value", value)
		} else {
			dst = syslog.AppendParam(dst, "base64", encoded(value))
		}
	}
	return syslog.EndElement(dst)
}

// appendCut appends what is missing.
func (e *entry) appendCut(dst []byte) []byte {
	dst = syslog.AppendElement(dst, idCut)
	for i := range e.fields {
		if f := &e.fields[i]; f.octets > uint64(f.value.End-f.value.Start) {
			dst = syslog.AppendParam(dst, string(f.name.Of(e.data)), strconv.AppendUint(nil, f.octets, 10))
		}
	}
	if e.leftOut > 0 {
		dst = syslog.AppendParam(dst, "fields", strconv.AppendInt(nil, int64(e.leftOut), 10))
	}
	return syslog.EndElement(dst)
}

func encoded(value []byte) []byte { return base64.StdEncoding.AppendEncode(nil, value) }

// isSDName tells whether name can be an SD-NAME (RFC 5424 §6.3.3) as it is. Its
// octets are printable ASCII.
func isSDName(name []byte) bool {
	if len(name) == 0 || len(name) > 32 {
		return false
	}
	for _, c := range name {
		if c == ' ' || c == '=' || c == ']' || c == '"' {
			return false
		}
	}
	return true
}
