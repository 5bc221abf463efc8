package relp_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/inputs/relp"
	wire "github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
)

func TestMuchThatIsSentAgainIsStoredOnceWhereMemoryIsShort(t *testing.T) {
	l := &log{}
	in := start(t, config{quiet: true}, l.restart(t, -1, -1))
	messages := make([]string, 4000) // more than is held then
	for i := range messages {
		messages[i] = stamped(i)
	}
	p := dial(t, in)
	p.open()
	p.deliver(2, messages...)
	p.Close()
	relp.Hold(in, 1<<30)
	defer relp.Hold(in, -1<<30)
	p = dial(t, in)
	p.open()
	p.deliver(2, append(messages, stamped(len(messages)))...)
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.messages)
	if n := len(slices.Compact(slices.Clone(l.messages))); n != len(messages)+1 || n != len(l.messages) {
		t.Errorf("%d messages are stored, %d different ones, want %d", len(l.messages), n, len(messages)+1)
	}
}

func TestConnectionsHoldLittleTogetherWhereNothingCanBeStored(t *testing.T) {
	const (
		peers    = 100
		messages = 2000
	)
	store := &store{gate: make(chan struct{})}
	in := start(t, config{quiet: true}, store)
	text := strings.Repeat("x", 1000)
	var octets, answers strings.Builder
	for n := 2; n < messages+2; n++ {
		fmt.Fprintf(&octets, "%d syslog %d %s\n", n, len(text), text)
		fmt.Fprintf(&answers, "%d rsp 6 200 OK\n", n)
	}
	var writing sync.WaitGroup
	all := make([]*peer, peers)
	for i := range all {
		p := dial(t, in)
		p.open()
		all[i] = p
		writing.Go(func() {
			if _, err := io.WriteString(p, octets.String()); err != nil {
				t.Error(err)
			}
		})
	}
	var queued, buffers int64
	inputtest.Eventually(t, "the connections take no more", func() bool {
		before, _ := relp.Memory(in)
		time.Sleep(100 * time.Millisecond)
		queued, buffers = relp.Memory(in)
		return queued == before && queued > 0
	})
	mostQueued, mostBuffers := relp.MaxMemory(peers)
	if queued > mostQueued || buffers > mostBuffers {
		t.Errorf("%d octets of messages are held and %d of buffers, want at most %d and %d", queued, buffers, mostQueued, mostBuffers)
	}
	for _, p := range all {
		p.SetDeadline(time.Now().Add(time.Minute))
	}
	close(store.gate)
	for _, p := range all {
		p.expect(answers.String())
	}
	writing.Wait()
	if n := store.count(text); n != peers*messages {
		t.Errorf("%d messages are stored, want %d", n, peers*messages)
	}
}

// gatedEvents takes no events until its gate is open.
type gatedEvents struct {
	eventStore
	open chan struct{}
	sum  atomic.Int64
}

func (s *gatedEvents) SubmitEvents(ctx context.Context, b *inputs.EventBatch) error {
	select {
	case <-s.open:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.sum.Add(int64(len(b.Events)))
	return nil
}

func TestBatchesOfManyLinksTakeLittleMemoryTogetherWhereNothingCanBeStored(t *testing.T) {
	const links, batches, size = 20, 3, 8 << 20
	e := syslog.Event{ID: syslog.MakeID(time.Unix(1_700_000_000, 0), [4]byte{1}, 1), Input: "tcp"}
	e.Raw, e.Format, e.Timestamp = make([]byte, size), syslog.RFC3164, syslog.NoTimestamp
	record := syslog.AppendRecord(nil, &e)
	sink := &gatedEvents{open: make(chan struct{})}
	var frames []string
	for n := range uint64(batches) {
		frames = append(frames, batchFrame(t, uint32(2+n), wire.CodecZstd, wire.Batch{First: 7 + n, Next: 8 + n, Count: 1, Records: record}))
	}
	in := start(t, config{quiet: true}, sink)
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all []*peer
	for i := range links {
		p := dial(t, in)
		p.send(openWith(strings.Replace(linkOffers, "abc", fmt.Sprint("abc", i), 1)))
		for _, frame := range frames {
			p.send(frame)
		}
		all = append(all, p)
	}
	inputtest.Eventually(t, "the links take no more", func() bool {
		before, _ := relp.Memory(in)
		time.Sleep(200 * time.Millisecond)
		now, _ := relp.Memory(in)
		return now == before && now > 32<<20
	})
	runtime.GC()
	runtime.ReadMemStats(&during)
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 160<<20 {
		t.Errorf("%d MiB are held for %d batches", grown>>20, links*batches)
	}
	close(sink.open)
	for _, p := range all {
		p.SetDeadline(time.Now().Add(time.Minute))
		p.expect(answerWith("commands=syslog,batch\nsyslane_link=1\nsyslane_codecs=0,1,2,3,4"))
		for n := range batches {
			p.expect(fmt.Sprintf("%d rsp 6 200 OK\n", 2+n))
		}
	}
	if want := int64(links * batches * len(record)); sink.sum.Load() != want {
		t.Errorf("%d octets of events are stored, want %d", sink.sum.Load(), want)
	}
}
