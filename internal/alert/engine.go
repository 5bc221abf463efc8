package alert

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// Limits of what is remembered.
const (
	// maxGroups bounds the groups of one alert.
	maxGroups = 10_000
	// maxCells bounds the steps in which something was counted, over all alerts, at
	// eight octets each. Where there are more, those are forgotten that only late
	// messages need. Until the next evaluation there may be twice as many; what is late
	// is not counted beyond.
	maxCells = 2 << 20
	// maxSample bounds the text of a message that is told as an example, in octets.
	maxSample = 256
	// maxValue bounds the value of a field by which is grouped, in octets.
	maxValue = 256
)

// Change is what has become of a group and is to be told.
type Change struct {
	Rule   *Rule
	Values []string // of Rule.By
	// State is Firing or Inactive.
	State State
	// Started and Ended are when the condition began and ceased to hold.
	Started, Ended time.Time
	Value          uint64
	Sample         string
	// Repeat tells that nothing has changed but that the alert fires still.
	Repeat bool
	// Note says why an alert has ended where not by its condition.
	Note string

	repeated int64    // when, in nanoseconds
	by       []string // names of the fields of Values, where the rule is gone; not nil then
}

// engine evaluates alerts. It knows no clock, no log and no channels.
type engine struct {
	watches []*watch
	cells   int
	most    int // maxCells, but for tests
	now     int64
}

// watch is the evaluation of one alert.
type watch struct {
	rule   *Rule
	groups map[string]*group
	cells  int
	// queue are the groups that must be evaluated: those with new messages, and
	// those that are not inactive.
	queue, spare []*group
	// fresh tells that there are new messages since the last evaluation.
	fresh bool
	// from is from when on messages would have been seen.
	from int64
	// next is when all groups are looked at again.
	next int64

	step  int64 // nanoseconds
	steps uint32
	keep  uint32 // steps that are remembered
	key   []byte
	value []byte

	counts watchCounts
}

// watchCounts are the counters of one alert.
type watchCounts struct {
	matched, late, forgotten, overflow uint64
}

// newEngine returns an engine whose time is now.
func newEngine(rules []*Rule, now time.Time) *engine {
	e := &engine{most: maxCells, now: now.UnixNano()}
	for _, r := range rules {
		step := stepOf(r.Window)
		w := &watch{rule: r, groups: make(map[string]*group), from: e.now, step: int64(step)}
		w.steps = uint32((r.Window + step - 1) / step)
		w.keep = w.steps
		if !r.Condition.lower() {
			w.keep += uint32(r.Late / step)
		}
		if len(r.By) == 0 {
			w.add("")
		}
		e.watches = append(e.watches, w)
	}
	return e
}

func (w *watch) add(key string) *group {
	g := &group{key: key, state: Inactive, late: noStep, values: splitKey(key)}
	w.groups[key] = g
	return g
}

// joinKey and splitKey turn the values of a group into a key and back. Values have no
// NUL, see observe.
func splitKey(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key[1:], "\x00")
}

func joinKey(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return "\x00" + strings.Join(values, "\x00")
}

// observe counts an event for an alert.
func (e *engine) observe(watch int, ev *syslog.Event) {
	w := e.watches[watch]
	w.counts.matched++
	w.fresh = true
	w.key = w.key[:0]
	for _, f := range w.rule.By {
		w.value = f.Append(w.value[:0], ev)
		if len(w.value) > maxValue {
			w.value = bytes.ToValidUTF8(w.value[:maxValue], nil)
		}
		w.key = append(w.key, 0)
		for _, c := range w.value {
			if c != 0 {
				w.key = append(w.key, c)
			}
		}
	}
	g := w.groups[string(w.key)]
	if g == nil {
		if len(w.groups) >= maxGroups {
			w.counts.overflow++
			return
		}
		g = w.add(string(w.key))
	}
	at := min(ev.ID.ReceivedNano(), e.now) // a clock that is ahead
	g.last = max(g.last, at)
	text := ev.Field(ev.Text)
	g.sample = append(g.sample[:0], text[:min(len(text), maxSample)]...)
	if w.rule.Condition == Absent {
		w.push(g)
		return
	}
	step, current := w.stepAt(at), w.stepAt(e.now)
	if current >= w.steps && step <= current-w.steps {
		switch {
		case w.rule.Condition.lower():
			return
		case step+w.keep <= current, e.cells >= 2*e.most:
			w.counts.late++
			return
		}
		if g.late == noStep {
			g.lateTo = step
		}
		g.late, g.lateTo = min(g.late, step), max(g.lateTo, step)
	}
	e.remember(w, g.count(step))
	w.push(g)
}

func (w *watch) stepAt(nano int64) uint32 { return uint32(max(nano, 0) / w.step) }

func (w *watch) push(g *group) {
	if !g.queued {
		g.queued = true
		w.queue = append(w.queue, g)
	}
}

// maxBack is how far a clock may go back and be waited for.
const maxBack = time.Minute

// clock tells the time. It does not go back, but where the clock of the machine was
// wrong and has been set: then nothing that is remembered lies in the future. What was
// counted there is forgotten, for nobody knows when it came.
func (e *engine) clock(now time.Time) {
	t := now.UnixNano()
	if t >= e.now-int64(maxBack) {
		e.now = max(e.now, t)
		return
	}
	e.now = t
	for _, w := range e.watches {
		w.from, w.next = min(w.from, t), 0
		if w.rule.Condition != Absent {
			w.from = t // the window may lack what is forgotten
		}
		current := w.stepAt(t)
		for _, g := range w.groups {
			g.last, g.since, g.told, g.lateUntil = min(g.last, t), min(g.since, t), min(g.told, t), min(g.lateUntil, t)
			g.held = min(g.held, current)
			e.remember(w, -g.trim(current))
		}
	}
}

