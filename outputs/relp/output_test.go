package relp_test

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	output "github.com/syslane/syslane/outputs/relp"
)

var _ outputs.Output = (*output.Output)(nil)

func mustAddrPort(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestEventsTravelTheLinkWithTheirEnvelope(t *testing.T) {
	for _, compression := range []string{"zstd", "s2", "none"} {
		store := newEventStore()
		o := startOutput(t, output.Config{Targets: []string{startServer(t, store, nil)}, Compression: compression})
		for first := 1; first < 30_000; first += 10_000 {
			if rejected := writeAll(t, o, batchOf(uint64(first), 10_000)); rejected != nil {
				t.Fatal(rejected)
			}
		}
		messages, events := store.received()
		if len(messages) != 0 || len(events) != 30_000 {
			t.Fatalf("%s: %d messages and %d events arrived, want 0 and 30000", compression, len(messages), len(events))
		}
		if n := expectNumbers(t, events, 1, 30_000); n != 0 {
			t.Errorf("%s: %d events came twice", compression, n)
		}
		if store.sources["192.0.2.7:514"] != 30_000 {
			t.Errorf("%s: the source address was lost on the way: %v", compression, store.sources)
		}
	}
}

func TestAServerWithoutTheLinkIsSentPlainMessages(t *testing.T) {
	store := newEventStore()
	o := startOutput(t, output.Config{Targets: []string{startServer(t, plainSink{store}, nil)}})
	writeAll(t, o, batchOf(1, 20_000))
	messages, events := store.received()
	if len(events) != 0 || len(messages) != 20_000 {
		t.Fatalf("%d messages and %d events arrived, want 20000 and 0", len(messages), len(events))
	}
	for i, m := range messages {
		if number(t, m) != i+1 {
			t.Fatalf("message %d has number %d: out of order", i, number(t, m))
		}
		if !strings.HasPrefix(m, "<134>1 - host") {
			t.Fatalf("message was changed on the way: %q", m)
		}
	}
}

func TestAnUnparsedMessageIsSentPlainWithTheHeaderOfARelay(t *testing.T) {
	store := newEventStore()
	o := startOutput(t, output.Config{Targets: []string{startServer(t, plainSink{store}, nil)}})
	b := &outputs.Batch{Stream: "s", First: 1, Next: 2, Count: 1, Events: syslog.AppendRecord(nil, event(5, syslog.Unparsed))}
	writeAll(t, o, b)
	want := "<13>" + time.Unix(1_700_000_000, 0).Format(time.Stamp) + " 192.0.2.7 message number 00000005"
	if messages, _ := store.received(); len(messages) != 1 || messages[0] != want {
		t.Fatalf("got %q, want %q", messages, want)
	}
}

func TestConnectionsCutAnywhereLoseNothing(t *testing.T) {
	const n = 5000
	f := func(name string, plain bool, wantRepeats func(repeated, cuts int) bool) {
		t.Run(name, func(t *testing.T) {
			store := newEventStore()
			var sink inputs.Sink = store
			if plain {
				sink = plainSink{store}
			}
			random := rand.New(rand.NewPCG(1, 2))
			proxy := startCutter(t, startServer(t, sink, nil), func(conn int) (fromClient, fromServer int64) {
				switch {
				case conn >= 25:
					return -1, -1
				case conn%2 == 0:
					return random.Int64N(60_000), -1
				}
				return -1, random.Int64N(6000)
			})
			o := startOutput(t, output.Config{Targets: []string{proxy.addr}, Compression: "none", Plain: plain})
			for first := 1; first <= n; first += n / 5 {
				writeAll(t, o, batchOf(uint64(first), n/5))
			}
			messages, events := store.received()
			repeated := expectNumbers(t, append(messages, events...), 1, n)
			if cuts := min(proxy.count(), 25); !wantRepeats(repeated, cuts) {
				t.Errorf("%d messages came twice after %d cuts", repeated, cuts)
			}
		})
	}
	f("over the link none comes twice", false, func(repeated, _ int) bool { return repeated == 0 })
	f("plain at most a window a cut comes twice", true, func(repeated, cuts int) bool { return repeated <= 128*cuts })
}

func TestASessionLostWhileIdleIsOpenedAgainWithoutAnError(t *testing.T) {
	store := newEventStore()
	ctx, stop := context.WithCancel(context.Background())
	addr, done := startServerUntil(t, ctx, store)
	o := startOutput(t, output.Config{Targets: []string{addr}})
	if err := o.Write(t.Context(), batchOf(1, 10)); err != nil {
		t.Fatal(err)
	}
	stop()
	<-done
	startServerAt(t, addr, store)
	if err := o.Write(t.Context(), batchOf(11, 10)); err != nil {
		t.Fatal(err)
	}
	_, events := store.received()
	if n := expectNumbers(t, events, 1, 20); n != 0 {
		t.Errorf("%d events came twice", n)
	}
}

// thirds is a batch of which every third position is for this output.
func thirds(first, next uint64) *outputs.Batch {
	b := &outputs.Batch{Stream: "log/out", First: first, Next: next}
	for at := first; at < next; at += 3 {
		b.Events = syslog.AppendRecord(b.Events, event(int(at/3)+1, syslog.RFC5424))
		b.Count++
		b.Gaps = append(b.Gaps, outputs.Gap{Index: b.Count, Skipped: 2 * uint64(b.Count)})
	}
	return b
}

func TestBatchesWithGapsResumeInTheirMiddle(t *testing.T) {
	store := newEventStore()
	addr := startServer(t, store, nil)
	writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), thirds(0, 300))
	// As after a crash: the answer is lost, and the batch has grown meanwhile.
	writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), thirds(0, 900))
	_, events := store.received()
	if len(events) != 300 {
		t.Fatalf("%d events arrived, want 300", len(events))
	}
	if n := expectNumbers(t, events, 1, 300); n != 0 {
		t.Errorf("%d events came twice", n)
	}
}
