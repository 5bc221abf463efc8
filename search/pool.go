package search

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/syslane/syslane/internal/syslog"
)

// maxWorkers bounds the goroutines that read blocks for one search. Each holds one
// block, decompressed, and what it was decompressed from.
const maxWorkers = 4

// worker reads blocks and matches their events. It is for one goroutine.
type worker struct {
	ctx          context.Context // of the search: its end ends the reading of a block
	reader       reader
	query        *Query
	matcher      *Matcher
	since, until int64
	// from is the position from which on the events stand, below that before which.
	from, below uint64
	names       syslog.Interner
}

// each calls f for each event of a block that matches, until it returns false. The
// event and its record are valid until the next call of each. sift, if it is there,
// refuses events by time and position before they are matched.
func (w *worker) each(b blockInfo, st *Stats, sift func(t int64, position uint64) bool, f func(e *syslog.Event, record []byte, t int64, position uint64)) error {
	records, err := w.reader.read(b)
	st.BlocksRead++
	switch {
	case errors.Is(err, errRemoved):
		st.RemovedBlocks++
		return nil
	case errors.Is(err, errDamaged):
		st.DamagedBlocks++
		return nil
	case err != nil:
		return err
	}
	st.Octets += int64(len(records))
	var e syslog.Event
	literal := w.query.literal
	hit := -1 // where literal stands next, known once passed
	position := b.First
	for start := 0; start < len(records) && position < w.below; position++ {
		record, rest := syslog.NextRecord(records[start:])
		if record == nil {
			st.DamagedBlocks++
			break
		}
		from := start
		start = len(records) - len(rest)
		if literal != nil {
			if hit < from {
				if hit, _ = literal.index(records, from); hit < 0 {
					break
				}
			}
			if hit >= start {
				continue
			}
		}
		if err := e.Decode(record, &w.names); err != nil {
			st.UnreadableEvents++
			continue
		}
		t := e.TimeNano()
		if t < w.since || t > w.until || position < w.from || sift != nil && !sift(t, position) {
			continue
		}
		if w.ctx.Err() != nil { // a match can take long
			return context.Cause(w.ctx)
		}
		if w.matcher.Match(&e) {
			f(&e, record, t, position)
		}
	}
	return nil
}

// task is work on one block.
type task struct {
	run  func(w *worker)
	done chan struct{} // closed when it has run
}

// pool runs tasks on a few goroutines and gives them back in the order in which
// they were started. What a task has read is valid until as many others have been
// started behind it as there are workers, for those take turns.
type pool struct {
	make    func() *worker
	most    int // workers; of one search always the same, also where processors come or go
	lanes   []chan *task
	wg      sync.WaitGroup
	pending []*task
	started int
}

// newPool returns a pool whose workers are made by make when they are needed.
func newPool(make func() *worker) *pool {
	return &pool{make: make, most: min(runtime.GOMAXPROCS(0), maxWorkers)}
}

// room tells whether another task can be started. The second worker starts once a
// first task has not been enough.
func (p *pool) room() bool {
	most := p.most
	if p.started == 0 {
		most = 1
	}
	return len(p.pending) < most
}

func (p *pool) start(run func(w *worker)) *task {
	t := &task{run, make(chan struct{})}
	i := p.started % p.most
	p.started++
	if i == len(p.lanes) {
		lane, w := make(chan *task, 1), p.make()
		p.lanes = append(p.lanes, lane)
		p.wg.Go(func() {
			defer w.reader.close()
			for t := range lane {
				t.run(w)
				close(t.done)
			}
		})
	}
	p.lanes[i] <- t
	p.pending = append(p.pending, t)
	return t
}

// wait waits for the oldest task.
func (p *pool) wait() {
	<-p.pending[0].done
	p.pending = p.pending[1:]
}

// close waits until the workers have ended; each finishes its block, or the event in
// hand where the search's context has ended.
func (p *pool) close() {
	for _, lane := range p.lanes {
		close(lane)
	}
	p.wg.Wait()
}