// advance evaluates the alerts at the time of the clock.
func (e *engine) advance() (changes []Change) {
	for _, w := range e.watches {
		if e.now >= w.next {
			// All are looked at where silence may make a condition hold, and now and
			// then where not, for what can be forgotten.
			every := w.step
			if !w.rule.Condition.lower() {
				every *= int64(w.steps)
			}
			w.next = (e.now/every + 1) * every
			for _, g := range w.groups {
				w.push(g)
			}
			slices.SortFunc(w.queue, func(a, b *group) int { return strings.Compare(a.key, b.key) })
		}
		w.fresh = false
		queue := w.queue
		w.queue = w.spare[:0]
		for _, g := range queue {
			g.queued = false
			changes = e.evaluate(w, g, changes)
			if g.state != Inactive {
				w.push(g)
			}
		}
		clear(queue)
		w.spare = queue[:0]
	}
	if e.cells > e.most {
		e.thin()
	}
	return changes
}

// thin makes room: the alert that remembers the most, and then the next, forgets what
// only late messages would need.
func (e *engine) thin() {
	for _, w := range slices.SortedFunc(slices.Values(e.watches), func(a, b *watch) int { return cmp.Compare(b.cells, a.cells) }) {
		if e.cells <= e.most {
			return
		}
		upTo := behind(w.stepAt(e.now), w.steps)
		for _, g := range w.groups {
			before := g.within(0)
			e.remember(w, -g.forget(upTo))
			w.counts.forgotten += before - g.within(0)
		}
	}
}

// remember takes note of how many more cells an alert has.
func (e *engine) remember(w *watch, cells int) {
	w.cells += cells
	e.cells += cells
}

// evaluate looks at one group.
func (e *engine) evaluate(w *watch, g *group, changes []Change) []Change {
	r := w.rule
	var holds bool
	current := w.stepAt(e.now)
	if current >= w.keep {
		e.remember(w, -g.forget(current-w.keep))
	}
	switch {
	case r.Condition == Absent:
		silence := e.now - w.heard(g)
		holds = silence >= int64(r.Window)
		g.value = uint64(max(silence, 0) / int64(time.Second))
	case r.Condition.lower():
		g.value = g.within(behind(current, w.steps))
		// Less than a window was watched: what is not there may have been there.
		holds = r.Condition.holds(g.value) && (e.now-w.from >= int64(r.Window) || g.state == Firing)
	default:
		count := g.within(behind(current, w.steps))
		holds = r.Condition.holds(count)
		if holds {
			g.held = current
		} else if g.late != noStep && r.For == 0 {
			if most := g.most(w.steps, max(g.late, g.held+1), g.lateTo+w.steps); r.Condition.holds(most) {
				g.lateUntil, g.held, count = e.now+int64(r.Window), max(g.held, g.lateTo), most
			}
		}
		if !holds && e.now < g.lateUntil {
			holds, count = true, max(count, g.value)
		}
		g.value = count
	}
	g.late = noStep
	note := ""
	if len(r.By) > 0 && r.Condition.lower() && e.now-g.last > int64(r.Seen) {
		holds, note = false, "not seen for "+short(r.Seen)+": no longer watched"
	}
	changes = w.move(g, e.now, holds, note, changes)
	// What was told of is known for as long as late messages could tell it again.
	idle := !r.Condition.lower() && len(g.cells) == 0 && g.held+w.keep <= current
	if g.state == Inactive && len(r.By) > 0 && (note != "" || idle) {
		e.remember(w, -len(g.cells))
		delete(w.groups, g.key)
	}
	return changes
}

// heard is from when on there is silence. Before an alert fires, that was not when
// nobody listened.
func (w *watch) heard(g *group) int64 {
	switch {
	case g.state != Firing:
		return max(g.last, w.from)
	case g.last == 0:
		return g.since - int64(w.rule.Window)
	}
	return g.last
}

func behind(current, steps uint32) uint32 { return current - min(current, steps) }

// move changes the state of a group.
func (w *watch) move(g *group, now int64, holds bool, note string, changes []Change) []Change {
	r := w.rule
	switch {
	case g.state == Firing && !holds:
		changes = append(changes, w.change(g, Inactive, now, false, note))
		g.state, g.since = Inactive, now
	case g.state == Firing:
		if r.Repeat > 0 && now-g.told >= int64(r.Repeat) {
			g.told = now
			changes = append(changes, w.change(g, Firing, now, true, ""))
		}
	case !holds:
		if g.state == Pending {
			g.state, g.since = Inactive, now
		}
	default:
		if g.state == Inactive {
			g.state, g.since = Pending, now
		}
		if now-g.since >= int64(r.For) {
			g.state, g.told = Firing, now
			changes = append(changes, w.change(g, Firing, now, false, ""))
		}
	}
	return changes
}

func (w *watch) change(g *group, state State, now int64, repeat bool, note string) Change {
	c := Change{Rule: w.rule, Values: g.values, State: state, Started: time.Unix(0, g.since).UTC(), Value: g.value,
		Sample: strings.ToValidUTF8(string(g.sample), "\ufffd"), Repeat: repeat, Note: note, repeated: g.told}
	if state == Inactive {
		c.Ended = time.Unix(0, now).UTC()
	}
	return c
}
