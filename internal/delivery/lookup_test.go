package delivery

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// idOf is the id of the event at a position.
func idOf(position uint64) syslog.ID {
	return syslog.MakeID(time.Unix(1_700_000_000, 0), [4]byte{1}, uint32(position))
}

// appendRouted appends a block of events, each for the output that of names.
func appendRouted(t *testing.T, l *spool.Log, count int, of func(position uint64) string) {
	t.Helper()
	var records []byte
	for at := l.Head(); at < l.Head()+uint64(count); at++ {
		e := &syslog.Event{ID: idOf(at), Input: "udp", Route: syslog.NewRoute(of(at))}
		e.Format, e.Timestamp, e.Raw = syslog.Unparsed, syslog.NoTimestamp, []byte("x")
		records = syslog.AppendRecord(records, e)
	}
	if _, err := l.Append(t.Context(), spool.Batch{Records: records, Count: count}); err != nil {
		t.Fatal(err)
	}
}

// lookupLog is a log of 5000 positions in blocks of 100. From 1001 to before 4000 all is
// for another output; otherwise each tenth position is.
func lookupLog(t *testing.T) *spool.Log {
	t.Helper()
	l, err := spool.Open(spool.Config{Dir: "/log", FS: vfs.NewMem(), MinFree: -1, SegmentSize: 4 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for range 50 {
		appendRouted(t, l, 100, func(at uint64) string {
			if at%10 == 0 || at > 1000 && at < 4000 {
				return "other"
			}
			return "out"
		})
	}
	return l
}

func lookupOf(l *spool.Log, newReader func(at uint64) Reader) *Delivery {
	return New(Config{Name: "out", NewReader: newReader, Head: l.Head, RetryMin: time.Millisecond, Logger: zerolog.Nop()})
}

func TestALookUpFindsTheLastEventForTheOutputAndNoOther(t *testing.T) {
	l := lookupLog(t)
	d := lookupOf(l, func(at uint64) Reader { return l.NewReader(at) })
	var in outputs.Batch // what is in hand: from 301 to before 400
	r := l.NewReader(301)
	defer r.Close()
	block, err := r.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in.First, in.Next = block.First, block.First
	d.add(&in, &block)
	in.Events, in.Gaps = d.batch, d.gaps
	has := d.lookup(&in)

	f := func(id, from, before uint64, want bool) {
		t.Helper()
		got, err := has(t.Context(), idOf(id), from, before)
		if err != nil || got != want {
			t.Errorf("event %d from %d to before %d: %v, %v; want %v", id, from, before, got, err, want)
		}
	}
	f(4899, 301, 4900, true)
	f(4899, 301, 4901, true)  // 4900 is not for the output
	f(4899, 301, 4902, false) // 4901 is: the log is not that which was seen
	f(4900, 301, 4901, false)
	f(999, 301, 1001, true)
	f(999, 301, 4000, true)
	f(999, 1000, 4000, false)
	f(999, 301, 4002, false)
	f(399, 301, 400, true)
	f(399, 301, 401, true)
	f(398, 301, 400, false)
	f(305, 301, 306, true)
	f(305, 306, 306, false)
	f(299, 301, 401, false)
	f(199, 1, 200, true) // before what is in hand
	f(199, 200, 201, false)
	f(4999, 301, 5001, true)
	f(4999, 301, 5002, false) // the log does not reach so far
}

func TestALookUpKnowsWhatIsInHandThoughTheLogHasLetGoOfIt(t *testing.T) {
	l, err := spool.Open(spool.Config{
		Dir: "/log", FS: vfs.NewMem(), MinFree: -1, SegmentSize: 4 << 10, MaxSize: 16 << 10, Full: spool.FullDropOldest,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	appendBlock := func() { appendRouted(t, l, 100, func(uint64) string { return "out" }) }
	appendBlock()
	appendBlock()
	d := lookupOf(l, func(at uint64) Reader { return l.NewReader(at) })
	r := l.NewReader(1)
	defer r.Close()
	plain := outputs.Batch{First: 1, Next: 201, Count: 200}
	packed := plain
	for range 2 {
		block, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		plain.Events = append(plain.Events, block.Records...)
		packed.Packed = append(packed.Packed, outputs.Packed{
			Count: block.Count, Raw: len(block.Records), Codec: "s2", Octets: s2.Encode(nil, block.Records),
		})
	}
	for l.Tail() <= 401 {
		appendBlock()
	}
	for _, b := range []*outputs.Batch{&plain, &packed} {
		has := d.lookup(b)
		for _, id := range []uint64{1, 50, 100, 101, 200, l.Head() - 1} {
			if found, err := has(t.Context(), idOf(id), 1, id+1); err != nil || !found {
				t.Errorf("event %d: %v, %v; want true", id, found, err)
			}
		}
		// What was there is not known any more: perhaps another event, and what is in
		// hand is new.
		if found, err := has(t.Context(), idOf(300), 1, 301); err != nil || found {
			t.Errorf("event 300: %v, %v; want false", found, err)
		}
	}
}

// failing is a reader whose disk fails so many times.
type failing struct {
	*spool.Reader
	times *int
}

func (r *failing) Next(ctx context.Context) (spool.Block, error) {
	if *r.times > 0 {
		*r.times--
		return spool.Block{}, errors.New("input/output error")
	}
	return r.Reader.Next(ctx)
}

func TestALookUpThatCannotReadSaysSoAndNotThatThereIsNothing(t *testing.T) {
	l := lookupLog(t)
	times := 0
	has := lookupOf(l, func(at uint64) Reader { return &failing{l.NewReader(at), &times} }).lookup(&outputs.Batch{First: 1, Next: 1})
	times = lookupReads - 1
	if found, err := has(t.Context(), idOf(4999), 1, 5000); err != nil || !found {
		t.Errorf("a disk that works again: %v, %v", found, err)
	}
	times = lookupReads
	if found, err := has(t.Context(), idOf(4999), 1, 5000); err == nil || found {
		t.Errorf("a disk that does not: %v, %v", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := has(ctx, idOf(4999), 1, 5000); !errors.Is(err, context.Canceled) || found {
		t.Errorf("after the end: %v, %v", found, err)
	}
}
