package cases

import (
	"fmt"
	"strings"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/bench/subject"
)

// growthOctets is how much is sent where sizes differ, and growthMessages how many where
// they do not.
const (
	growthOctets   = 300 << 20
	growthMessages = 1_000_000
	usualSize      = 220
)

// steps make a case of subjects that each get work of their own.
type steps struct {
	subjects []subject.Subject
	runs     map[string]func(*Bench, subject.Subject) (Result, error)
}

func (s *steps) add(one subject.Subject, run func(*Bench, subject.Subject) (Result, error)) {
	if s.runs == nil {
		s.runs = map[string]func(*Bench, subject.Subject) (Result, error){}
	}
	s.subjects = append(s.subjects, one)
	s.runs[one.Name] = run
}

func (s *steps) of(name, title string) Case {
	return Case{Name: name, Title: title, Subjects: s.subjects, Run: func(b *Bench, one subject.Subject) (Result, error) {
		return s.runs[one.Name](b, one)
	}}
}

// few bounds a number of messages for smoke tests.
func few(b *Bench, messages int) int {
	return min(messages, b.Messages.Count())
}

// limits are loops that do a part of the work and nothing else.
func limits() Case {
	var s steps
	for _, loop := range []subject.Subject{subject.Loop(subject.LoopName+" and counts LF", "tcp", "receive"),
		subject.Loop(subject.LoopName+", and writes with fdatasync", "tcp", "write"), collectorTCP("syslane", ""),
		collectorTCP("syslane, no compression", `codec = "none"`)} {
		s.add(loop, storeStream(10, false))
	}
	return s.of("limits", "TCP, 10 connections: what the machine takes for receiving and writing alone")
}

func bySize() Case {
	var s steps
	for _, octets := range []int{150, 300, 1000, 4000, 16_000} {
		s.add(collectorTCP(fmt.Sprintf("%d octets", octets), ""), func(b *Bench, one subject.Subject) (Result, error) {
			return store(b, one, load.Sized(few(b, growthOctets/octets), octets), 10, "")
		})
	}
	return s.of("by-size", "TCP → log, 10 connections, by the size of messages")
}

func byConnections() Case {
	var s steps
	for _, conns := range []int{1, 10, 100, 1000, 5000} {
		s.add(subject.Syslane(fmt.Sprintf("%d connections", conns), subject.SyslaneConfig{Role: "collector", Input: "tcp",
			InputMore: "max_connections = 10000\nmax_connections_per_address = 10000"}), storeStream(conns, false))
	}
	return s.of("by-connections", "TCP → log, by the number of connections")
}

func byRules() Case {
	var s steps
	for _, rules := range []int{0, 1, 10, 100} {
		var more strings.Builder
		for n := range rules {
			fmt.Fprintf(&more, "[[route]]\nmatch = 'app == \"nobody-%d\" and severity <= err'\ndrop = true\n", n)
		}
		s.add(subject.Syslane(fmt.Sprintf("%d rules", rules), subject.SyslaneConfig{Role: "collector", Input: "tcp", More: more.String()}),
			storeSome)
	}
	for _, kind := range []struct{ name, more string }{
		{"a transform that sets a field", "[[transform]]\nset = { msgid = '\"x\"' }\n"},
		{"a transform that redacts e-mail", "[[transform]]\nredact = [\"email\"]\n"},
		{"a rule with a regular expression", "[[route]]\nmatch = 'message matches \"user=(nobody|noone)$\"'\ndrop = true\n"},
		{"repeats within 10 s suppressed", "[dedupe]\nwindow = \"10s\"\n"},
		{"a limit by host", "[[limit]]\nname = \"flood\"\nby = [\"host\"]\nrate = 1000000\n"},
	} {
		s.add(subject.Syslane(kind.name, subject.SyslaneConfig{Role: "collector", Input: "tcp", More: kind.more}), storeSome)
	}
	return s.of("by-rules", "TCP → log, 10 connections, by the number of rules, none of which holds; and one of each kind")
}

func byOutputs() Case {
	var s steps
	for _, files := range []int{0, 1, 2, 4} {
		s.add(subject.Syslane(fmt.Sprintf("%d outputs", files), subject.SyslaneConfig{Role: "collector", Input: "tcp", Files: files}), storeSome)
	}
	return s.of("by-outputs", "TCP → log → so many files, 10 connections, until all are written")
}

func byBacklog() Case {
	var s steps
	for _, queued := range []int{100_000, 1_000_000, 3_000_000} {
		s.add(relayTCP(fmt.Sprintf("%d queued", queued), ""), fillAndDrain(queued))
	}
	return s.of("by-backlog", "draining by the link what was queued while the output was down")
}

// storeSome is half of what other cases send, for it is done often.
func storeSome(b *Bench, s subject.Subject) (Result, error) {
	return store(b, s, b.messages(s, growthMessages), 10, "")
}
