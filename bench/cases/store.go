package cases

import (
	"fmt"
	"time"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/bench/sink"
	"github.com/syslane/syslane/bench/subject"
)

// storeMessages is how many go over TCP into files: about a second's worth.
const storeMessages = 2_000_000

// generator shows that what sends is no bottleneck: a sink that only counts lines.
func generator() Case {
	return Case{
		Name: "generator", Title: "the generator into a sink that counts lines, 10 connections",
		Subjects: []subject.Subject{{Name: "no receiver but the sink"}},
		Run: func(b *Bench, s subject.Subject) (Result, error) {
			m := b.messages(s, storeMessages)
			numbers := b.numbers(m)
			out, err := sink.Stream("127.0.0.1:0", numbers)
			if err != nil {
				return Result{}, err
			}
			defer out.Close()
			stream, err := load.Dial(out.Addr(), 10, "")
			if err != nil {
				return Result{}, err
			}
			defer stream.Close()
			start := time.Now()
			const turns = 5
			for range turns {
				if err := stream.Send(m); err != nil {
					return Result{}, err
				}
				if b.Check {
					break
				}
			}
			ctx, cancel := timeLimit()
			defer cancel()
			sent := m.Count() * turns
			if b.Check {
				sent = m.Count()
			}
			if err := out.Tally().Wait(ctx, sent); err != nil {
				return Result{}, err
			}
			return Result{Messages: sent, Rate: float64(sent) / out.Tally().Last().Sub(start).Seconds()}, checked(s, numbers)
		},
		Targets: []Target{{What: "messages per second", Of: func(m Medians) float64 { return m["no receiver but the sink"].Rate }, Limit: 8e6, AtLeast: true}},
	}
}

// collectorTCP keeps what it gets over TCP in its log.
func collectorTCP(name, log string) subject.Subject {
	return subject.Syslane(name, subject.SyslaneConfig{Role: "collector", Input: "tcp", Log: log})
}

func tcpLog(name string, conns int) Case {
	c := Case{
		Name: name, Title: fmt.Sprintf("TCP → log or file, %d connections", conns),
		Subjects: []subject.Subject{
			collectorTCP("syslane", ""),
			subject.Rsyslog("rsyslog, direct queue", false, subject.RsyslogConfig{
				Input: subject.RsyslogTCP, Queue: subject.RsyslogDirect, Action: subject.RsyslogFile}),
			subject.SyslogNG("syslog-ng", subject.SyslogNGConfig{Source: subject.SyslogNGTCP, Destination: subject.SyslogNGFile}),
		},
		Run: storeStream(conns, false),
		Targets: []Target{
			{What: "CPU per message beside rsyslog's direct queue", Of: beside(cpu, false, "direct"), Limit: 0.45},
			{What: "messages per second beside the best peer", Of: beside(rate, true), Limit: 1.6, AtLeast: true},
			memory,
		},
	}
	if conns == 10 {
		c.Subjects = append(c.Subjects,
			collectorTCP("syslane, s2", `codec = "s2"`),
			collectorTCP("syslane, zstd", `codec = "zstd"`),
			collectorTCP("syslane, no compression", `codec = "none"`),
			collectorTCP("syslane, not synced", `sync = "os"`),
			subject.Rsyslog("rsyslog, memory queue", false, subject.RsyslogConfig{
				Input: subject.RsyslogTCP, Queue: subject.RsyslogMemory, Action: subject.RsyslogFile}),
			subject.GoSyslog(), subject.OTelCollector())
	}
	return c
}

func tlsLog() Case {
	return Case{
		Name: "tls-log", Title: "TLS → log or file, 10 connections",
		Subjects: []subject.Subject{
			subject.Syslane("syslane", subject.SyslaneConfig{Role: "collector", Input: "tls"}),
			subject.Rsyslog("rsyslog, direct queue", false, subject.RsyslogConfig{
				Input: subject.RsyslogTLS, Queue: subject.RsyslogDirect, Action: subject.RsyslogFile}),
			subject.SyslogNG("syslog-ng", subject.SyslogNGConfig{Source: subject.SyslogNGTLS, Destination: subject.SyslogNGFile}),
		},
		Run:     storeStream(10, true),
		Targets: []Target{memory},
	}
}

// storeStream sends all messages at once, and waits until they are stored.
func storeStream(conns int, overTLS bool) func(*Bench, subject.Subject) (Result, error) {
	return func(b *Bench, s subject.Subject) (Result, error) {
		if overTLS {
			return store(b, s, b.messages(s, storeMessages/2), conns, b.Tools.CA)
		}
		return store(b, s, b.messages(s, storeMessages), conns, "")
	}
}

func store(b *Bench, s subject.Subject, m *load.Messages, conns int, ca string) (res Result, err error) {
	r, stop, err := b.start(s, conns)
	if err != nil {
		return res, err
	}
	defer stop()
	w, stream, err := b.send(r, conns, ca, m)
	if err != nil {
		return res, err
	}
	defer stream.Close()
	stored, end, err := awaitStored(r, m.Count(), b.patience())
	if err != nil {
		return res, r.Blame(err)
	}
	return w.end(end, m.Count(), stored)
}

// settle lets a start be over, and out of the figures.
func settle() { time.Sleep(300 * time.Millisecond) }
