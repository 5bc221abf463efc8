package pipeline

import (
	"context"
	"math"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// SubmitEvents implements inputs.EventSink.
func (p *Pipeline) SubmitEvents(ctx context.Context, b *inputs.EventBatch) error {
	counters := p.metrics.of(b.Input)
	counters.receive(b.Count, len(b.Events))

	// One batch of a stream at a time: the batch may come again on a second
	// connection while the first attempt still waits for the disk.
	stream, err := p.cfg.Streams.begin(p.closing, b.Stream)
	if err != nil {
		counters.drop(err, b.Count)
		return err
	}
	defer p.cfg.Streams.end(stream)

	events, skipped, err := stream.fresh(b)
	if err != nil {
		counters.drop(err, b.Count)
		return err
	}
	counters.redelivered.Add(float64(skipped))
	n := b.Count - skipped
	if n == 0 {
		return nil
	}
	j := p.begin(p.setup.Load())
	defer p.end(j)
	var batch spool.Batch
	foreign := false
	if j.idle() {
		batch, foreign, err = asTheyAre(events, n)
	}
	if err == nil && (foreign || !j.idle()) {
		buf := p.buffers.get(len(events))
		defer p.buffers.put(buf)
		batch, err = j.rewrite(events, *buf)
		*buf = batch.Records
	}
	if err != nil {
		counters.drop(err, n)
		return err
	}
	batch.Note = stream.note(b)
	return p.finish(ctx, batch, j, counters)
}

// Resume implements inputs.EventSink.
func (p *Pipeline) Resume(stream string, from uint64) inputs.Resume {
	return p.cfg.Streams.resume(stream, from)
}

// lastID returns the id of the last event of a run.
func lastID(run []byte) syslog.ID {
	var last []byte
	for len(run) > 0 {
		last, run = syslog.NextRecord(run)
	}
	return syslog.RecordID(last)
}

// asTheyAre makes a batch of a run of count events. foreign says that some have a
// route, which names outputs of whoever sent them.
func asTheyAre(run []byte, count int) (batch spool.Batch, foreign bool, err error) {
	batch = spool.Batch{Records: run, Count: count, AsIs: true, MinTime: math.MaxInt64, MaxTime: math.MinInt64}
	var e syslog.Event
	var names syslog.Interner
	for len(run) > 0 {
		var record []byte
		if record, run = syslog.NextRecord(run); record == nil {
			return batch, false, syslog.ErrEventCorrupt
		}
		if err := e.Decode(record, &names); err != nil {
			return batch, false, err
		}
		foreign = foreign || e.Route != nil
		t := e.TimeNano()
		batch.MinTime, batch.MaxTime = min(batch.MinTime, t), max(batch.MaxTime, t)
	}
	return batch, foreign, nil
}

// rewrite judges a run of events and makes a batch of what is kept, behind buf.
func (j *judge) rewrite(run, buf []byte) (spool.Batch, error) {
	batch := spool.Batch{MinTime: math.MaxInt64, MaxTime: math.MinInt64}
	var e syslog.Event
	var names syslog.Interner
	for len(run) > 0 {
		var record []byte
		if record, run = syslog.NextRecord(run); record == nil {
			return batch, syslog.ErrEventCorrupt
		}
		if err := e.Decode(record, &names); err != nil {
			return batch, err
		}
		j.full = len(buf) > maxBatchWithFields
		if e.Route = nil; j.keep(nil, &e) {
			buf = appendTo(&batch, buf, &e)
		}
	}
	batch.Records = buf
	return batch, nil
}

// skipRecords drops the first n records of a run.
func skipRecords(run []byte, n int) ([]byte, error) {
	for ; n > 0; n-- {
		var record []byte
		if record, run = syslog.NextRecord(run); record == nil {
			return nil, syslog.ErrEventCorrupt
		}
	}
	return run, nil
}
