// Package outputtest is what every output has to pass: the obligations of
// outputs.Output, tested against a destination that can be taken away.
package outputtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// Subject is an output under test and its destination.
type Subject struct {
	Output outputs.Output
	// Received returns what the destination has got, a text for each event, in the
	// order of arrival.
	Received func() []string
	// Break takes the destination away, Mend brings it back with what it had.
	Break, Mend func()
	// Lossy: the destination acknowledges nothing and may have lost what was on
	// its way when it went (UDP).
	Lossy bool
	// Unordered: the destination has no order.
	Unordered bool
	// TakesDamaged: the destination takes events that cannot be decoded.
	TakesDamaged bool
}

// patience bounds what should take next to no time, on a slow machine.
const patience = time.Minute

// Run tests the outputs that open returns, a new one for each test.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	test := func(name string, f func(*testing.T, Subject)) {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			f(t, s)
			if err := s.Output.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
	test("AnOutputThatWroteNothingCloses", func(*testing.T, Subject) {})
	test("EventsArriveOnceAndInOrder", inOrder)
	test("ALoneEventArrives", alone)
	test("WhatFailedArrivesWhenTheDestinationIsBack", retried)
	test("WriteReturnsSoonAfterItsContextEnds", cancelled)
	test("AnEventThatCanNeverSucceedIsRejectedAlone", rejected)
}

// Batch returns n events from position first on; their messages end in "number"
// and their position.
func Batch(first uint64, n int) *outputs.Batch {
	b := &outputs.Batch{Stream: "0123abcd/out", First: first, Next: first + uint64(n), Count: n}
	for i := range n {
		b.Events = syslog.AppendRecord(b.Events, Event(first+uint64(i)))
	}
	return b
}

// Event returns the event at a position.
func Event(position uint64) *syslog.Event {
	e := &syslog.Event{ID: syslog.MakeID(time.Unix(1_700_000_000, int64(position)), [4]byte{1}, uint32(position)), Input: "udp"}
	e.Format, e.Facility, e.Severity, e.Timestamp = syslog.RFC5424, syslog.Local0, syslog.Informational, syslog.NoTimestamp
	e.Raw = fmt.Appendf(nil, "<134>1 - host app - - - message number %d", position)
	e.Hostname = syslog.Span{Start: 9, End: 13}
	e.AppName = syslog.Span{Start: 14, End: 17}
	e.Text = syslog.Span{Start: 24, End: uint32(len(e.Raw))}
	return e
}

// numbers returns the positions in texts.
func numbers(t *testing.T, texts []string) (list []uint64) {
	t.Helper()
	for _, text := range texts {
		_, rest, ok := strings.Cut(text, "message number ")
		end := 0
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		n, err := strconv.ParseUint(rest[:end], 10, 64)
		if !ok || err != nil {
			t.Fatalf("the destination has %q, which was never sent", text)
		}
		list = append(list, n)
	}
	return list
}

// expect waits until the destination has the positions from first to before
// next, each at least once and no other.
func expect(t *testing.T, s Subject, first, next uint64) (got []uint64) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		got = numbers(t, s.Received())
		seen := make(map[uint64]bool)
		for _, n := range got {
			if n < first || n >= next {
				t.Fatalf("the destination has event %d, sent were %d to %d", n, first, next-1)
			}
			seen[n] = true
		}
		if uint64(len(seen)) == next-first {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("the destination has %d of %d events", len(seen), next-first)
		}
	}
}

// WriteAll writes b as the delivery does, until the destination has it.
func WriteAll(t *testing.T, o outputs.Output, b *outputs.Batch) *outputs.Rejected {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := o.Write(ctx, b)
		var refused *outputs.Rejected
		if err == nil || errors.As(err, &refused) {
			return refused
		}
		if ctx.Err() != nil {
			t.Fatalf("the batch does not get through: %v", err)
		}
		time.Sleep(2 * time.Millisecond) // the pause of the delivery
	}
}

func inOrder(t *testing.T, s Subject) {
	const batches, each = 5, 2000
	for i := range uint64(batches) {
		if r := WriteAll(t, s.Output, Batch(1+i*each, each)); r != nil {
			t.Fatal(r)
		}
	}
	got := expect(t, s, 1, 1+batches*each)
	if len(got) != batches*each {
		t.Errorf("the destination has %d events, sent were %d", len(got), batches*each)
	}
	if !s.Unordered && !slices.IsSorted(got) {
		t.Error("the events arrived in another order")
	}
}

func alone(t *testing.T, s Subject) {
	for i := range uint64(3) {
		if r := WriteAll(t, s.Output, Batch(1+i, 1)); r != nil {
			t.Fatal(r)
		}
		expect(t, s, 1, 2+i)
	}
}

func retried(t *testing.T, s Subject) {
	if r := WriteAll(t, s.Output, Batch(1, 100)); r != nil {
		t.Fatal(r)
	}
	expect(t, s, 1, 101)
	s.Break()
	mended := make(chan struct{})
	time.AfterFunc(100*time.Millisecond, func() { s.Mend(); close(mended) })
	if r := WriteAll(t, s.Output, Batch(101, 1000)); r != nil {
		t.Fatal(r)
	}
	<-mended
	if s.Lossy {
		return
	}
	if r := WriteAll(t, s.Output, Batch(1101, 100)); r != nil {
		t.Fatal(r)
	}
	expect(t, s, 1, 1201)
}

func cancelled(t *testing.T, s Subject) {
	s.Break()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	for ctx.Err() == nil {
		_ = s.Output.Write(ctx, Batch(1, 10))
	}
	returned := make(chan struct{})
	go func() { defer close(returned); _ = s.Output.Write(ctx, Batch(1, 10)) }()
	select {
	case <-returned:
	case <-time.After(patience):
		t.Fatal("Write does not return")
	}
	s.Mend()
}

func rejected(t *testing.T, s Subject) {
	if s.TakesDamaged {
		t.Skip("the destination takes any event")
	}
	const bad = 41
	b := Batch(1, 100)
	run := b.Events
	b.Events = nil
	for i := range b.Count {
		var record []byte
		if record, run = syslog.NextRecord(run); i == bad {
			record = slices.Clone(record)
			record[0] = 99 // a version that does not exist
		}
		b.Events = append(b.Events, byte(len(record))|0x80, byte(len(record)>>7))
		b.Events = append(b.Events, record...)
	}
	r := WriteAll(t, s.Output, b)
	if r == nil || len(r.Items) != 1 || r.Items[0].Index != bad || r.Items[0].Reason == "" {
		t.Fatalf("rejected is %+v, want event %d with a reason", r, bad)
	}
	got := numbers(t, s.Received())
	for deadline := time.Now().Add(patience); len(got) < 99 && time.Now().Before(deadline); got = numbers(t, s.Received()) {
		time.Sleep(5 * time.Millisecond)
	}
	if len(got) != 99 || slices.Contains(got, bad+1) {
		t.Errorf("the destination has %d events, want the 99 others", len(got))
	}
}

// WithIDs gives a batch a log to look into, which holds that batch.
func WithIDs(b *outputs.Batch) *outputs.Batch {
	b.HasEvent = func(_ context.Context, id syslog.ID, from, before uint64) (bool, error) {
		run := b.Events
		for i := b.First; i < b.Next; i++ {
			var record []byte
			if record, run = syslog.NextRecord(run); syslog.RecordID(record) == id {
				return i >= from && i < before, nil
			}
		}
		return false, nil
	}
	return b
}
