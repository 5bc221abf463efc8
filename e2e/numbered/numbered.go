// Package numbered makes messages that can be told apart, each with fields that
// follow from its number, and checks that each arrived, once, and unharmed.
package numbered

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Set is the messages 0 to Count-1.
type Set struct {
	Count int
	// Start is the timestamp of message 0; each later one is step younger.
	Start time.Time
}

// step lets the microseconds differ from message to message.
const step = 997 * time.Microsecond

// New is a set whose timestamps lie in the last minutes, as those of a machine
// that forwards its messages at once do.
func New(count int) Set {
	return Set{Count: count, Start: time.Now().UTC().Truncate(time.Second).Add(-10 * time.Minute)}
}

// Message holds the fields that a message is sent with and must arrive with.
type Message struct {
	Number             int
	Facility, Severity int
	Time               time.Time
	Host, App          string
	ProcID, MsgID      string
	Text               string
}

// At returns message n. Hosts, applications and the rest change with periods
// that share no factor, so that no mix-up of two messages goes unseen.
func (s Set) At(n int) Message {
	return Message{
		Number:   n,
		Facility: n % 24,
		Severity: n % 8,
		Time:     s.Start.Add(time.Duration(n) * step),
		Host:     fmt.Sprintf("host-%02d.example.org", n%7),
		App:      fmt.Sprintf("app-%d", n%5),
		ProcID:   strconv.Itoa(n%1009 + 1),
		MsgID:    fmt.Sprintf("ID%d", n%11),
		Text:     fmt.Sprintf("%s%d of %d \"quoted\" \\ back ] bracket ümlaut 100%% %%d", prefix, n, s.Count),
	}
}

const prefix = "message number="

// Number reads the number back from the text of a message.
func Number(text string) (int, error) {
	_, rest, ok := strings.Cut(text, prefix)
	if !ok {
		return 0, fmt.Errorf("no %q in %q", prefix, text)
	}
	digits, _, _ := strings.Cut(rest, " ")
	return strconv.Atoi(digits)
}

// Lines returns the whole set in the form of RFC 5424, a line each.
func (s Set) Lines() []byte {
	out := make([]byte, 0, s.Count*200)
	for n := range s.Count {
		m := s.At(n)
		out = fmt.Appendf(out, "<%d>1 %s %s %s %s %s [test@32473 number=\"%d\"] %s\n", m.Facility*8+m.Severity,
			m.Time.Format("2006-01-02T15:04:05.000000Z07:00"), m.Host, m.App, m.ProcID, m.MsgID, n, m.Text)
	}
	return out
}
