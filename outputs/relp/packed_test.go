package relp_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"

	wire "github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/outputs"
	output "github.com/syslane/syslane/outputs/relp"
)

// packedOf is batchOf as the log holds it: in blocks of so many.
func packedOf(first uint64, n, block int) *outputs.Batch {
	b := batchOf(first, n)
	b.Events = nil
	for at := 0; at < n; at += block {
		part := batchOf(first+uint64(at), min(block, n-at))
		b.Packed = append(b.Packed, outputs.Packed{Count: part.Count, Raw: len(part.Events), Codec: "s2", Octets: s2.Encode(nil, part.Events)})
	}
	return b
}

// writePacked writes the batch as the delivery does until the output has it; unpacked
// tells whether it wanted it so.
func writePacked(t *testing.T, o *output.Output, b *outputs.Batch) (rejected *outputs.Rejected, unpacked bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		err := o.Write(t.Context(), b)
		if err == nil || errors.As(err, &rejected) {
			return rejected, false
		}
		if errors.Is(err, outputs.ErrUnpack) {
			return writeAll(t, o, batchOf(b.First, b.Count)), true
		}
	}
	t.Fatal("the batch does not get through")
	return nil, false
}

func TestBlocksOfTheLogTravelTheLinkAsTheyStand(t *testing.T) {
	for _, compression := range []string{"", "auto", "stored"} {
		store := newEventStore()
		o := startOutput(t, output.Config{Targets: []string{startServer(t, store, nil)}, Compression: compression})
		if o.Packs() {
			t.Error("blocks are wanted before it is known whether the server takes them")
		}
		writeAll(t, o, batchOf(1, 100))
		if !o.Packs() {
			t.Fatal("no blocks are wanted")
		}
		for first := 101; first < 40_000; first += 20_000 {
			if rejected, unpacked := writePacked(t, o, packedOf(uint64(first), 20_000, 1500)); rejected != nil || unpacked {
				t.Fatalf("%s: rejected %v, unpacked %v", compression, rejected, unpacked)
			}
		}
		_, events := store.received()
		if n := expectNumbers(t, events, 1, 40_100); n != 0 || len(events) != 40_100 {
			t.Errorf("%s: %d events came, %d of them twice", compression, len(events), n)
		}
	}
}

func TestBlocksAreNotWantedWhereTheyShallBeCompressedOtherwise(t *testing.T) {
	for _, compression := range []string{"zstd", "s2", "none"} {
		o := startOutput(t, output.Config{Targets: []string{startServer(t, newEventStore(), nil)}, Compression: compression})
		writeAll(t, o, batchOf(1, 100))
		if o.Packs() {
			t.Errorf("blocks are wanted with %q", compression)
		}
	}
}

func TestSmallBlocksAreCompressedTogether(t *testing.T) {
	store := newEventStore()
	o := startOutput(t, output.Config{Targets: []string{startServer(t, store, nil)}})
	writeAll(t, o, batchOf(1, 10))
	if _, unpacked := writePacked(t, o, packedOf(11, 1000, 20)); !unpacked {
		t.Error("many small blocks went as they were")
	}
	if _, unpacked := writePacked(t, o, packedOf(1011, 20, 20)); unpacked {
		t.Error("a lone small block was wanted unpacked")
	}
}

func TestAReceiverThatDoesNotKnowBlocksGetsEvents(t *testing.T) {
	f := func(name string, sink func(*eventStore) string) {
		t.Run(name, func(t *testing.T) {
			store := newEventStore()
			o := startOutput(t, output.Config{Targets: []string{sink(store)}})
			writeAll(t, o, batchOf(1, 100))
			if o.Packs() {
				t.Error("blocks are wanted")
			}
			// As when the server was another one when the batch was collected.
			if _, unpacked := writePacked(t, o, packedOf(101, 5000, 2500)); !unpacked {
				t.Error("blocks were sent")
			}
			messages, events := store.received()
			if n := expectNumbers(t, append(messages, events...), 1, 5100); n != 0 {
				t.Errorf("%d came twice", n)
			}
		})
	}
	f("plain RELP", func(s *eventStore) string { return startServer(t, plainSink{s}, nil) })
	f("the link without its codec", func(s *eventStore) string {
		var d wire.BatchDecoder
		return startScriptedOpen(t, func(txnr uint32, _ string) answer {
			return answer{write: string(wire.AppendResponse(nil, txnr, wire.CodeOK, "OK", []byte("commands=syslog,batch\nsyslane_link=1\nsyslane_codecs=0,1,2,3")))}
		}, func(txnr uint32, data string) answer {
			b, err := d.Decode([]byte(data), nil)
			if err != nil || data[5] == byte(wire.CodecPacked) {
				t.Errorf("codec %d: %v", data[5], err)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			for at := b.First; at < b.Next; at++ {
				s.events = append(s.events, fmt.Sprintf("number %d", at))
			}
			return ok(txnr)
		}).addr
	})
}

func TestABlockWithAnEventThatIsRefusedIsNarrowedDown(t *testing.T) {
	var d wire.BatchDecoder
	taken := make(map[uint64]int)
	s := startScriptedOpen(t, func(txnr uint32, _ string) answer {
		return answer{write: string(wire.AppendResponse(nil, txnr, wire.CodeOK, "OK", []byte("commands=syslog,batch\nsyslane_link=1\nsyslane_codecs="+strings.Join(wire.Codecs(), ","))))}
	}, func(txnr uint32, data string) answer {
		b, err := d.Decode([]byte(data), nil)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(b.Records), "number 00000042") {
			a := refuse(txnr, "bad batch: events")
			a.end = true
			return a
		}
		for at := b.First; at < b.Next; at++ {
			taken[at]++
		}
		return ok(txnr)
	})
	o := startOutput(t, output.Config{Targets: []string{s.addr}})
	writeAll(t, o, batchOf(1, 10))
	rejected, unpacked := writePacked(t, o, packedOf(11, 90, 90))
	if !unpacked || rejected == nil || len(rejected.Items) != 1 || rejected.Items[0].Index != 31 {
		t.Fatalf("rejected is %+v", rejected)
	}
	for at := uint64(1); at <= 100; at++ {
		if taken[at] != 1 && at != 42 {
			t.Errorf("event %d was taken %d times", at, taken[at])
		}
	}
}

func TestConnectionsCutWhileBlocksTravelLoseNothingAndRepeatNothing(t *testing.T) {
	const n = 30_000
	store := newEventStore()
	proxy := startCutter(t, startServer(t, store, nil), func(conn int) (fromClient, fromServer int64) {
		switch {
		case conn == 0 || conn >= 25:
			return -1, -1
		case conn%2 == 0:
			return int64(conn) * 9000, -1
		}
		return -1, 200 + int64(conn)*20
	})
	o := startOutput(t, output.Config{Targets: []string{proxy.addr}})
	writeAll(t, o, batchOf(1, 100))
	o.Close() // the connections to come are cut
	for first := 101; first < n; first += 10_000 {
		writePacked(t, o, packedOf(uint64(first), 10_000, 2000))
	}
	_, events := store.received()
	if repeated := expectNumbers(t, events, 1, n+100); repeated > 0 {
		t.Errorf("%d events came twice", repeated)
	}
}
