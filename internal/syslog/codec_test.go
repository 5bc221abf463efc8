package syslog

import (
	"bytes"
	"testing"
)

func TestRecordsOfAnyLengthAreKept(t *testing.T) {
	var run []byte
	lengths := []int{0, 1, 100, 1<<14 - 100, 1<<14 - 30, 1 << 14, 1<<14 + 1, 1 << 21}
	for _, n := range lengths {
		run = AppendRecord(run, &Event{Message: Message{Raw: bytes.Repeat([]byte("r"), n), Timestamp: NoTimestamp}})
	}
	if n, ok := CountRecords(run); n != len(lengths) || !ok {
		t.Fatalf("%d records, whole %v; want %d", n, ok, len(lengths))
	}
	for _, want := range lengths {
		var record []byte
		record, run = NextRecord(run)
		var e Event
		if err := e.Decode(record, nil); err != nil {
			t.Fatal(err)
		}
		if len(e.Raw) != want {
			t.Errorf("message of %d octets, want %d", len(e.Raw), want)
		}
	}
	if record, rest := NextRecord(run); record != nil || rest != nil || len(run) != 0 {
		t.Error("an empty run has a record")
	}
}

func TestEventsAreDecodedWithoutAllocation(t *testing.T) {
	e := renderedEvent()
	encoded := e.AppendTo(nil)
	var in Interner
	var got Event
	if n := testing.AllocsPerRun(100, func() {
		if err := got.Decode(encoded, &in); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var buffer []byte
	if n := testing.AllocsPerRun(100, func() { buffer = AppendRecord(buffer[:0], &e) }); n != 0 {
		t.Errorf("%v allocations to encode", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	e := renderedEvent()
	encoded := e.AppendTo(nil)
	var in Interner
	var got Event
	b.ReportAllocs()
	for b.Loop() {
		if err := got.Decode(encoded, &in); err != nil {
			b.Fatal(err)
		}
	}
}
