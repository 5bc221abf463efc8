// Package report shows what was measured: a table in Markdown for people, JSON for
// programs.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/syslane/syslane/bench/cases"
)

// Report is one run.
type Report struct {
	// Machine and Texts say where and with what.
	Machine string `json:"machine"`
	Texts   string `json:"texts"`
	// Rounds is how many were asked for.
	Rounds int    `json:"rounds"`
	Cases  []Case `json:"cases"`
}

// Case is one case of a run.
type Case struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Rows  []*Row `json:"rows"`

	targets []cases.Target
}

// Row is one subject of a case.
type Row struct {
	Subject string `json:"subject"`
	Durable bool   `json:"durable"`
	// Rounds are the measurements, Failed what went wrong in the rounds that have
	// none.
	Rounds []cases.Result `json:"rounds"`
	Failed []string       `json:"failed,omitempty"`
}

// Begin adds a case, with a row for each subject.
func (r *Report) Begin(c cases.Case) {
	added := Case{Name: c.Name, Title: c.Title, targets: c.Targets}
	for _, s := range c.Subjects {
		added.Rows = append(added.Rows, &Row{Subject: s.Name, Durable: s.Durable})
	}
	r.Cases = append(r.Cases, added)
}

// Add adds what a round brought.
func (row *Row) Add(res cases.Result, err error) {
	if err != nil {
		row.Failed = append(row.Failed, err.Error())
		return
	}
	row.Rounds = append(row.Rounds, res)
}

// Median is the median of each figure by itself, but of what was lost the most: a loss is
// one, however well the other rounds went. ok is false where no round went well.
func (row *Row) Median() (res cases.Result, ok bool) {
	if len(row.Rounds) == 0 {
		return res, false
	}
	of := func(figure func(cases.Result) float64) float64 {
		var all []float64
		for _, r := range row.Rounds {
			all = append(all, figure(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	res = cases.Result{
		Messages: row.Rounds[0].Messages,
		Rate:     of(func(r cases.Result) float64 { return r.Rate }),
		CPU:      of(func(r cases.Result) float64 { return r.CPU }),
		Peak:     int64(of(func(r cases.Result) float64 { return float64(r.Peak) })),
		Others:   of(func(r cases.Result) float64 { return r.Others }),
	}
	for _, r := range row.Rounds {
		if max(r.Lost, -r.Lost) > max(res.Lost, -res.Lost) { // less than none is what came twice
			res.Lost = r.Lost
		}
	}
	for _, f := range row.Rounds[0].Also {
		value := of(func(r cases.Result) float64 {
			for _, other := range r.Also {
				if other.Name == f.Name {
					return other.Value
				}
			}
			return math.Inf(-1)
		})
		res.Also = append(res.Also, cases.Figure{Name: f.Name, Value: value, Unit: f.Unit})
	}
	return res, true
}

// JSON writes all rounds.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Markdown writes the table of the medians, and then the targets.
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	median, most := r.others()
	fmt.Fprintf(&b, "%s; %s; medians of up to %d rounds. Other programs took %.0f %% of the machine meanwhile (median; at most %.0f %%).\n\n",
		r.Machine, r.Texts, r.Rounds, 100*median, 100*most)
	fmt.Fprintln(&b, "| case | subject | fsynced | messages/s | CPU-s per million | peak MiB | lost | also |")
	fmt.Fprintln(&b, "|---|---|---|---:|---:|---:|---:|---|")
	for _, c := range r.Cases {
		for i, row := range c.Rows {
			title := ""
			if i == 0 {
				title = fmt.Sprintf("**%s**: %s", c.Name, c.Title)
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", title, row.Subject, row.cells())
		}
	}
	b.WriteString("\n| case | target | reached | wanted | |\n|---|---|---:|---:|---|\n")
	for _, c := range r.Cases {
		c.writeTargets(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// others is what other programs took of the machine, of all measurements the median
// and the most.
func (r *Report) others() (median, most float64) {
	var all []float64
	for _, c := range r.Cases {
		for _, row := range c.Rows {
			for _, res := range row.Rounds {
				if res.CPU > 0 {
					all = append(all, res.Others)
				}
			}
		}
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)-1]
}

func (row *Row) cells() string {
	res, ok := row.Median()
	if !ok {
		return fmt.Sprintf(" | | | | | not measured: %s", oneLine(strings.Join(row.Failed, "; ")))
	}
	var cells []string
	add := func(there bool, format string, value any) {
		text := ""
		if there {
			text = fmt.Sprintf(format, value)
		}
		cells = append(cells, text)
	}
	add(row.Durable, "%s", "yes")
	add(res.Rate > 0, "%s", thousands(res.Rate))
	add(res.CPU > 0, "%.2f", res.CPU)
	add(res.Peak > 0, "%.0f", float64(res.Peak)/(1<<20))
	add(res.Messages > 0, "%s", thousands(float64(res.Lost)))
	var also []string
	for _, f := range res.Also {
		also = append(also, fmt.Sprintf("%s %s %s", f.Name, short(f.Value), f.Unit))
	}
	if len(row.Failed) > 0 {
		also = append(also, fmt.Sprintf("%d rounds failed: %s", len(row.Failed), oneLine(row.Failed[0])))
	}
	return strings.Join(append(cells, strings.Join(also, ", ")), " | ")
}

func (c *Case) writeTargets(b *strings.Builder) {
	medians := cases.Medians{}
	for _, row := range c.Rows {
		if res, ok := row.Median(); ok {
			medians[row.Subject] = res
		}
	}
	for _, t := range c.targets {
		got, bound, verdict := t.Of(medians), "at most", "**missed**"
		if t.AtLeast {
			bound = "at least"
		}
		switch {
		case math.IsNaN(got):
			verdict = "not measured"
		case t.Met(got):
			verdict = "met"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s %s | %s |\n", c.Name, t.What, short(got), bound, short(t.Limit), verdict)
	}
}

// short writes a number with three digits that count.
func short(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return ""
	case a >= 1000:
		return thousands(v)
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}

// thousands writes 1234567 as 1,234,567.
func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", v)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// oneLine makes a text fit for a cell.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(s, "|", "/")), " ")
	return s[:min(len(s), 300)]
}
