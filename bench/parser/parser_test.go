// Package parser compares the parser with those of influxdata, leodido and
// mcuadros in one run:
//
//	go test -run '^$' -bench . -benchmem ./bench/parser
//
// The targets are ratios, so that they hold on any machine: a message of RFC 5424
// with one structured element in at most 120 ns, and one of RFC 3164 in at most
// 90 ns, where influxdata takes 940 and 320. The benchmark fails where they are missed.
package parser

import (
	"errors"
	"testing"
	"time"

	influx3164 "github.com/influxdata/go-syslog/v3/rfc3164"
	influx5424 "github.com/influxdata/go-syslog/v3/rfc5424"
	leodido3164 "github.com/leodido/go-syslog/v4/rfc3164"
	leodido5424 "github.com/leodido/go-syslog/v4/rfc5424"
	"gopkg.in/mcuadros/go-syslog.v2/format"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

const (
	message5424 = `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] An application event log entry...`
	message3164 = `<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8`
)

// The ratios to influxdata in the same run that must not be exceeded.
const (
	target5424 = 120.0 / 940
	target3164 = 90.0 / 320
)

// contender is a parser and how it reads one message.
type contender struct {
	name string
	read func() error
}

func BenchmarkRFC5424(b *testing.B) {
	message := []byte(message5424)
	fresh, reused, other := influx5424.NewMachine, influx5424.NewMachine(), leodido5424.NewMachine()
	run(b, target5424,
		contender{"syslane", ours(b, message, syslog.RFC5424)},
		contender{"influxdata", func() error { return second(reused.Parse(message)) }},
		contender{"influxdata, a machine each", func() error { return second(fresh().Parse(message)) }},
		contender{"leodido", func() error { return second(other.Parse(message)) }},
		contender{"mcuadros", func() error { return (&format.RFC5424{}).GetParser(message).Parse() }},
	)
}

func BenchmarkRFC3164(b *testing.B) {
	message := []byte(message3164)
	reused := influx3164.NewMachine(influx3164.WithYear(influx3164.CurrentYear{}))
	other := leodido3164.NewMachine(leodido3164.WithYear(leodido3164.CurrentYear{}))
	run(b, target3164,
		contender{"syslane", ours(b, message, syslog.RFC3164)},
		contender{"influxdata", func() error { return second(reused.Parse(message)) }},
		contender{"leodido", func() error { return second(other.Parse(message)) }},
		contender{"mcuadros", func() error { return (&format.RFC3164{}).GetParser(message).Parse() }},
	)
}

// run measures each contender, and then the first against the second.
func run(b *testing.B, target float64, all ...contender) {
	for _, c := range all {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("target", func(b *testing.B) {
		us, them := all[0].read, all[1].read
		// Short turns, and of each the best: what else the machine does falls on both.
		best := [2]time.Duration{time.Hour, time.Hour}
		for range 200 {
			for i, read := range []func() error{us, them} {
				const turn = 2000
				start := time.Now()
				for range turn {
					if err := read(); err != nil {
						b.Fatal(err)
					}
				}
				best[i] = min(best[i], time.Since(start)/turn)
			}
		}
		ratio := float64(best[0]) / float64(best[1])
		if ratio > target {
			b.Errorf("%v where influxdata takes %v: %.3f of its time, want at most %.3f", best[0], best[1], ratio, target)
		}
		for b.Loop() {
			// All has been measured above.
		}
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(float64(best[0]), "ns/syslane")
		b.ReportMetric(float64(best[1]), "ns/influxdata")
		b.ReportMetric(ratio, "ratio")
	})
}

// ours parses in a zone with summer time, which costs more than UTC.
func ours(b *testing.B, message []byte, want syslog.Format) func() error {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		b.Fatal(err)
	}
	o := &parser.Options{Received: time.Now(), Location: berlin}
	m := syslog.Message{Raw: message}
	return func() error {
		m.Warnings = 0
		parser.Parse(&m, o)
		if m.Format != want || m.Timestamp == syslog.NoTimestamp || m.Hostname.Empty() || m.Text.Empty() {
			return errNotUnderstood
		}
		return nil
	}
}

var errNotUnderstood = errors.New("the message was not understood")

func second[M any](_ M, err error) error { return err }
