package cases

import (
	"slices"
	"time"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/bench/sink"
	"github.com/syslane/syslane/bench/subject"
)

// loneMessages are sent one by one, each after the one before has come out; lonePause
// is what lies between, so that nothing is on its way any more.
const (
	loneMessages = 300
	lonePause    = 10 * time.Millisecond
)

func latency() Case {
	hop := func(role, input string) subject.Subject {
		return subject.Syslane("syslane", subject.SyslaneConfig{Role: role, Input: input, Output: "relp"})
	}
	syslane, syslaneNext := hop("relay", "tcp"), hop("collector", "relp")
	syslane.Next = &syslaneNext
	direct := subject.Rsyslog("rsyslog, direct queues, not synced", false, subject.RsyslogConfig{
		Input: subject.RsyslogTCP, Queue: subject.RsyslogDirect, Action: subject.RsyslogFwd})
	directNext := direct
	direct.Next = &directNext
	return Case{
		Name: "latency", Title: "a lone message over two hops, from the sender to a receiver behind the second",
		Subjects: []subject.Subject{syslane, direct},
		Run:      loneMessage,
		Targets: []Target{
			{What: "median, ms", Of: of(figure("p50")), Limit: 5},
			{What: "99th percentile, ms", Of: of(figure("p99")), Limit: 20},
		},
	}
}

func loneMessage(b *Bench, s subject.Subject) (res Result, err error) {
	count := loneMessages
	if b.Short {
		count = 10
	}
	m := b.messages(s, count)
	first, removeFirst, err := b.site(10)
	if err != nil {
		return res, err
	}
	defer removeFirst()
	second, removeSecond, err := b.site(10)
	if err != nil {
		return res, err
	}
	defer removeSecond()
	first.Out = second.In
	numbers := sink.NewNumbers(m.Count())
	out, err := openSink(*s.Next, second.Out, numbers)
	if err != nil {
		return res, err
	}
	defer out.Close()
	behind, err := subject.Start(*s.Next, second)
	if err != nil {
		return res, err
	}
	defer behind.Stop()
	r, err := subject.Start(s, first)
	if err != nil {
		return res, err
	}
	defer r.Stop()
	stream, err := load.Dial(r.In, 1, "")
	if err != nil {
		return res, r.Blame(err)
	}
	defer stream.Close()
	settle()
	var took []time.Duration
	ctx, cancel := timeLimit()
	defer cancel()
	for n := range m.Count() {
		start := time.Now()
		if err := stream.Send(m.One(n)); err != nil {
			return res, r.Blame(err)
		}
		if err := out.Tally().WaitClosely(ctx, n+1); err != nil {
			return res, r.Blame(behind.Blame(err))
		}
		took = append(took, out.Tally().Last().Sub(start))
		time.Sleep(lonePause)
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return took[min(int(share*float64(len(took))), len(took)-1)].Seconds() * 1e3
	}
	res.Also = []Figure{{"p50", at(0.5), "ms"}, {"p99", at(0.99), "ms"}}
	return res, numbers.Check(s.Repeats)
}
