package pipeline

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/limit"
)

// setup is what an administrator decided, as a whole: a batch is read and judged by
// one.
type setup struct {
	rules    Rules
	readings map[string]Reading
}

func newSetup(rules Rules, readings map[string]Reading) *setup {
	s := &setup{rules: rules, readings: maps.Clone(readings)}
	s.rules.dedupes = len(rules.Dedupe.tables()) > 0
	return s
}

// Replace puts other rules and readings in the place of those that are there. Batches
// under way end by the old ones. What tables and limits know is kept where the new
// rules have the same ones; of the others it is told before they are forgotten.
func (p *Pipeline) Replace(rules Rules, readings map[string]Reading) {
	before := p.setup.Swap(newSetup(rules, readings))
	p.leaving.add(&before.rules, &rules, time.Now())
}

// linger is how long rules that were replaced are asked for what they have to tell: a
// batch that was begun by them has long been judged, if perhaps not stored.
const linger = 2 * time.Minute

// leaving are rules that were replaced and may still have something to tell.
type leaving struct {
	mu   sync.Mutex
	list []departure
}

type departure struct {
	at     time.Time
	tables []*dedupe.Table
	limits []*limit.Rule
}

// add notes what before had and now has not.
func (l *leaving) add(before, now *Rules, at time.Time) {
	d := departure{at: at}
	tables := now.Dedupe.tables()
	for _, t := range before.Dedupe.tables() {
		if !slices.Contains(tables, t) {
			d.tables = append(d.tables, t)
		}
	}
	for _, r := range before.Limits {
		if !slices.Contains(now.Limits, r) {
			d.limits = append(d.limits, r)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(d.tables)+len(d.limits) > 0 {
		l.list = append(l.list, d)
	}
}

func (l *leaving) dedupes() (all []*dedupe.Table) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.list {
		all = append(all, d.tables...)
	}
	return all
}

func (l *leaving) limits() (all []*limit.Rule) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, d := range l.list {
		all = append(all, d.limits...)
	}
	return all
}

// forget drops those that were replaced long ago, but for tables to which batches have
// added that still wait for the log.
func (l *leaving) forget(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := l.list[:0]
	for _, d := range l.list {
		if now.Sub(d.at) > linger {
			d.tables, d.limits = slices.DeleteFunc(d.tables, (*dedupe.Table).Idle), nil
		}
		if len(d.tables)+len(d.limits) > 0 {
			kept = append(kept, d)
		}
	}
	clear(l.list[len(kept):])
	l.list = kept
}
