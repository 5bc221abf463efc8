package ecs

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

// Refusal says why an event has no document where it should.
type Refusal struct {
	// Time is when it was refused.
	Time time.Time
	// Target is the index or data stream that its document was for.
	Target string
	// Status and Reason are those of the server.
	Status int
	Reason string
}

// AppendRefused appends the document of an event whose own was refused, in one line
// of JSON. Nothing in it depends on what the message says:
//
//	{
//	  "@timestamp": when it was refused
//	  "message":    the message as it was received; octets that are not UTF-8 become U+FFFD
//	  "error":      {"code": the status, "message": the reason}
//	  "event":      {"id", "created": receive time}
//	  "observer":   {"hostname"}, as in other documents
//	  "syslane":    {"target": where the document should have gone,
//	                 "original": the message in base64 where it is not UTF-8}
//	  "ecs":        {"version"}
//	}
func AppendRefused(dst []byte, e *syslog.Event, r Refusal, o Options) []byte {
	dst = appendTime(append(dst, `{"@timestamp":"`...), r.Time.UnixNano())
	dst, _ = appendString(append(dst, `","message":`...), e.Raw)
	dst = strconv.AppendInt(append(dst, `,"error":{"code":"`...), int64(r.Status), 10)
	dst = appendText(append(dst, `","message":`...), r.Reason)
	dst = append(e.ID.AppendText(append(dst, `},"event":{"id":"`...)), `","created":"`...)
	dst = append(appendTime(dst, e.ID.ReceivedNano()), `"},`...)
	if o.Observer != "" {
		dst = append(appendText(append(dst, `"observer":{"hostname":`...), o.Observer), `},`...)
	}
	dst = appendText(append(dst, `"syslane":{"target":`...), r.Target)
	if !utf8.Valid(e.Raw) {
		dst = append(base64.StdEncoding.AppendEncode(append(dst, `,"original":"`...), e.Raw), '"')
	}
	return append(dst, `},"ecs":{"version":"`+Version+`"}}`...)
}
