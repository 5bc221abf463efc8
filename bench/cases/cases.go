// Package cases is what is measured: each case gives all its subjects the same
// work. A case is added as a Case in a file of its own, and to All.
package cases

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/bench/sink"
	"github.com/syslane/syslane/bench/subject"
)

// Case is one kind of work.
type Case struct {
	// Name is what -only looks for, Title what the table says.
	Name, Title string
	Subjects    []subject.Subject
	Run         func(*Bench, subject.Subject) (Result, error)
	// Targets are held against the medians.
	Targets []Target
}

// All are the cases, in the order of the table.
func All() []Case {
	return []Case{
		generator(), tcpLog("tcp-log", 10), tcpLog("tcp-log-1", 1), tcpLog("tcp-log-1000", 1000), tlsLog(),
		udpRate(), udpLoss(), relpLog(), relay(), relayRELP(), bulk(), outage(), latency(), startup(), idle(),
	}
}

// Growth are cases without peers: how the cost of a message grows with what there is to
// do, and what the machine itself takes.
func Growth() []Case {
	return []Case{limits(), bySize(), byConnections(), byRules(), byOutputs(), byBacklog()}
}

// Result is one measurement of one subject.
type Result struct {
	Messages int `json:"messages,omitempty"`
	// Rate is messages per second, CPU the subject's CPU-seconds per million
	// messages, Peak its most resident memory in octets.
	Rate float64 `json:"messages_per_second,omitempty"`
	CPU  float64 `json:"cpu_seconds_per_million,omitempty"`
	Peak int64   `json:"peak_octets,omitempty"`
	// Lost is how many messages were sent and never arrived.
	Lost int `json:"lost"`
	// Others is the share of the machine that other programs took meanwhile.
	Others float64 `json:"others"`
	// Also is what only this case has, in the order of Figures.
	Also []Figure `json:"also,omitempty"`
}

// Figure is a measurement with a name.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// Bench is what all cases are run with.
type Bench struct {
	// Messages are as many as the largest case needs.
	Messages *load.Messages
	// Dir is on the disk that is measured.
	Dir   string
	Tools *subject.Tools
	// Times multiplies what the cases send.
	Times int
	// Check has sinks look at each message. It costs them more than some subjects
	// take, and is for smoke tests.
	Check bool
	// Short takes away what only waits, for smoke tests.
	Short bool
	// Loading, where it is not nil, is told of each subject before its work begins;
	// what it returns is called when the work is done.
	Loading func(*subject.Running) (done func())
}

// site makes the folder and addresses of a subject; close frees them.
func (b *Bench) site(conns int) (s *subject.Site, remove func(), err error) {
	s = &subject.Site{Tools: b.Tools, Conns: conns, Profile: b.Loading != nil}
	if s.Dir, err = os.MkdirTemp(b.Dir, "site-"); err != nil {
		return nil, nil, err
	}
	for _, addr := range []*string{&s.In, &s.Out, &s.HTTP, &s.PProf} {
		if *addr, err = subject.FreeAddr(); err != nil {
			return nil, nil, err
		}
	}
	return s, func() { os.RemoveAll(s.Dir) }, nil
}

// start starts a subject in a site of its own, and stop ends it and removes what it
// wrote.
func (b *Bench) start(s subject.Subject, conns int) (r *subject.Running, stop func(), err error) {
	site, remove, err := b.site(conns)
	if err != nil {
		return nil, nil, err
	}
	if r, err = subject.Start(s, site); err != nil {
		remove()
		return nil, nil, err
	}
	return r, func() { r.Stop(); remove() }, nil
}

// messages are as many as a case wants, or fewer where there are not so many or the
// subject is slow.
func (b *Bench) messages(s subject.Subject, want int) *load.Messages {
	if s.Most > 0 {
		want = min(want, s.Most)
		if b.Short {
			want = min(want, shortMost)
		}
	}
	return b.Messages.Of(want * b.Times)
}

// shortMost is what such a subject gets in smoke tests.
const shortMost = 150

func (b *Bench) numbers(m *load.Messages) *sink.Numbers {
	if !b.Check {
		return nil
	}
	return sink.NewNumbers(m.Count())
}

