package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/numbered"
)

// tally is what arrived of an agent's messages.
type tally struct {
	agent *agent
	// events are the event ids under which a number arrived, in any collector's log
	// or in Elasticsearch.
	events map[int64]map[string]bool
	// documents counts the documents of a number in Elasticsearch.
	documents map[int64]int
	// textless are the numbers of which an entry of a journal came without its text.
	textless map[int64]bool
}

// mostTextless is how many entries of a run may come without their text.
const mostTextless = 3

// mostWrong is how far a document's time may be from the message's own: some programs
// leave out the fraction. Nodes' clocks jump by up to an hour.
const mostWrong = 2 * time.Second

// checker counts what arrived where.
type checker struct {
	t       testing.TB
	tallies map[string]*tally
	// stored are the event ids in the collectors' logs, written those in Elasticsearch.
	stored, written map[string]bool
	foreign         []string
	// cut are the messages that a broken connection has cut, and that say so.
	cut int
	// textless are the journal's entries that were uploaded without their text.
	textless int
	// trim is for programs that write the blank before a message with it.
	trim bool
}

func newChecker(t testing.TB, c *cluster) *checker {
	k := &checker{t: t, tallies: map[string]*tally{}, stored: map[string]bool{}, written: map[string]bool{}}
	for _, a := range c.agents {
		k.tallies[a.name] = &tally{agent: a, events: map[int64]map[string]bool{}, documents: map[int64]int{}, textless: map[int64]bool{}}
	}
	return k
}

// take counts a document, and returns its event id and its agent's tally; nil where
// it is none of ours.
func (k *checker) take(source []byte) (id string, number int64, of *tally) {
	d, err := numbered.Decode(source)
	if err != nil {
		k.foreign = append(k.foreign, err.Error())
		return "", 0, nil
	}
	if k.trim {
		d.Message = strings.TrimLeft(d.Message, " ")
	}
	m, err := parseText(d.Message)
	textless := err != nil && k.bare(d, &m)
	if textless {
		err = nil
		k.textless++
	}
	of = k.tallies[m.agent]
	switch {
	case err != nil && slices.Contains(d.Tags, "unterminated") && !k.acknowledged(d):
		k.cut++
		return "", 0, nil
	case err != nil:
		k.foreign = append(k.foreign, fmt.Sprintf("%v in %.500s", err, source))
		return "", 0, nil
	case !m.sent.IsZero() && d.Timestamp.Sub(m.sent).Abs() > mostWrong:
		k.foreign = append(k.foreign, fmt.Sprintf("a message of %v that says it is of %v: %.200q", m.sent, d.Timestamp, d.Message))
		return "", 0, nil
	case of == nil || m.number < 0 || m.number >= of.agent.given.Load():
		k.foreign = append(k.foreign, fmt.Sprintf("a message that nobody sent: %.200q", d.Message))
		return "", 0, nil
	}
	if of.events[m.number] == nil {
		of.events[m.number] = map[string]bool{}
	}
	of.events[m.number][d.Event.ID] = true
	if textless {
		of.textless[m.number] = true
	}
	return d.Event.ID, m.number, of
}

// bare reports whether a document is an entry of a journal that came without MESSAGE, and
// says which. While its journal is being written, systemd-journal-upload passes over
// a field that it cannot read yet: of some 500,000 entries given to a server that does nothing
// but look at what comes, one had no text. Nothing can bring it back, but it must arrive.
func (k *checker) bare(d *numbered.Document, m *message) bool {
	of := k.tallies[d.Host.Name]
	if d.Message != "" || of == nil || !of.agent.journal {
		return false
	}
	n, err := strconv.ParseInt(d.Log.Syslog.ProcID, 10, 64)
	m.agent, m.number = d.Host.Name, n-1
	return err == nil
}

// acknowledged reports whether what is left of a message is of an agent whose messages
// cannot be cut.
func (k *checker) acknowledged(d *numbered.Document) bool {
	for name, y := range k.tallies {
		if y.agent.acknowledged && (d.Host.Name == name || strings.HasPrefix(d.Message, "chaos "+name)) {
			return true
		}
	}
	return false
}

