package cases

import (
	"math"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/bench/subject"
)

// steadyRate is the rate at which CPU is compared, in messages per second.
const steadyRate = 200_000

// shortDatagrams fit into the buffer that a kernel gives to a socket which may not ask
// for more, so that in smoke tests none is lost while a subject is not scheduled.
const shortDatagrams = 100

// udpSubjects write what comes over UDP.
func udpSubjects() []subject.Subject {
	return []subject.Subject{
		subject.Syslane("syslane", subject.SyslaneConfig{Role: "collector", Input: "udp"}),
		subject.Rsyslog("rsyslog, direct queue", false, subject.RsyslogConfig{
			Input: subject.RsyslogUDP, Queue: subject.RsyslogDirect, Action: subject.RsyslogFile}),
		subject.Rsyslog("rsyslog, memory queue", false, subject.RsyslogConfig{
			Input: subject.RsyslogUDP, Queue: subject.RsyslogMemory, Action: subject.RsyslogFile}),
		subject.SyslogNG("syslog-ng", subject.SyslogNGConfig{Source: subject.SyslogNGUDP, Destination: subject.SyslogNGFile}),
		subject.Loop(subject.LoopName+" and counts", "udp", "receive"),
		subject.Loop(subject.LoopName+", and writes with fdatasync", "udp", "write"),
	}
}

func udpRate() Case {
	return Case{
		Name: "udp-200k", Title: "UDP → log or file at 200,000 messages a second",
		Subjects: udpSubjects(),
		Run: func(b *Bench, s subject.Subject) (Result, error) {
			r, stop, err := b.start(s, 0)
			if err != nil {
				return Result{}, err
			}
			defer stop()
			settle()
			m := b.messages(s, steadyRate*10)
			if b.Short {
				m = b.Messages.Of(shortDatagrams)
			}
			w, err := b.begin(r)
			if err != nil {
				return Result{}, err
			}
			if _, err := load.SendDatagrams(r.In, m, steadyRate); err != nil {
				return Result{}, err
			}
			stored, end, err := awaitStored(r, m.Count(), b.patience())
			if err != nil {
				return Result{}, r.Blame(err)
			}
			return w.end(end, m.Count(), stored)
		},
		Targets: []Target{
			{What: "CPU per message beside the best peer", Of: beside(cpu, false), Limit: 0.8},
			{What: "messages lost", Of: of(func(r Result) float64 { return float64(r.Lost) }), Limit: 0},
			memory,
		},
	}
}

// Rates rise by a quarter, from the first to no more than the last, until a message is
// lost; then the gap between the greatest rate without loss and the least with is halved
// until it is no wider than finest. Each is held for a time long enough that no buffer
// hides that a subject is too slow.
const (
	firstRate  = 100_000
	lastRate   = 2_000_000
	rateRises  = 1.25
	finest     = 1.04
	rateHeldAt = 1.5 // seconds
)

func udpLoss() Case {
	return Case{
		Name: "udp-loss", Title: "UDP → log or file at rising rates to the first loss",
		Subjects: udpSubjects(),
		Run: func(b *Bench, s subject.Subject) (Result, error) {
			r, stop, err := b.start(s, 0)
			if err != nil {
				return Result{}, err
			}
			defer stop()
			settle()
			held, last := rateHeldAt, float64(lastRate)
			if b.Short {
				held, last = 0.1, 2*firstRate
			}
			res := Result{}
			clean, lossy := 0.0, 0.0 // the greatest rate without loss, and the least with
			share, before := 0.0, 0
			for rate := float64(firstRate); rate <= last; {
				m := b.Messages.Of(int(rate * held))
				reached, err := load.SendDatagrams(r.In, m, rate)
				if err != nil {
					return res, err
				}
				stored, _, err := awaitStored(r, before+m.Count(), over)
				if err != nil {
					return res, r.Blame(err)
				}
				if lost := before + m.Count() - stored; lost > 0 {
					lossy, share = rate, 100*float64(lost)/float64(m.Count())
				} else {
					clean, res.Rate = rate, max(res.Rate, reached)
				}
				before = stored
				if lossy == 0 {
					if reached < rate/rateRises {
						break // the sender is at its end
					}
					rate *= rateRises
					continue
				}
				if lossy <= clean*finest || clean == 0 {
					res.Also = append(res.Also, Figure{"lost at the next rate", share, "%"})
					break
				}
				rate = math.Sqrt(clean * lossy)
			}
			_, res.Peak, err = r.Resident()
			return res, err
		},
		Targets: []Target{
			{What: "greatest rate without loss beside the best peer", Of: beside(rate, true), Limit: 1.5, AtLeast: true},
		},
	}
}
