package alert

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/search"
)

// start is when the tests begin: some days ago, for a log knows when it was written.
var start = time.Now().UTC().Add(-72 * time.Hour).Truncate(24 * time.Hour)

// rule makes a rule: a query, a condition ("" for silence) in a window, and by.
func rule(t testing.TB, query, condition string, window time.Duration, by ...string) *Rule {
	t.Helper()
	q, err := search.Parse(query)
	if err != nil {
		t.Fatal(err)
	}
	r := &Rule{Name: "a", Query: q, QueryText: query, Window: window, Seen: DefaultSeen, Late: DefaultLate}
	if condition != "" {
		if r.Condition, err = ParseCondition(condition); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range by {
		f, ok := search.FindField(name)
		if !ok {
			t.Fatal(name)
		}
		r.By = append(r.By, f)
	}
	return r
}

var counter uint32

// event makes one that was received some time after the start.
func event(host, text string, after time.Duration) *syslog.Event {
	counter++
	e := &syslog.Event{ID: syslog.MakeID(start.Add(after), [4]byte{1}, counter), Host: host}
	e.Timestamp = syslog.NoTimestamp
	e.Raw = []byte(text)
	e.Text = syslog.Span{End: uint32(len(text))}
	return e
}

// script is an engine of one rule with a clock.
type script struct {
	t   *testing.T
	e   *engine
	log []string
}

func newScript(t *testing.T, r *Rule) *script { return &script{t: t, e: newEngine([]*Rule{r}, start)} }

// at evaluates each second up to a time after the start, and returns what has changed:
// "10s firing web1 11".
func (s *script) at(after time.Duration) string {
	s.t.Helper()
	s.log = nil
	for t := time.Unix(0, s.e.now).Add(time.Second); !t.After(start.Add(after)); t = t.Add(time.Second) {
		s.e.clock(t)
		s.advance()
	}
	return strings.Join(s.log, "; ")
}

func (s *script) advance() {
	for _, c := range s.e.advance() {
		word := string(c.State)
		if c.State == Inactive {
			word = "resolved"
		}
		if c.Repeat {
			word = "still " + word
		}
		s.log = append(s.log, fmt.Sprintf("%s %s %s %d", time.Unix(0, s.e.now).Sub(start), word, strings.Join(c.Values, ","), c.Value))
	}
}

// see counts n events of a host, received at once.
func (s *script) see(host string, after time.Duration, n int) {
	for range n {
		s.e.observe(0, event(host, "text", after))
	}
}

func (s *script) expect(after time.Duration, want string) {
	s.t.Helper()
	if got := s.at(after); got != want {
		s.t.Errorf("up to %s: %q, want %q", after, got, want)
	}
}

const minute = time.Minute

func TestAnAlertFiresWhenItsWindowHoldsMoreAndEndsWhenItHoldsLess(t *testing.T) {
	s := newScript(t, rule(t, "", "count > 10", 5*minute))
	s.at(minute)
	s.see("web1", minute, 10)
	s.expect(2*minute, "")
	s.see("web1", 2*minute, 1)
	s.expect(2*minute+time.Second, "2m1s firing  11")
	s.expect(5*minute+59*time.Second, "")
	s.expect(6*minute+time.Second, "6m0s resolved  1")
	s.see("web1", 6*minute, 20)
	s.expect(6*minute+2*time.Second, "6m2s firing  21")
}

func TestEachGroupIsWatchedForItself(t *testing.T) {
	s := newScript(t, rule(t, "", "count >= 3", minute, "host"))
	s.see("web1", 0, 2)
	s.see("web2", 0, 3)
	s.see("web3", 0, 4)
	s.expect(time.Second, "1s firing web2 3; 1s firing web3 4")
	s.see("web1", time.Second, 1)
	s.expect(2*time.Second, "2s firing web1 3")
	s.expect(2*minute, "1m0s resolved web1 1; 1m0s resolved web2 0; 1m0s resolved web3 0")
	s.expect(2*time.Hour, "")
	if n := len(s.e.watches[0].groups); n != 0 || s.e.cells != 0 {
		t.Errorf("%d groups and %d cells are remembered", n, s.e.cells)
	}
}

func TestForWantsTheConditionToHoldAllTheTime(t *testing.T) {
	r := rule(t, "", "count > 0", 10*time.Second)
	r.For = 30 * time.Second
	s := newScript(t, r)
	for i := range 15 {
		s.at(time.Duration(i) * time.Second)
		s.see("web1", time.Duration(i)*time.Second, 1)
	}
	s.expect(50*time.Second, "") // it held until 24 s only
	for i := 50; i < 95; i++ {
		s.at(time.Duration(i) * time.Second)
		if i < 85 {
			s.see("web1", time.Duration(i)*time.Second, 1)
		}
		want := map[int]string{81: "1m21s firing  9", 94: "1m34s resolved  0"}[i]
		if got := strings.Join(s.log, "; "); got != want {
			t.Errorf("%d s: %q, want %q", i, got, want)
		}
	}
}

func TestSilenceFiresAndTheNextMessageEndsIt(t *testing.T) {
	s := newScript(t, rule(t, "host:db1", "", 10*minute))
	s.expect(9*minute, "")
	s.expect(10*minute, "10m0s firing  600")
	s.see("db1", 12*minute, 1) // its clock is ahead
	s.expect(11*minute, "10m1s resolved  1")
	s.see("db1", 11*minute, 1)
	s.expect(20*minute, "")
	s.expect(22*minute, "21m0s firing  600")
}

func TestAHostThatWasSeenWithinADayAndIsSilentIsTold(t *testing.T) {
	r := rule(t, "", "", 10*minute, "host")
	s := newScript(t, r)
	s.see("web1", 0, 5)
	s.at(minute)
	s.see("web2", minute, 5)
	s.expect(10*minute, "10m0s firing web1 600")
	s.expect(12*minute, "11m0s firing web2 600")
	s.see("web1", 12*minute, 1)
	s.expect(13*minute, "12m1s resolved web1 1")
	s.at(24*time.Hour + 2*minute)
	s.expect(25*time.Hour, "24h12m1s resolved web1 86401")
	if n := len(s.e.watches[0].groups); n != 0 {
		t.Errorf("%d groups are remembered", n)
	}
}

func TestFewerMessagesThanExpectedAreToldAfterAWholeWindow(t *testing.T) {
	s := newScript(t, rule(t, "", "count < 3", 5*minute))
	s.expect(4*minute, "")
	s.expect(5*minute, "5m0s firing  0")
	s.see("web1", 5*minute, 3)
	s.expect(6*minute, "5m1s resolved  3")
	s.expect(11*minute, "10m0s firing  0")
}

func TestAnAlertThatGoesOnIsRepeated(t *testing.T) {
	r := rule(t, "", "", minute)
	r.Repeat = time.Hour
	s := newScript(t, r)
	s.expect(2*time.Hour, "1m0s firing  60; 1h1m0s still firing  3660")
}

func TestWhatComesLateIsCountedWhereItBelongs(t *testing.T) {
	s := newScript(t, rule(t, "", "count > 10", 5*minute, "host"))
	s.see("web1", 0, 6)
	s.at(30 * minute)
	// A relay has held back what it got half an hour ago: alone each is harmless.
	s.see("web1", minute, 3)
	s.see("web1", 20*minute, 6)
	s.expect(30*minute+time.Second, "")
	s.see("web1", 2*minute, 3)
	s.expect(30*minute+2*time.Second, "30m2s firing web1 12")
	s.see("web1", 2*minute, 1)
	s.expect(40*minute, "35m2s resolved web1 0") // one window after the last
	s.see("web1", 2*minute, 1)
	s.expect(41*minute, "") // told before
	s.at(2 * time.Hour)
	s.see("web1", 30*minute, 100)
	s.expect(2*time.Hour+minute, "")
	if n := s.e.watches[0].counts.late; n != 100 {
		t.Errorf("%d messages were too late, want 100", n)
	}
}

func TestAWindowOfThePastThatWasToldIsNotToldAgain(t *testing.T) {
	s := newScript(t, rule(t, "", "count > 10", 5*minute))
	s.see("web1", 0, 11)
	s.expect(time.Second, "1s firing  11")
	s.expect(10*minute, "5m0s resolved  0")
	s.see("web1", 0, 1)
	s.expect(11*minute, "")
}

func TestAClockThatIsSetBackDoesNotStopAlerts(t *testing.T) {
	s := newScript(t, rule(t, "", "count > 10", 5*minute))
	s.at(minute)
	s.e.clock(start.Add(48 * time.Hour)) // wrong for a moment
	s.see("web1", 48*time.Hour, 1)
	s.advance()
	s.e.clock(start.Add(2 * minute))
	s.see("web1", 2*minute, 11)
	s.expect(2*minute+time.Second, "2m1s firing  11")
	s = newScript(t, rule(t, "", "", 10*minute))
	s.e.clock(start.Add(48 * time.Hour))
	s.see("web1", 48*time.Hour, 1)
	s.advance()
	s.e.clock(start.Add(2 * minute))
	s.expect(11*minute, "")
	s.expect(13*minute, "12m0s firing  600")
}

func TestWhatWasCountedWhileAClockWasAheadIsForgottenOnceItIsSetBack(t *testing.T) {
	for _, x := range []struct{ condition, ahead, after string }{
		{"count > 10", "48h0m0s firing web1 20", "2m1s resolved web1 0"},
		{"count < 3", "", "7m0s firing web1 0"}, // a whole window after
	} {
		s := newScript(t, rule(t, "", x.condition, 5*minute, "host"))
		s.at(minute)
		s.e.clock(start.Add(48 * time.Hour))
		s.see("web1", 48*time.Hour, 20)
		s.log = nil
		s.advance()
		if got := strings.Join(s.log, "; "); got != x.ahead {
			t.Errorf("%s: %q, want %q", x.condition, got, x.ahead)
		}
		s.e.clock(start.Add(2 * minute))
		s.expect(20*minute, x.after)
		if s.e.cells != 0 {
			t.Errorf("%s: %d cells are remembered", x.condition, s.e.cells)
		}
	}
}

func TestGroupsAreBoundedAndWhatIsBeyondIsCounted(t *testing.T) {
	s := newScript(t, rule(t, "", "count > 0", minute, "host"))
	for i := range maxGroups + 50 {
		s.see(fmt.Sprint("host", i), 0, 1)
	}
	w := s.e.watches[0]
	if len(w.groups) != maxGroups || w.counts.overflow != 50 {
		t.Errorf("%d groups, %d messages beyond", len(w.groups), w.counts.overflow)
	}
	s.at(2 * time.Hour)
	if len(w.groups) != 0 || s.e.cells != 0 {
		t.Errorf("%d groups and %d cells are remembered", len(w.groups), s.e.cells)
	}
}

// A noisy alert forgets what only late messages need, and late messages are counted all
// the same: in full where the alert is another one.
func TestWhatIsRememberedForLateMessagesIsBounded(t *testing.T) {
	noisy, quiet := rule(t, "", "count > 100", minute, "host"), rule(t, "", "count > 10", minute, "host")
	e := newEngine([]*Rule{noisy, quiet}, start)
	e.most = 2000
	var fired []string
	see := func(watch int, host string, after time.Duration, n int) {
		for range n {
			e.observe(watch, event(host, "text", after))
		}
	}
	advance := func(after time.Duration) {
		t.Helper()
		e.clock(start.Add(after))
		for _, c := range e.advance() {
			fired = append(fired, fmt.Sprintf("%s %s %s %d", after, c.State, c.Values[0], c.Value))
		}
		if e.cells > e.most {
			t.Fatalf("after %s %d cells are remembered", after, e.cells)
		}
	}
	see(1, "db1", 0, 6)
	for second := range 1800 {
		for host := range 20 {
			see(0, fmt.Sprint("web", host), time.Duration(second)*time.Second, 1)
		}
		advance(time.Duration(second) * time.Second)
	}
	if len(fired) > 0 {
		t.Fatal(fired)
	}
	see(0, "web1", 20*minute, 101)
	see(1, "db1", 10*time.Second, 5)
	advance(30 * minute)
	if want := []string{"30m0s firing web1 101", "30m0s firing db1 11"}; !slices.Equal(fired, want) {
		t.Errorf("%q, want %q", fired, want)
	}
	if a, b := e.watches[0].counts, e.watches[1].counts; a.forgotten < 20*1000 || a.late+b.late+b.forgotten > 0 {
		t.Errorf("noisy: %+v, quiet: %+v", a, b)
	}
	room := 0
	for _, w := range e.watches {
		for _, g := range w.groups {
			room += cap(g.cells)
		}
	}
	if room > 3*e.most {
		t.Errorf("there is room for %d cells", room)
	}
}

func TestWhatAWindowNeedsIsNotForgottenHoweverMuchItIs(t *testing.T) {
	s := newScript(t, rule(t, "", "count >= 60", minute, "host"))
	s.e.most = 100
	for second := range 60 {
		s.expect(time.Duration(second)*time.Second, "")
		for host := range 20 {
			s.see(fmt.Sprint("web", host), time.Duration(second)*time.Second, 1)
		}
	}
	s.see("web7", 59*time.Second, 1)
	s.see("web7", -minute, 1)
	s.expect(62*time.Second, "1m0s firing web7 60; 1m1s resolved web7 59")
	if n := s.e.watches[0].counts.late; n != 1 {
		t.Errorf("%d messages were too late, want the one for which there is no room", n)
	}
}

func TestAWindowThatWasToldAndForgottenIsNotToldAgain(t *testing.T) {
	s := newScript(t, rule(t, "", "count > 10", 5*minute, "host"))
	s.see("web1", 0, 11)
	s.expect(10*minute, "1s firing web1 11; 5m0s resolved web1 0")
	s.e.most = 0
	s.expect(20*minute, "")
	s.e.most = maxCells
	s.see("web1", 0, 11)
	s.expect(21*minute, "")
	s.at(3 * time.Hour)
	if n := len(s.e.watches[0].groups); n != 0 || s.e.cells != 0 {
		t.Errorf("%d groups and %d cells are remembered", n, s.e.cells)
	}
}

// The engine counts by steps and incrementally; a naive one keeps every message.
func TestCountsAreThoseOfANaiveCount(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		window := []time.Duration{10 * time.Second, minute, 7 * minute}[seed%3]
		r := rule(t, "", "count > 5", window, "host")
		e := newEngine([]*Rule{r}, start)
		seen := map[string][]int64{}
		firing := map[string]bool{}
		step := int64(stepOf(window))
		for second := range int64(1500) {
			now := start.Add(time.Duration(second) * time.Second)
			e.clock(now)
			for range random.IntN(3) {
				host := fmt.Sprint("h", random.IntN(3))
				received := now.Add(-time.Duration(random.Int64N(int64(window) * 9 / 10)))
				e.observe(0, event(host, "x", received.Sub(start)))
				seen[host] = append(seen[host], received.UnixNano()/step)
			}
			for _, c := range e.advance() {
				firing[c.Values[0]] = c.State == Firing
			}
			current := now.UnixNano() / step
			for host, steps := range seen {
				n := 0
				for _, at := range steps {
					if at > current-(int64(window)+step-1)/step {
						n++
					}
				}
				if firing[host] != (n > 5) {
					t.Fatalf("seed %d, %d s, %s: %d messages and firing is %v", seed, second, host, n, firing[host])
				}
			}
		}
	}
}

