package relp_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
