package deadletter

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

// Entry is one event that an output has refused for good.
type Entry struct {
	// Time is when it was refused.
	Time time.Time
	// Output is the configured name of the output.
	Output string
	// Position is the event's place in the log.
	Position uint64
	// Event is the encoded event (syslog.Event.Decode), exactly as it stands in
	// the log.
	Event []byte
	// Status is the destination's code, 0 where it has none.
	Status int
	// Reason is the destination's own words.
	Reason string
}

// line is an Entry as it stands in a file.
type line struct {
	Time     time.Time `json:"time"`
	Output   string    `json:"output"`
	Position uint64    `json:"position"`
	ID       string    `json:"id,omitempty"`
	Status   int       `json:"status,omitempty"`
	Reason   string    `json:"reason"`
	// The message as it was received, for people and jq: as text where it is
	// UTF-8, else in base64.
	Original       *string `json:"original,omitempty"`
	OriginalBase64 []byte  `json:"original_base64,omitempty"`
	Event          []byte  `json:"event"`
}

// appendLine appends e as one line of JSON.
func appendLine(dst []byte, e *Entry) ([]byte, error) {
	l := line{Time: e.Time.UTC(), Output: e.Output, Position: e.Position, Status: e.Status, Reason: e.Reason, Event: e.Event}
	var event syslog.Event
	if err := event.Decode(e.Event, nil); err == nil {
		l.ID = event.ID.String()
		if utf8.Valid(event.Raw) {
			text := string(event.Raw)
			l.Original = &text
		} else {
			l.OriginalBase64 = event.Raw
		}
	}
	b, err := json.Marshal(l)
	if err != nil {
		return dst, fmt.Errorf("encode the dead letter of position %d: %w", e.Position, err)
	}
	return append(append(dst, b...), '\n'), nil
}

// parseLine reads what appendLine wrote.
func parseLine(b []byte) (Entry, error) {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return Entry{}, err
	}
	if len(l.Event) == 0 {
		return Entry{}, fmt.Errorf("no event in it")
	}
	return Entry{Time: l.Time, Output: l.Output, Position: l.Position, Event: l.Event, Status: l.Status, Reason: l.Reason}, nil
}

// MarshalJSON writes the entry as it stands in a file.
func (e Entry) MarshalJSON() ([]byte, error) {
	b, err := appendLine(nil, &e)
	if err != nil {
		return nil, err
	}
	return b[:len(b)-1], nil
}

// base64Len is used to bound a line before it is made.
func base64Len(n int) int64 { return int64(base64.StdEncoding.EncodedLen(n)) }