func TestConditionsAreReadAndNonsenseIsRefused(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		c, err := ParseCondition(text)
		got := c.String()
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f("count > 10", "count > 10")
	f(" count>=1 ", "count >= 1")
	f("count < 5", "count < 5")
	f("count <= 5", "count <= 5")
	f("count < 1", "write absent")
	f("count <= 0", "write absent")
	f("count < 0", "write absent")
	f("count >= 0", "always holds")
	f("count > -1", "want")
	f("count = 5", "want")
	f("sum > 5", "want")
	f("count > 5 or so", "want")
	f("count > 99999999999", "want")
}

func TestTemplatesNameWhatThereIs(t *testing.T) {
	p, err := ParseTemplate("{count} on {host}: {sd.x@1.user}", []string{"host", "sd.x@1.user"})
	if err != nil {
		t.Fatal(err)
	}
	if got := p.fill(func(name string) string { return "<" + name + ">" }); got != "<count> on <host>: <sd.x@1.user>" {
		t.Error(got)
	}
	for _, bad := range []string{"{hots}", "{app}", "{", "{count"} {
		if _, err := ParseTemplate(bad, []string{"host"}); err == nil || !strings.Contains(err.Error(), "is none of") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTheSeverityOfAGroupIsThatOfItsMessages(t *testing.T) {
	for _, severity := range []string{"", "warning"} {
		r := rule(t, "", "count > 2", minute, "severity")
		var err error
		if r.Summary, err = ParseTemplate("{count} of {severity}", []string{"severity"}); err != nil {
			t.Fatal(err)
		}
		r.Severity = severity
		n := (&Change{Rule: r, Values: []string{"crit"}, State: Firing, Value: 3}).Notice()
		if n.Summary != "3 of crit" || n.Severity != severity || n.Labels["severity"] != "crit" {
			t.Errorf("%+v", n)
		}
	}
}

func TestWhatWasSavedGoesOnAsIfNothingHadHappened(t *testing.T) {
	for seed := range uint64(30) {
		random := rand.New(rand.NewPCG(seed, 2))
		rules := []*Rule{rule(t, "", "count > 5", minute, "host"), rule(t, "", "count > 40", 2*minute), rule(t, "", "count < 2", minute, "host")}
		rules[0].For, rules[1].Name, rules[2].Name = time.Duration(seed%3)*5*time.Second, "b", "c"
		whole, parted := newEngine(rules, start), newEngine(rules, start)
		var a, b []string
		for second := range 600 {
			now := start.Add(time.Duration(second) * time.Second)
			if random.IntN(20) == 0 {
				saved := parted.save()
				parted = newEngine(rules, time.Unix(0, parted.now))
				if ends := parted.restore(saved, parted.now); len(ends) > 0 {
					t.Fatal(ends)
				}
			}
			whole.clock(now)
			parted.clock(now)
			for range random.IntN(4) * (second / 100 % 2) {
				ev := event(fmt.Sprint("h", random.IntN(3)), "x", time.Duration(second)*time.Second-time.Duration(random.Int64N(int64(90*time.Second))))
				for i := range rules {
					whole.observe(i, ev)
					parted.observe(i, ev)
				}
			}
			for _, x := range []struct {
				e    *engine
				list *[]string
			}{{whole, &a}, {parted, &b}} {
				for _, c := range x.e.advance() {
					*x.list = append(*x.list, fmt.Sprint(second, c.Rule.Name, c.Values, c.State, c.Started, c.id()))
				}
			}
		}
		slices.Sort(a) // silence is looked at in steps that begin anew
		slices.Sort(b)
		if len(a) == 0 || !slices.Equal(a, b) {
			t.Fatalf("seed %d:\n%s\n\n%s", seed, strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
	}
}
