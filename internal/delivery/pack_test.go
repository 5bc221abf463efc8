package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/spool"
)

// packer is an output that takes packed batches, and answers as its script says.
type packer struct {
	mu      sync.Mutex
	answers []error
	taken   []string
	packed  int // records that came packed
	next    uint64
	wrong   string
}

func (o *packer) Packs() bool  { return true }
func (o *packer) Close() error { return nil }

func (o *packer) Write(_ context.Context, b *outputs.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.answers) > 0 {
		answer := o.answers[0]
		o.answers = o.answers[1:]
		if answer != nil {
			return answer
		}
	}
	if o.next != b.First || b.Next != b.First+uint64(b.Count) || b.Position(b.Count-1) != b.Next-1 {
		o.wrong = fmt.Sprintf("%d-%d after %d", b.First, b.Next, o.next)
	}
	o.next = b.Next
	run := slices.Clone(b.Events)
	for _, p := range b.Packed {
		part, err := s2.Decode(nil, p.Octets)
		if n, ok := syslog.CountRecords(part); err != nil || !ok || n != p.Count || len(part) != p.Raw || p.Codec != "s2" {
			o.wrong = fmt.Sprintf("%+v: %v", p, err)
		}
		run = append(run, part...)
		o.packed += p.Count
	}
	for len(run) > 0 {
		var record []byte
		record, run = syslog.NextRecord(run)
		o.taken = append(o.taken, string(record))
	}
	return nil
}

// deliverPacked delivers a log of 40 blocks, every tenth of which may not be packed,
// and returns what came.
func deliverPacked(t *testing.T, out *packer, change func(spool.Packed) spool.Packed) (sent []string) {
	t.Helper()
	l, err := spool.Open(spool.Config{Dir: t.TempDir(), Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range 40 {
		b := spool.Batch{AsIs: i%10 != 5}
		for n := range 10 {
			record := fmt.Sprintf("event %d of block %d, %s", n, i, strings.Repeat("alike ", 20))
			b.Records = syslog.AppendEncoded(b.Records, []byte(record))
			b.Count++
			sent = append(sent, record)
		}
		if _, err := l.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	cursor, err := l.Cursor("out", spool.FromTail)
	if err != nil {
		t.Fatal(err)
	}
	out.next = 1
	r := &changedReader{l.NewReader(1), change}
	defer r.Close()
	d := New(Config{
		Name: "out", Stream: "log/out", Cursor: cursor, NewReader: func(at uint64) Reader { r.Seek(at); return r }, Head: l.Head, Output: out, DeadLetters: new(letters),
		RetryMin: time.Millisecond, RetryMax: 2 * time.Millisecond, BatchOctets: 4000,
		Logger: zerolog.New(zerolog.NewTestWriter(t)),
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	for cursor.Position() < l.Head() {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if out.wrong != "" {
		t.Error(out.wrong)
	}
	if !slices.Equal(out.taken, sent) {
		t.Errorf("%d events came, not the %d that were sent in their order", len(out.taken), len(sent))
	}
	return sent
}

// changedReader changes what is to be unpacked.
type changedReader struct {
	*spool.Reader
	change func(spool.Packed) spool.Packed
}

func (r *changedReader) Unpack(dst []byte, p spool.Packed) ([]byte, error) {
	if r.change != nil {
		p = r.change(p)
	}
	return r.Reader.Unpack(dst, p)
}

func TestBlocksAreHandedOverAsTheyAreStoredWhereThatIsAllowed(t *testing.T) {
	out := &packer{}
	deliverPacked(t, out, nil)
	if out.packed != 360 {
		t.Errorf("%d events came packed, want 360", out.packed)
	}
}

func TestAnOutputThatWantsEventsUnpackedGetsThem(t *testing.T) {
	down := errors.New("connection refused")
	out := &packer{answers: []error{outputs.ErrUnpack, down, nil, down, outputs.ErrUnpack, nil}}
	deliverPacked(t, out, nil)
	if out.packed >= 360 || out.packed < 200 {
		t.Errorf("%d events came packed", out.packed)
	}
}

func TestWhatCannotBeUnpackedIsReadAgain(t *testing.T) {
	out := &packer{answers: []error{outputs.ErrUnpack}}
	deliverPacked(t, out, func(p spool.Packed) spool.Packed { p.Octets = p.Octets[1:]; return p })
	if out.packed == 0 || out.packed >= 360 {
		t.Errorf("%d events came packed", out.packed)
	}
}
