package cases

import (
	"time"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/bench/subject"
)

// idleSubjects have an input over TCP and nothing to do.
func idleSubjects() []subject.Subject {
	return []subject.Subject{
		collectorTCP("syslane", ""),
		subject.Rsyslog("rsyslog, direct queue", false, subject.RsyslogConfig{
			Input: subject.RsyslogTCP, Queue: subject.RsyslogDirect, Action: subject.RsyslogFile}),
		subject.SyslogNG("syslog-ng", subject.SyslogNGConfig{Source: subject.SyslogNGTCP, Destination: subject.SyslogNGFile}),
	}
}

func startup() Case {
	return Case{
		Name: "start", Title: "start: until it listens",
		Subjects: idleSubjects(),
		Run: func(b *Bench, s subject.Subject) (Result, error) {
			r, stop, err := b.start(s, 10)
			if err != nil {
				return Result{}, err
			}
			defer stop()
			cpu, err := r.CPU()
			return Result{Also: []Figure{
				{"start", r.Took.Seconds() * 1e3, "ms"}, {"CPU", cpu.Seconds() * 1e3, "ms"},
			}}, err
		},
	}
}

// idleFor is how long nothing happens until it is measured, and while it is; idleLoad is
// what happened before.
const (
	idleFor  = 4 * time.Second
	idleLoad = 500_000
)

func idle() Case {
	return Case{
		Name: "idle", Title: "idle: with nothing to do, before and after 500,000 messages",
		Subjects: idleSubjects(),
		Run: func(b *Bench, s subject.Subject) (res Result, err error) {
			r, stop, err := b.start(s, 10)
			if err != nil {
				return res, err
			}
			defer stop()
			settle()
			rest := idleFor
			if b.Short {
				rest /= 20
			}
			fresh, err := atIdle(r, rest)
			if err != nil {
				return res, err
			}
			stream, err := load.Dial(r.In, 10, "")
			if err != nil {
				return res, r.Blame(err)
			}
			defer stream.Close()
			m := b.messages(s, idleLoad)
			if err := stream.Send(m); err != nil {
				return res, r.Blame(err)
			}
			if _, _, err = awaitStored(r, m.Count(), b.patience()); err != nil {
				return res, r.Blame(err)
			}
			after, err := atIdle(r, rest)
			if err != nil {
				return res, err
			}
			_, res.Peak, err = r.Resident()
			res.Also = []Figure{
				{"memory", fresh.mib, "MiB"}, {"CPU", fresh.cpu, "%"},
				{"memory after load", after.mib, "MiB"}, {"CPU after load", after.cpu, "%"},
			}
			return res, err
		},
		Targets: []Target{
			{What: "resident memory, MiB", Of: of(figure("memory")), Limit: 30},
			{What: "resident memory after load, MiB", Of: of(figure("memory after load")), Limit: 30},
		},
	}
}

type idleness struct{ mib, cpu float64 }

func atIdle(r *subject.Running, rest time.Duration) (i idleness, err error) {
	time.Sleep(rest) // what it does to come to rest is no cost of idling
	before, err := r.CPU()
	if err != nil {
		return i, err
	}
	time.Sleep(rest)
	after, err := r.CPU()
	if err != nil {
		return i, err
	}
	now, _, err := r.Resident()
	return idleness{float64(now) / (1 << 20), 100 * (after - before).Seconds() / rest.Seconds()}, err
}