// collector counts a collector's log, which must not hold an event twice, and must hold
// all that was ever stored in it: it has no bounds, and the disk being full is none. It
// is read from the disk: the server has Elasticsearch make up for what its log lacks.
func (k *checker) collector(n *node) {
	here := map[string]bool{}
	found := 0.0
	n.syslane().EachOnDisk(k.t, func(source []byte) error {
		found++
		id, _, of := k.take(source)
		if of == nil {
			return nil
		}
		if here[id] {
			k.t.Errorf("%s holds event %s twice", n.name, id)
		}
		here[id], k.stored[id] = true, true
		return nil
	})
	m, err := n.syslane().Metrics()
	if err != nil {
		k.t.Error(err)
	} else if stored := m.Sum("syslane_log_stored_messages_total"); found != stored {
		k.t.Errorf("the log of %s holds %.0f of %.0f messages stored", n.name, found, stored)
	}
}

// elastic counts the documents of Elasticsearch.
func (k *checker) elastic(e *elastic) {
	err := e.Each(index, func(id string, source json.RawMessage) error {
		eventID, number, of := k.take(source)
		if of == nil {
			return nil
		}
		if eventID != id {
			k.t.Errorf("the document with event.id %q has the _id %q", eventID, id)
		}
		k.written[eventID] = true
		of.documents[number]++
		return nil
	})
	if err != nil {
		k.t.Error(err)
	}
}

// verdict reports what arrived of each agent, and fails where a promise was broken.
func (k *checker) verdict() {
	for _, f := range k.foreign[:min(len(k.foreign), 5)] {
		k.t.Errorf("%d foreign or harmed messages, such as: %s", len(k.foreign), f)
	}
	if k.cut > 0 {
		k.t.Logf("cut where a connection broke, and flagged: %d times in logs and in Elasticsearch", k.cut)
	}
	if k.textless > 0 {
		k.t.Logf("uploaded by systemd-journal-upload without their text: %d times in logs and in Elasticsearch", k.textless)
	}
	if k.textless > 2*mostTextless {
		k.t.Errorf("%d entries of a journal without their text are more than it is known to leave out", k.textless/2)
	}
	if err := missingFrom(k.written, k.stored); err != nil {
		k.t.Errorf("Elasticsearch lacks what a collector has: %v", err)
	}
	if err := missingFrom(k.stored, k.written); err != nil {
		k.t.Errorf("the collectors lack what Elasticsearch has: %v", err)
	}
	for _, y := range k.tallies {
		if y.agent.acknowledged && !y.exactlyOnce() {
			k.t.Error(y)
		} else {
			k.t.Log(y)
		}
	}
}

// numbers returns the numbers, of those given, for which match holds.
func (y *tally) numbers(match func(n int64) bool) (found []int64) {
	for n := range y.agent.given.Load() {
		if match(n) {
			found = append(found, n)
		}
	}
	return found
}

func (y *tally) lost() []int64  { return y.numbers(func(n int64) bool { return y.documents[n] == 0 }) }
func (y *tally) twice() []int64 { return y.numbers(func(n int64) bool { return y.documents[n] > 1 }) }
func (y *tally) twoEvents() []int64 {
	return y.numbers(func(n int64) bool { return len(y.events[n]) > 1 })
}

func (y *tally) exactlyOnce() bool { return len(y.lost())+len(y.twice())+len(y.twoEvents()) == 0 }

func (y *tally) String() string {
	return fmt.Sprintf("%s: %d given; lost %s; twice in Elasticsearch %s; more than one event %s",
		y.agent.name, y.agent.given.Load(), ranges(y.lost()), ranges(y.twice()), ranges(y.twoEvents()))
}

func missingFrom(set, of map[string]bool) error {
	var missing []string
	for id := range of {
		if !set[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	sort.Strings(missing)
	return errors.New(fmt.Sprint(len(missing), " events, the first: ", strings.Join(missing[:min(3, len(missing))], " ")))
}

// ranges names sorted numbers.
func ranges(numbers []int64) string {
	if len(numbers) == 0 {
		return "none"
	}
	var parts []string
	for i := 0; i < len(numbers); i++ {
		first := i
		for i+1 < len(numbers) && numbers[i+1] == numbers[i]+1 {
			i++
		}
		if len(parts) == 8 {
			parts = append(parts, "…")
			break
		}
		if first == i {
			parts = append(parts, fmt.Sprint(numbers[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", numbers[first], numbers[i]))
		}
	}
	return fmt.Sprintf("%d (%s)", len(numbers), strings.Join(parts, " "))
}
