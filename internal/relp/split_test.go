package relp

import (
	"bytes"
	"math"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/syslog"
)

func TestASplitRunJoinsToTheSameOctets(t *testing.T) {
	var s splitter
	rapid.Check(t, func(t *rapid.T) {
		var run []byte
		for range rapid.IntRange(0, 20).Draw(t, "events") {
			e := syslog.Event{ID: syslog.MakeID(time.Unix(0, rapid.Int64().Draw(t, "received")), [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "node")), rapid.Uint32().Draw(t, "count"))}
			e.Facility, e.Severity = syslog.Facility(rapid.IntRange(0, 23).Draw(t, "facility")), syslog.Severity(rapid.IntRange(0, 7).Draw(t, "severity"))
			e.Warnings = syslog.Warnings(rapid.Uint16().Draw(t, "warnings"))
			e.Timestamp = rapid.OneOf(rapid.Just(int64(syslog.NoTimestamp)), rapid.Int64(), rapid.Just(int64(math.MaxInt64)),
				rapid.Custom(func(t *rapid.T) int64 { return rapid.Int64Range(-1e9, 1e10).Draw(t, "seconds") * 1e9 })).Draw(t, "timestamp")
			e.Input = rapid.StringMatching("[a-z]{0,200}").Draw(t, "input")
			if rapid.Bool().Draw(t, "from somewhere") {
				e.Source = netip.MustParseAddrPort("192.0.2.7:514")
			}
			e.Raw = rapid.SliceOfN(rapid.Byte(), 0, 20_000).Draw(t, "raw")
			run = syslog.AppendRecord(run, &e)
		}
		split, ok := s.split(run)
		if !ok {
			t.Fatal("the run cannot be split")
		}
		got, err := join(nil, split, len(run))
		if err != nil || !bytes.Equal(got, run) {
			t.Fatalf("joined to %x, want %x: %v", got, run, err)
		}
		if len(run) > 0 {
			if _, err := join(nil, split, len(run)-1); err == nil {
				t.Fatal("more octets are made of it than were allowed")
			}
		}
	})
}

// What is not an event as this version writes it is sent as it is.
func TestARunThatWouldNotComeBackIsNotSplit(t *testing.T) {
	var s splitter
	f := func(run ...byte) {
		t.Helper()
		if split, ok := s.split(run); ok {
			if got, err := join(nil, split, len(run)); err != nil || !bytes.Equal(got, run) {
				t.Errorf("%x is split, and joins to %x: %v", run, got, err)
			}
		}
	}
	f(1, 0)
	f(0x80, 0)
	f(bytes.Repeat([]byte{21}, 22)...)                 // a length in one octet
	f(append([]byte{0x96, 0}, make([]byte, 22)...)...) // present of more octets than it needs
	f(append(append([]byte{0x97, 0}, make([]byte, 19)...), 0x80, 0, 0, 0)...)
}

func FuzzJoin(f *testing.F) {
	var run []byte
	for i := range 3 {
		e := syslog.Event{ID: syslog.MakeID(time.Unix(1_700_000_000, int64(i)), [4]byte{1}, uint32(i)), Input: "udp"}
		e.Raw, e.Timestamp = []byte("<13>x"), 1_700_000_000e9
		run = syslog.AppendRecord(run, &e)
	}
	var s splitter
	split, _ := s.split(run)
	f.Add(bytes.Clone(split))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		run, err := join(nil, data, limit)
		if len(run) > limit {
			t.Fatalf("%d octets came out", len(run))
		}
		if err != nil {
			return
		}
		// What was joined is a run; split again it joins to the same.
		if again, ok := s.split(run); ok {
			if back, err := join(nil, again, limit); err != nil || !bytes.Equal(back, run) {
				t.Fatalf("%x comes back as %x, %v", run, back, err)
			}
		}
	})
}
