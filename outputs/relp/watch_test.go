package relp_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	output "github.com/syslane/syslane/outputs/relp"
)

// startNarrow is a TCP proxy that carries so many octets a second to the target.
func startNarrow(t *testing.T, target string, rate int) (addr string, connections *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int32)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); l.Close(); running.Wait() })
	carry := func(client net.Conn) {
		defer client.Close()
		client.(*net.TCPConn).SetReadBuffer(16 << 10)
		server, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		defer server.Close()
		defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
		running.Go(func() { io.Copy(client, server); client.Close() })
		const pause = 20 * time.Millisecond
		b := make([]byte, rate/int(time.Second/pause))
		for ; ; time.Sleep(pause) {
			n, err := client.Read(b)
			if _, werr := server.Write(b[:n]); err != nil || werr != nil {
				return
			}
		}
	}
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			running.Go(func() { carry(client) })
		}
	})
	return l.Addr().String(), connections
}

func TestAServerBehindANarrowLineIsNotLeftWhileOctetsArrive(t *testing.T) {
	t.Parallel() // most of it is waiting
	store := newEventStore()
	addr, connections := startNarrow(t, startServer(t, store, nil), 250_000)
	const timeout = 1500 * time.Millisecond
	o := startOutput(t, output.Config{Targets: []string{addr}, Compression: output.CompressionNone, AckTimeout: timeout})
	b := batchOf(1, 12_000)
	began := time.Now()
	writeAll(t, o, b)
	if took := time.Since(began); took < 2*timeout {
		t.Errorf("%d octets took only %s", len(b.Events), took)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("the output connected %d times", n)
	}
	if _, events := store.received(); len(events) != b.Count {
		t.Errorf("%d of %d events are there", len(events), b.Count)
	}
}

// When the first target is back, the one in use until then is told good-bye. It may hang
// at that very moment, and must not keep the messages.
func TestNobodyWaitsForTheGoodbyeOfAServerThatHangs(t *testing.T) {
	t.Parallel() // most of it is waiting
	first, second := startReceiver(t, false), startReceiver(t, false)
	first.stop()
	metrics := prometheus.NewRegistry()
	o := startOutput(t, output.Config{Targets: []string{first.addr, second.cable.addr}, Registerer: metrics})
	writeAll(t, o, batchOf(1, 10))
	if n := len(second.received()); n != 10 {
		t.Fatalf("the second server has %d events, want 10", n)
	}
	second.cable.cut()
	first.start()
	for deadline := time.Now().Add(time.Minute); !up(t, metrics, first.addr); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the first server does not count as well again")
		}
	}
	began := time.Now()
	writeAll(t, o, batchOf(11, 10))
	if took := time.Since(began); took >= 2*time.Second {
		t.Errorf("the first batch to the server that is back took %s", took)
	}
	if n := len(first.received()); n != 10 {
		t.Errorf("the first server has %d events, want 10", n)
	}
	second.cable.mend()
}

// A server that hangs again as soon as it has answered the first half of a check must
// not count as well once nobody waits for the second: messages would go there and hang.
func TestAServerThatHangsDuringItsCheckIsNotWell(t *testing.T) {
	t.Parallel() // most of it is waiting
	answers := func(txnr uint32, _ string) answer { return ok(txnr) }
	hanging := startScripted(t, answers)
	hanging.mu.Lock()
	hanging.stops = true
	hanging.mu.Unlock()
	// At first it cannot be reached at all.
	way := startCable(t, hanging.addr)
	way.cut()
	good := startScripted(t, answers)
	metrics := prometheus.NewRegistry()
	o := startOutput(t, output.Config{Targets: []string{way.addr, good.addr}, Registerer: metrics})
	writeAll(t, o, batchOf(1, 10))
	way.mend()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if up(t, metrics, way.addr) {
			t.Fatal("a server that answers no \"close\" counts as well")
		}
		hanging.mu.Lock()
		checks := hanging.closed
		hanging.mu.Unlock()
		if checks >= 2 {
			break // so the first check has ended, and the server is asked again
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server was checked %d times", checks)
		}
	}
	writeAll(t, o, batchOf(11, 10))
	got, _, _ := good.state()
	expectNumbers(t, got, 1, 20)
}

// up tells whether a target counts as well.
func up(t *testing.T, metrics *prometheus.Registry, target string) bool {
	t.Helper()
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if f.GetName() == "syslane_output_target_up" && l.GetName() == "target" && l.GetValue() == target {
					return m.GetGauge().GetValue() == 1
				}
			}
		}
	}
	return false
}
