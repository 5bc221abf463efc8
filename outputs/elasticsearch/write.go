package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// attemptsMax is how many times in a row a Write sends documents again without
// one of them being taken, before it leaves the waiting to its caller.
const attemptsMax = 4

// yieldEvery is after how many documents others may have the processor: while
// documents are made out of a backlog the log waits for it with each sync.
const yieldEvery = 256

// minShare is the least number of documents worth a request of its own, when a
// batch is shared out among the workers.
const minShare = 500

// write is one call of Output.Write.
type write struct {
	*Output
	// stopped tells the workers to start no further request: one has met what
	// only the caller's patience or an operator can mend. Requests under way go
	// on, so that no more becomes unknown than must.
	stopped atomic.Bool
	// suspected says that the server failed on documents of one request again and
	// again. Each other is sent once at least: what becomes of it tells whose fault it is.
	suspected atomic.Bool
	// sentBefore says that the events may have been sent in a call before.
	sentBefore bool
	// sawDuplicates says that some of them were.
	sawDuplicates atomic.Bool
}

// errStopped is what workers return that stopped because of another.
var errStopped = errors.New("stopped")

// run sends all events of b that are not done, and returns nil once none is open.
func (w *write) run(ctx context.Context, b *outputs.Batch) error {
	var (
		wg   sync.WaitGroup
		jobs chan *bulk
		// started is the number of workers.
		started int
		mu      sync.Mutex
		errs    []error
	)
	fail := func(err error) {
		if errors.Is(err, outputs.ErrCompany) {
			w.suspected.Store(true)
		} else {
			w.stopped.Store(true)
		}
		if !errors.Is(err, errStopped) {
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
		}
	}
	work := func() {
		defer wg.Done()
		s := w.senders.get()
		s.w = w
		defer w.senders.put(s)
		for job := range jobs {
			if err := w.deliver(ctx, s, job); err != nil {
				fail(err)
			}
			job.reset()
			w.bulks.put(job)
		}
	}
	err := w.assemble(b, func(job *bulk) {
		if jobs == nil {
			// Unbuffered: besides what the workers send, one request is in the making.
			jobs = make(chan *bulk)
		}
		if started < w.cfg.Workers { // most batches need one only
			started++
			wg.Add(1)
			go work()
		}
		jobs <- job
	})
	if jobs != nil {
		close(jobs)
	}
	wg.Wait()
	if err != nil {
		return err
	}
	if len(errs) > 0 {
		return errs[0]
	}
	return ctx.Err()
}

// assemble makes requests' bodies of the events that are not done and hands them
// to emit.
func (w *write) assemble(b *outputs.Batch, emit func(job *bulk)) error {
	docs := min(w.cfg.BulkMaxDocs, max(minShare, (b.Count+w.cfg.Workers-1)/w.cfg.Workers))
	var e syslog.Event
	job, n := w.bulks.get(), 0
	for run := b.Events; len(run) > 0 && !w.stopped.Load(); n++ {
		record, rest := syslog.NextRecord(run)
		if record == nil || n >= b.Count {
			return fmt.Errorf("batch at position %d does not hold %d whole records", b.First, b.Count)
		}
		run = rest
		if err := e.Decode(record, &w.interner); err != nil {
			w.progress.done(n, syslog.ID{})
			w.progress.reject(n, 0, "decode the event: "+err.Error())
			continue
		}
		if w.progress.done(n, e.ID) {
			continue
		}
		w.add(job, &e, n)
		if n%yieldEvery == 0 {
			runtime.Gosched()
		}
		if len(job.items) >= docs || len(job.body) >= int(w.cfg.BulkMaxBytes) {
			emit(job)
			job = w.bulks.get()
		}
	}
	if len(job.items) > 0 {
		emit(job)
	} else {
		w.bulks.put(job)
	}
	return nil
}

// deliver sends the items of b until none is open, and returns why it gave up
// otherwise.
func (w *write) deliver(ctx context.Context, s *sender, b *bulk) error {
	sent := w.sentBefore
	for attempt := 1; ; attempt++ {
		open := len(b.items)
		var err error
		if sent {
			err = w.findSent(ctx, b)
		}
		if err == nil {
			err = w.pass(ctx, s, b)
		}
		b.keep(func(event int) bool { return w.progress.states[event] == pending })
		if len(b.items) == 0 {
			return nil
		}
		if len(b.items) < open {
			attempt = 1
		}
		var p *passing
		if !errors.As(err, &p) {
			return err
		}
		if attempt >= attemptsMax || w.stopped.Load() || w.suspected.Load() && errors.Is(p.error, outputs.ErrCompany) {
			return p.error
		}
		sent = sent || p.unknown // one that is turned away makes nothing known
		pause := min(w.cfg.BackoffMax, w.cfg.BackoffInit<<(attempt-1))
		select {
		case <-time.After(pause/2 + rand.N(pause/2+1)):
		case <-ctx.Done():
			return p.error
		}
	}
}

// passing marks the error of something that a pause may mend. unknown says that
// the server may have taken the documents all the same.
type passing struct {
	error
	unknown bool
}

// suspect marks the error of documents on which the server failed, for their fault or
// its own.
type suspect struct{ error }

func (s *suspect) Unwrap() error { return s.error }

func (s *suspect) Is(target error) bool { return target == outputs.ErrCompany }

// pass sends each open item of b once, as long as the server takes them. It
// returns nil if the server has answered for all, a *passing if some are worth
// another pass, else why there is no use in one.
func (w *write) pass(ctx context.Context, s *sender, b *bulk) error {
	docs, size := w.cfg.BulkMaxDocs, int(w.cfg.BulkMaxBytes)
	// client sends the next request, barred is how many nodes could not be reached
	// with the document at i for what is before them.
	client, barred := w.client, 0
	for i := 0; i < len(b.items); {
		if w.stopped.Load() {
			return errStopped
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		j := b.fit(i, min(size, w.pace.request()), docs)
		result, err := s.send(ctx, client, b, i, j)
		second := client != w.client
		client = w.client
		switch result {
		case answered:
			if err != nil {
				return err
			}
			docs = min(w.cfg.BulkMaxDocs, 2*docs)
		case tooLarge:
			if j-i == 1 {
				w.reject(b.items[i].event, err.(*StatusError))
				break
			}
			size = len(b.octets(i, j)) / 2
			w.pace.tooLarge(2 * size)
			continue
		case refused:
			if j-i > 1 {
				docs = (j - i + 1) / 2
				continue
			}
			refusal := err.(*StatusError)
			if !second {
				docs = 1 // this document again: there, or at another node
				if c := s.probe(ctx, refusal.Host); c != nil {
					client = c
					continue
				}
				if barred++; barred < len(w.transport.hosts.nodes) {
					continue
				}
				return err
			}
			w.reject(b.items[i].event, refusal)
		case overloaded, unknown:
			return &passing{err, result == unknown}
		case denied:
			return err
		}
		i, barred = j, 0
	}
	return nil
}

// reject notes that the server refuses the request with this one event.
func (w *write) reject(event int, e *StatusError) {
	reason := e.Reason
	if reason == "" {
		reason = http.StatusText(e.Status)
	}
	w.progress.reject(event, e.Status, reason)
	w.metrics.rejected.Inc()
}
