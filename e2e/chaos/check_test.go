package chaos

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// recorder is a test that notes its failures.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper()             {}
func (r *recorder) Log(...any)          {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) Error(args ...any)   { r.errors = append(r.errors, fmt.Sprint(args...)) }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

// A checker that finds nothing would make every run look good.
func TestCheckerFindsWhatIsLostDoubledHarmedAndForeign(t *testing.T) {
	document := func(m message, id string) []byte {
		return fmt.Appendf(nil, `{"@timestamp":%q,"message":%q,"event":{"id":%q}}`, m.sent.Format(time.RFC3339Nano), m.text(), id)
	}
	f := func(name string, documents [][]byte, want string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			a := &agent{host: &host{name: "relp"}, acknowledged: true}
			a.given.Store(3)
			plain := &agent{host: &host{name: "tcp"}}
			plain.given.Store(3)
			r := &recorder{TB: t}
			journal := &agent{host: &host{name: "journal"}, acknowledged: true, journal: true}
			if strings.Contains(name, "entries") {
				journal.given.Store(5)
			}
			k := newChecker(r, &cluster{agents: []*agent{a, plain, journal}})
			for _, d := range documents {
				if id, number, of := k.take(d); of != nil {
					of.documents[number]++
					k.stored[id], k.written[id] = true, true
				}
			}
			k.verdict()
			got := strings.Join(r.errors, "\n")
			if want == "" && got != "" || !strings.Contains(got, want) {
				t.Errorf("the verdict is %q, want %q", got, want)
			}
		})
	}
	var all [][]byte
	for n := range int64(3) {
		all = append(all, document(message{"relp", n, time.Now()}, fmt.Sprint("id", n)))
	}
	f("all there", all, "")
	f("one lost", all[:2], "lost 1 (2)")
	f("one twice", append(all[:3:3], all[1]), "twice in Elasticsearch 1 (1)")
	f("two events of one", append(all[:3:3], document(message{"relp", 1, time.Now()}, "other")), "more than one event 1 (1)")
	f("harmed", append(all[:3:3], []byte(strings.Replace(string(all[0]), "chaos relp 0", "chaos relp 1", 1))), "harmed")
	ofAnHourAgo := document(message{"relp", 1, time.Now()}, "id1")
	ofAnHourAgo = bytes.Replace(ofAnHourAgo, []byte(time.Now().Format("T15:")), []byte(time.Now().Add(-time.Hour).Format("T15:")), 1)
	f("with the time of a clock that is wrong", [][]byte{all[0], ofAnHourAgo, all[2]}, "says it is of")
	cut := func(agent, tags string) []byte {
		text := message{agent, 1, time.Now()}.text()
		return fmt.Appendf(nil, `{"message":%q,"tags":[%s],"event":{"id":"cut"}}`, text[:len(text)-5], tags)
	}
	f("cut where nothing is acknowledged, and flagged", append(all[:3:3], cut("tcp", `"unterminated"`)), "")
	f("cut and not flagged", append(all[:3:3], cut("tcp", `"no-hostname"`)), "harmed")
	f("cut though it was acknowledged", append(all[:3:3], cut("relp", `"unterminated"`)), "harmed")
	textless := func(n int) (entries [][]byte) {
		for i := range 5 {
			text, now := "", time.Now()
			if i >= n {
				text = message{"journal", int64(i), now}.text()
			}
			e := fmt.Appendf(nil, `{"@timestamp":%q,"message":%q,"host":{"name":"journal"},"log":{"syslog":{"procid":"%d"}},"event":{"id":"j%d"}}`,
				now.Format(time.RFC3339Nano), text, i+1, i)
			entries = append(entries, e)
		}
		return entries
	}
	f("one of the entries without text", append(all[:3:3], textless(1)...), "")
	f("no document of one of the entries", append(all[:3:3], textless(1)[1:]...), "lost 1 (0)")
	f("empty though it is of rsyslog", append(all[:3:3], []byte(`{"message":"","host":{"name":"relp"},"log":{"syslog":{"procid":"1"}},"event":{"id":"x"}}`)), "foreign")
	f("never sent", append(all[:3:3], document(message{"relp", 3, time.Now()}, "id3")), "nobody sent")
}

func TestTailsAreToShowWhatHasText(t *testing.T) {
	journal := &agent{host: &host{name: "journal"}, journal: true}
	journal.given.Store(2)
	k := newChecker(t, &cluster{agents: []*agent{journal}})
	k.take([]byte(`{"message":"","host":{"name":"journal"},"log":{"syslog":{"procid":"1"}},"event":{"id":"a"}}`))
	m := message{"journal", 1, time.Now()}
	k.take(fmt.Appendf(nil, `{"@timestamp":%q,"message":%q,"event":{"id":"b"}}`, m.sent.Format(time.RFC3339Nano), m.text()))
	o := &observer{seen: map[string]map[int64]bool{}, newest: map[string]int64{}}
	if err := o.missing(k); err == nil || !strings.Contains(err.Error(), "journal they lack 1 (1)") {
		t.Errorf("before it has come the tails lack %v", err)
	}
	o.arrived("collector", m)
	if err := o.missing(k); err != nil {
		t.Error(err)
	}
}

func TestPlanIsThatOfItsSeed(t *testing.T) {
	c := &cluster{elastic: &elastic{host: &host{name: "elastic"}}}
	for i := range 2 {
		c.relays = append(c.relays, &node{host: &host{name: fmt.Sprint("relay-", i)}, certified: true})
		c.collectors = append(c.collectors, &node{host: &host{name: fmt.Sprint("collector-", i)}, certified: true})
	}
	show := func(seed uint64) (text string) {
		faults := plan(seed, 5*time.Minute, c, kinds("new", ""))
		if len(faults) < 60 {
			t.Errorf("only %d faults in five minutes", len(faults))
		}
		for _, f := range faults {
			text += fmt.Sprintln(f.at, f.lasts, f)
		}
		return text
	}
	if once, again := show(1), show(1); once != again {
		t.Error("one seed, two plans")
	}
	if show(1) == show(2) {
		t.Error("two seeds, one plan")
	}
	for seed := range uint64(100) {
		var upgraded []fault
		faults := plan(seed, 5*time.Minute, c, kinds("new", ""))
		for i, f := range faults {
			if f.kind.name == "upgrade" {
				upgraded = append(upgraded, f)
			}
			if slices.ContainsFunc(faults[:i], f.meets) {
				t.Errorf("seed %d: %v meets another fault", seed, f)
			}
		}
		for _, n := range c.nodes() {
			if !slices.ContainsFunc(upgraded, func(f fault) bool { return f.host == n.host && f.at < 2*time.Minute }) || len(upgraded) != 4 {
				t.Errorf("seed %d: not each node is upgraded once, and early: %v", seed, upgraded)
			}
		}
	}
	for _, k := range kinds("new", "") {
		if !strings.Contains(show(3)+show(4)+show(5), k.name+" at") {
			t.Errorf("%q is never drawn", k.name)
		}
	}
}
