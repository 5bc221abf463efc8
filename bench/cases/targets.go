package cases

import (
	"math"
	"strings"

	"github.com/syslane/syslane/bench/subject"
)

// Medians are those of a case, by the name of the subject. Subjects that failed
// are not there.
type Medians map[string]Result

// Target is what one of our rows has to reach beside the others in the same run.
type Target struct {
	// What says it in words, as "CPU per message of rsyslog's direct queue".
	What string
	// Of returns the figure; NaN where a row that it needs is missing.
	Of func(Medians) float64
	// Limit is what the figure must not exceed or, with AtLeast, not fall short of.
	Limit   float64
	AtLeast bool
}

// Met tells whether a figure meets the target.
func (t Target) Met(got float64) bool {
	if t.AtLeast {
		return got >= t.Limit
	}
	return got <= t.Limit
}

// measure takes one figure out of a result.
type measure func(Result) float64

func rate(r Result) float64 { return r.Rate }
func cpu(r Result) float64  { return r.CPU }
func peak(r Result) float64 { return float64(r.Peak) / (1 << 20) }

// figure takes one of Also.
func figure(name string) measure {
	return func(r Result) float64 {
		for _, f := range r.Also {
			if f.Name == name {
				return f.Value
			}
		}
		return math.NaN()
	}
}

// ours is the subject that targets are about: the first of a case.
const ours = "syslane"

// of is our own figure.
func of(m measure) func(Medians) float64 {
	return func(all Medians) float64 {
		if r, ok := all[ours]; ok {
			return m(r)
		}
		return math.NaN()
	}
}

// beside is our figure divided by the best of the others whose names contain one of
// peers: the largest of theirs with most, else the smallest.
func beside(m measure, most bool, peers ...string) func(Medians) float64 {
	return func(all Medians) float64 {
		best := math.NaN()
		for name, r := range all {
			if strings.HasPrefix(name, ours) || strings.HasPrefix(name, subject.LoopName) || !containsOne(name, peers) {
				continue
			}
			if v := m(r); v > 0 && (math.IsNaN(best) || most == (v > best)) {
				best = v
			}
		}
		return of(m)(all) / best
	}
}

func containsOne(name string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(name, p) {
			return true
		}
	}
	return len(parts) == 0
}

// memory is the target of every case under load.
var memory = Target{What: "peak resident memory, MiB", Of: of(peak), Limit: 128}
