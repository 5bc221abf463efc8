// Package notify tells people and other programs of alerts: by HTTP, by Alertmanager,
// by e-mail, or by running a program.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Status is what an alert has come to.
type Status string

const (
	// Firing means that the condition holds.
	Firing Status = "firing"
	// Resolved means that it does not hold any more.
	Resolved Status = "resolved"
)

// Notice is one alert, of one group, at one moment.
type Notice struct {
	// ID is the same whenever the same notice is sent again, and of no other.
	ID     string `json:"id"`
	Status Status `json:"status"`
	// Alert is the configured name.
	Alert    string `json:"alert"`
	Severity string `json:"severity,omitempty"`
	// Labels are those of the configuration and of the group. Together with Alert
	// they tell an alert from all others.
	Labels map[string]string `json:"labels"`
	// Summary and Annotations are the texts of the configuration, filled in.
	Summary     string            `json:"summary"`
	Annotations map[string]string `json:"annotations,omitempty"`
	// Query, Condition and Window say what is watched.
	Query     string `json:"query"`
	Condition string `json:"condition"`
	Window    string `json:"window"`
	// Value is the count, or for how many seconds there was silence.
	Value uint64 `json:"value"`
	// Sample is the text of a message that was counted, cut to 256 octets.
	Sample string `json:"sample,omitempty"`
	// Started is when the condition began to hold, Ended when it ceased to.
	Started time.Time  `json:"starts_at"`
	Ended   *time.Time `json:"ends_at,omitempty"`
	// Repeat tells that the alert was told before and still fires.
	Repeat bool `json:"repeat,omitempty"`
	// Note says why an alert has ended where that is not because of its condition.
	Note string `json:"note,omitempty"`
}

// MaxNotices is how many are sent at once.
const MaxNotices = 100

// Sender is a way to tell. It is used by one goroutine.
type Sender interface {
	// Send tells of notices, in their order, MaxNotices at most. nil means that the
	// other side has them all. A *RefusedError means that it never will; any other
	// error, that they are to be sent again.
	Send(ctx context.Context, notices []Notice) error
}

// Refresher is a Sender whose other side forgets alerts that it is not told of again.
type Refresher interface {
	Sender
	// Refresh is how often it must be told of all that fire.
	Refresh() time.Duration
}

// Addressed is a Sender to several recipients, each of whom takes notices or does not.
type Addressed interface {
	Sender
	// Recipients names them.
	Recipients() []string
	// SendTo tells some of them, and returns for each what Send would.
	SendTo(ctx context.Context, to []string, notices []Notice) []error
}

// RefusedError tells that the other side will never take a notice.
type RefusedError struct{ Err error }

// Error returns why.
func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *RefusedError) Unwrap() error { return e.Err }

// IsRefused tells a RefusedError.
func IsRefused(err error) bool { return errors.As(err, new(*RefusedError)) }

// document is what webhooks and programs get:
//
//	{"version":1,"collector":"log1.example.net","alerts":[{…},…]}
func document(collector string, notices []Notice) ([]byte, error) {
	return json.Marshal(struct {
		Version   int      `json:"version"`
		Collector string   `json:"collector"`
		Alerts    []Notice `json:"alerts"`
	}{1, collector, notices})
}
