package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/syslog"
)

func message(severity syslog.Severity, app string) *syslog.Event {
	e := &syslog.Event{}
	e.Severity, e.Raw = severity, []byte(app)
	e.AppName = syslog.Span{End: uint32(len(app))}
	return e
}

func compile(t interface{ Fatal(...any) }, source string) *match.Expr {
	if source == "" {
		return nil
	}
	e, err := match.Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// conditions are pairs of what is written and what it means.
var conditions = []struct {
	source string
	means  func(*syslog.Event) bool
}{
	{"", func(*syslog.Event) bool { return true }},
	{"severity <= err", func(e *syslog.Event) bool { return e.Severity <= 3 }},
	{`app == "cron"`, func(e *syslog.Event) bool { return string(e.Raw) == "cron" }},
	{`app startsWith "s" and severity > warning`, func(e *syslog.Event) bool { return strings.HasPrefix(string(e.Raw), "s") && e.Severity > 4 }},
	{`not (app in ["sshd", "su"])`, func(e *syslog.Event) bool { return string(e.Raw) != "sshd" && string(e.Raw) != "su" }},
}

// naive says where a message goes, as the documentation does: nil is everywhere.
func naive(routes []Route, means []func(*syslog.Event) bool, e *syslog.Event) (to []string, drop bool) {
	for i, r := range routes {
		if !means[i](e) {
			continue
		}
		if r.Drop {
			return to, to == nil
		}
		if to == nil {
			to = []string{}
		}
		to = append(to, r.To...)
		if !r.Continue {
			return to, false
		}
	}
	return nil, false
}

func TestRoutesAgreeWithANaiveEvaluator(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var routes []Route
		var means []func(*syslog.Event) bool
		for i := range rapid.IntRange(1, 8).Draw(t, "routes") {
			c := rapid.SampledFrom(conditions).Draw(t, "condition")
			r := Route{Name: fmt.Sprint(i), Match: compile(t, c.source)}
			switch rapid.IntRange(0, 3).Draw(t, "action") {
			case 0:
				r.Drop = true
			case 1:
				r.Continue = true
				fallthrough
			default:
				r.To = rapid.SliceOfN(rapid.SampledFrom([]string{"es", "archive", "pager"}), 0, 2).Draw(t, "to")
				if r.To == nil {
					r.To = []string{}
				}
			}
			routes, means = append(routes, r), append(means, c.means)
		}
		if _, err := Check(routes); err != nil {
			t.Skip(err)
		}
		table := New(routes)
		var m match.Message
		for severity := range syslog.Severity(8) {
			for _, app := range []string{"", "cron", "sshd", "su", "systemd"} {
				e := message(severity, app)
				m.Reset(e)
				d := table.Decide(&m)
				to, drop := naive(routes, means, e)
				if d.Drop != drop {
					t.Fatalf("%v %q: drop %v", severity, app, d.Drop)
				}
				if drop {
					continue
				}
				got := d.To.Outputs()
				slices.Sort(got)
				slices.Sort(to)
				if (got == nil) != (to == nil) || !slices.Equal(slices.Compact(got), slices.Compact(to)) {
					t.Fatalf("%v %q: to %q, want %q", severity, app, got, to)
				}
			}
		}
	})
}

func TestRoutesThatCannotBeMeantAreRefused(t *testing.T) {
	condition := compile(t, "severity <= err")
	f := func(want string, index int, routes ...Route) {
		t.Helper()
		i, err := Check(routes)
		if err == nil || !strings.Contains(err.Error(), want) || i != index {
			t.Errorf("route %d: %v, want %d: %q", i, err, index, want)
		}
	}
	to := []string{"es"}
	f("say where to", 0, Route{Match: condition})
	f("cannot go to outputs", 0, Route{Drop: true, To: to})
	f("nothing is left", 0, Route{Drop: true, Continue: true})
	f("must name an output", 0, Route{To: []string{}, Continue: true})
	f("never reached", 1, Route{Name: "all", To: to}, Route{Match: condition, Drop: true})
	f("the last route must have no match", 0, Route{Match: condition, To: to, Continue: true}, Route{Match: condition, To: to})
	if _, err := Check([]Route{{Match: condition, To: to, Continue: true}, {To: to}}); err != nil {
		t.Error(err)
	}
}