// checked returns an error where a sink's numbers are wrong. A subject that repeats
// messages has sent as many as it got before it has sent each: the rest may follow.
func checked(s subject.Subject, n *sink.Numbers) error {
	if n == nil {
		return nil
	}
	for end := time.Now().Add(overShort); s.Repeats && n.Missing() > 0 && time.Now().Before(end); {
		time.Sleep(again)
	}
	return n.Check(s.Repeats)
}

// work is what a subject used while something went on.
type work struct {
	r       *subject.Running
	cpu     time.Duration
	machine machine
	start   time.Time
	done    func()
}

// begin is called right before the first octet.
func (b *Bench) begin(r *subject.Running) (*work, error) {
	w := &work{r: r, done: func() {}}
	if b.Loading != nil {
		w.done = b.Loading(r)
	}
	var err error
	w.cpu, err = r.CPU()
	w.machine = readMachine()
	w.start = time.Now()
	return w, err
}

// send sends all messages at once over TCP, once the start of the subject is over; with
// a CA certificate, over TLS. The work began with the first octet; the caller closes the
// stream when it is done.
func (b *Bench) send(r *subject.Running, conns int, caFile string, m *load.Messages) (w *work, stream *load.Stream, err error) {
	if stream, err = load.Dial(r.In, conns, caFile); err != nil {
		return nil, nil, r.Blame(err)
	}
	settle()
	if w, err = b.begin(r); err == nil {
		err = r.Blame(stream.Send(m))
	}
	if err != nil {
		stream.Close()
		return nil, nil, err
	}
	return w, stream, nil
}

// end returns what it took until end for the messages that arrived of those sent.
func (w *work) end(end time.Time, sent, arrived int) (Result, error) {
	cpu, err := w.r.CPU()
	if err != nil {
		return Result{}, err
	}
	others := w.machine.others(cpu - w.cpu)
	w.done()
	res := figures(end.Sub(w.start), cpu-w.cpu, sent, arrived)
	res.Others = others
	_, res.Peak, err = w.r.Resident()
	return res, err
}

// figures are those of so much time and CPU. What was lost cost little: it counts neither
// as work nor as rate.
func figures(took, cpu time.Duration, sent, arrived int) Result {
	work := float64(max(arrived, 1))
	return Result{Messages: sent, Lost: sent - arrived, Rate: work / took.Seconds(), CPU: cpu.Seconds() / work * 1e6}
}

// limit is how long one measurement may take.
const limit = 3 * time.Minute

func timeLimit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

const (
	// look is the pause between looks at what a subject writes, and again the least
	// between questions what it has stored.
	look  = 2 * time.Millisecond
	again = 20 * time.Millisecond
	// over is how long nothing more has come before nothing is expected; overShort is
	// that of smoke tests, in which nothing is to be lost and no time is measured, on
	// machines that may stand still for seconds.
	over      = 2 * time.Second
	overShort = 30 * time.Second
)

// patience is over for a case that loses nothing unless something is wrong.
func (b *Bench) patience() time.Duration {
	if b.Short {
		return overShort
	}
	return over
}

// awaitStored waits until the subject has stored want messages, or nothing more has
// come for as long as patience. It returns how many it has, and when the last of them was there: when the
// subject says so or, where asking makes it write, when its files last grew by
// themselves.
func awaitStored(r *subject.Running, want int, patience time.Duration) (stored int, end time.Time, err error) {
	ctx, cancel := timeLimit()
	defer cancel()
	size, grown := r.Written(), time.Now()
	changed, asked := time.Now(), time.Time{}
	for ; ctx.Err() == nil; time.Sleep(look) {
		if now := r.Written(); now != size {
			size, grown = now, time.Now()
		}
		if time.Since(grown) < r.Settle || time.Since(asked) < again {
			continue
		}
		n, err := r.Stored(r)
		if err != nil {
			return n, grown, err
		}
		asked = time.Now()
		size = r.Written()
		if n != stored {
			stored, changed = n, asked
			if r.Settle == 0 {
				grown = asked
			}
		}
		if stored >= want || asked.Sub(changed) > patience {
			return stored, grown, nil
		}
	}
	return stored, grown, fmt.Errorf("only %d of %d messages were stored in %v", stored, want, limit)
}
