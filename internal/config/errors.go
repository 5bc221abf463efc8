package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Pos is a place in a configuration file. Line and Column count from 1, Column
// in characters; 0 means unknown.
type Pos struct {
	File         string
	Line, Column int
	order        int
}

// String returns "file:line:column", without what is unknown.
func (p Pos) String() string {
	s := p.File
	if p.Line > 0 {
		s += ":" + strconv.Itoa(p.Line)
		if p.Column > 0 {
			s += ":" + strconv.Itoa(p.Column)
		}
	}
	return s
}

// Error is one thing that is wrong in a configuration.
type Error struct {
	Pos Pos
	// Key is the dotted key in question, "" for a whole table or file.
	Key string
	// Text says what is wrong and what is accepted.
	Text string
}

// Error returns "file:line:column: text".
func (e *Error) Error() string {
	if p := e.Pos.String(); p != "" {
		return p + ": " + e.Text
	}
	return e.Text
}

// Errors is all that is wrong in a configuration, one error a line.
type Errors []*Error

// Error returns the errors, one a line.
func (es Errors) Error() string {
	var b strings.Builder
	for i, e := range es {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Error())
	}
	return b.String()
}

// Unwrap returns the single errors.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

func (es Errors) sort() {
	slices.SortStableFunc(es, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Pos.order, b.Pos.order), cmp.Compare(a.Pos.Line, b.Pos.Line),
			cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
}

// Suggest ends an error about an unknown word: `; did you mean "x"?` for the
// known word nearest to got, where one is near enough to be a slip of the hand,
// and in any case the list of known words.
func Suggest(got string, known []string) string {
	if len(known) == 0 {
		return "; none are known here"
	}
	known = slices.Sorted(slices.Values(known))
	best, bestDistance := "", 1+max(1, len(got)/3)
	for _, k := range known {
		if d := distance(strings.ToLower(got), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	list := " (known: " + strings.Join(known, ", ") + ")"
	if best == "" {
		return list
	}
	return fmt.Sprintf("; did you mean %q?%s", best, list)
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that make b of a. Words longer than 64 octets count as far apart.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var rows [3][65]int
	for j := range len(b) + 1 {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, above, here := &rows[(i-1)%3], &rows[i%3], &rows[(i+1)%3]
		here[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			here[j] = min(above[j]+1, here[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				here[j] = min(here[j], before[j-2]+1)
			}
		}
	}
	return rows[(len(a)+1)%3][len(b)]
}
