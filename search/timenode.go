package search

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

// timeNode compares the time of an event: since ≤ time ≤ until.
type timeNode struct{ since, until int64 }

func (n timeNode) match(e *syslog.Event, _ *scratch) bool {
	t := e.TimeNano()
	return n.since <= t && t <= n.until
}

func (n timeNode) literal() *pattern { return nil }

// may: which blocks touch a time the planner knows without skip data.
func (n timeNode) may(*skipdata.Block) bool { return true }

func (n timeNode) dims() dims { return dimTime }

func (n timeNode) write(b *strings.Builder) {
	fmt.Fprintf(b, "%s:[%s, %s]", atTimestamp, time.Unix(0, n.since).UTC().Format(rowTime), time.Unix(0, n.until).UTC().Format(rowTime))
}

// timeNode makes a term of a comparison with a time.
func (p *parser) timeNode(t token, in *scope) (node, error) {
	if in.op == ":" {
		return nil, p.fail(t.at, "%s takes no colon; compare it with <, <=, > or >=", in.name)
	}
	at, err := ParseTime(t.text, p.now, time.UTC)
	if err != nil {
		return nil, p.fail(t.at, "%s: %v", in.name, err)
	}
	nano := unixNano(at)
	n := timeNode{math.MinInt64, math.MaxInt64}
	switch in.op {
	case "<":
		n.until = max(nano, math.MinInt64+1) - 1
	case "<=":
		n.until = nano
	case ">":
		n.since = min(nano, math.MaxInt64-1) + 1
	case ">=":
		n.since = nano
	}
	return n, nil
}

// timesOf returns the bounds on the times of all that a query matches.
func timesOf(root node) (since, until int64) {
	since, until = math.MinInt64, math.MaxInt64
	switch n := root.(type) {
	case timeNode:
		return n.since, n.until
	case allOf:
		for _, child := range n {
			s, u := timesOf(child)
			since, until = max(since, s), min(until, u)
		}
	}
	return since, until
}
