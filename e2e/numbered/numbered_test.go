package numbered

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// document is what Syslane would make of message m.
func document(m Message, id string) []byte {
	b, err := json.Marshal(map[string]any{
		"@timestamp": m.Time.Format(time.RFC3339Nano), "message": m.Text,
		"event": map[string]any{"id": id}, "host": map[string]any{"name": m.Host},
		"log": map[string]any{"syslog": map[string]any{
			"facility": map[string]any{"code": m.Facility}, "severity": map[string]any{"code": m.Severity},
			"appname": m.App, "procid": m.ProcID, "msgid": m.MsgID,
			"structured_data": map[string]any{"test@32473": map[string]any{"number": fmt.Sprint(m.Number)}},
		}},
	})
	if err != nil {
		panic(err)
	}
	return b
}

func TestCheckerIsContentWithTheWholeSetInAnyOrder(t *testing.T) {
	set := New(100)
	c := NewChecker(set, RFC5424)
	for n := range set.Count {
		n = n * 37 % set.Count
		if err := c.Add(document(set.At(n), fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.ExactlyOnce(); err != nil {
		t.Fatal(err)
	}
}

func TestCheckerReportsWhatIsMissingTooManyOrWrong(t *testing.T) {
	f := func(want string, spoil func(c *Checker, set Set, n int) bool) {
		t.Helper()
		set := New(20)
		c := NewChecker(set, RFC5424)
		for n := range set.Count {
			if !spoil(c, set, n) {
				if err := c.Add(document(set.At(n), fmt.Sprint(n))); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.ExactlyOnce(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f("4 of 20 messages are missing: 3-5, 9", func(_ *Checker, _ Set, n int) bool { return n >= 3 && n <= 5 || n == 9 })
	f("1 documents too many: 7", func(c *Checker, set Set, n int) bool {
		return n == 7 && c.Add(document(set.At(7), "another")) != nil
	})
	f("messages 1 and 2 have the event.id 1", func(c *Checker, set Set, n int) bool {
		return n == 2 && c.Add(document(set.At(2), "1")) == nil
	})
	f("message 4: host.name is", func(c *Checker, set Set, n int) bool {
		m := set.At(4)
		m.Host = "elsewhere"
		return n == 4 && c.Add(document(m, "4")) == nil
	})
	f("message 4: @timestamp is", func(c *Checker, set Set, n int) bool {
		m := set.At(4)
		m.Time = m.Time.Add(time.Microsecond)
		return n == 4 && c.Add(document(m, "4")) == nil
	})
	f("foreign document", func(c *Checker, set Set, n int) bool {
		m := set.At(4)
		m.Text = "something else"
		return n == 4 && c.Add(document(m, "x")) != nil
	})
}
