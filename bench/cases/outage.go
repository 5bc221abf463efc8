package cases

import (
	"errors"
	"time"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/bench/subject"
)

// outageMessages is how many are queued while the output is down.
const outageMessages = 500_000

// queued is how long a queue has not grown before all is taken to be in it, and
// queuedLimit how long that may take.
const (
	queued      = time.Second
	queuedLimit = 2 * time.Minute
)

func outage() Case {
	return Case{
		Name: "outage", Title: "outage, then drain: queued on disk while the output is down; rate and CPU are those of draining",
		Subjects: []subject.Subject{
			relayTCP("syslane", ""),
			subject.Rsyslog("rsyslog, disk queue", false, subject.RsyslogConfig{
				Input: subject.RsyslogTCP, Queue: subject.RsyslogDirect, Action: subject.RsyslogFwdFrom(subject.RsyslogDisk)}),
			subject.SyslogNG("syslog-ng, reliable", subject.SyslogNGConfig{
				Source: subject.SyslogNGTCP, Destination: subject.SyslogNGReliable}),
		},
		Run: fillAndDrain(outageMessages),
		Targets: []Target{
			{What: "rate of draining beside the better peer", Of: beside(rate, true), Limit: 3, AtLeast: true},
			memory,
		},
	}
}

// fillAndDrain queues so many messages while there is nothing to send to, and measures
// how the queue is emptied.
func fillAndDrain(messages int) func(*Bench, subject.Subject) (Result, error) {
	return func(b *Bench, s subject.Subject) (res Result, err error) {
		m := b.messages(s, messages)
		r, stop, err := b.start(s, 10)
		if err != nil {
			return res, err
		}
		defer stop()
		stream, err := load.Dial(r.In, 10, "")
		if err != nil {
			return res, r.Blame(err)
		}
		defer stream.Close()
		settle()
		before, err := r.CPU()
		if err != nil {
			return res, err
		}
		start := time.Now()
		if err := stream.Send(m); err != nil {
			return res, r.Blame(err)
		}
		full, err := atRest(r)
		if err != nil {
			return res, r.Blame(err)
		}
		filled, err := r.CPU()
		if err != nil {
			return res, err
		}

		numbers := b.numbers(m)
		out, err := openSink(s, r.Out, numbers)
		if err != nil {
			return res, err
		}
		defer out.Close()
		w, err := b.begin(r)
		if err != nil {
			return res, err
		}
		ctx, cancel := timeLimit()
		defer cancel()
		if err := out.Tally().Wait(ctx, m.Count()); err != nil {
			return res, r.Blame(err)
		}
		// How soon it tries again is a setting: the clock starts with the first octet.
		w.start = out.Tally().First()
		if res, err = w.end(out.Tally().Last(), m.Count(), m.Count()); err != nil {
			return res, err
		}
		millions := float64(m.Count()) / 1e6
		res.Also = append(res.Also,
			Figure{"queued at", float64(m.Count()) / full.Sub(start).Seconds(), "messages/s"},
			Figure{"CPU of queueing", (filled - before).Seconds() / millions, "s per million"})
		return res, checked(s, numbers)
	}
}

// atRest waits until the files of a subject grow no more, and returns since when.
func atRest(r *subject.Running) (time.Time, error) {
	size, grown := r.Written(), time.Now()
	for began := time.Now(); time.Since(began) < queuedLimit; time.Sleep(5 * look) {
		if now := r.Written(); now != size {
			size, grown = now, time.Now()
		}
		if time.Since(grown) > queued {
			return grown, nil
		}
	}
	return grown, errors.New("its queue never came to rest")
}
