package udp

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/syslane/syslane/inputs/inputtest"
)

// BenchmarkReceive200k sends b.N datagrams of 311 octets at 200,000 a second from
// eight senders and reports how many were lost. Run it for ten seconds with
// -benchtime=2000000x.
func BenchmarkReceive200k(b *testing.B) {
	for _, sockets := range []int{1, 2} {
		b.Run(fmt.Sprintf("sockets=%d", sockets), func(b *testing.B) { benchmarkReceive(b, sockets, 200_000) })
	}
}

func benchmarkReceive(b *testing.B, sockets, rate int) {
	in, err := New(Config{Name: "bench", Listen: "127.0.0.1:0", Sockets: sockets})
	if err != nil {
		b.Fatal(err)
	}
	if err := in.Listen(); err != nil {
		b.Fatal(err)
	}
	s := &inputtest.Counter{Delay: time.Millisecond}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- in.Run(ctx, s) }()

	const burst = 50 // datagrams to a system call
	messages := make([]ipv4.Message, burst)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, 311)}
	}
	var conns [8]*ipv4.PacketConn
	for i := range conns {
		c, err := net.Dial("udp", in.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns[i] = ipv4.NewPacketConn(c.(net.PacketConn))
	}
	b.ResetTimer()
	begin := time.Now()
	next := begin
	for n := 0; n < b.N; {
		// What the sender is behind it does not make up for: that would be a burst.
		if wait := time.Until(next); wait > 0 {
			time.Sleep(wait)
		} else if wait < -10*time.Millisecond {
			next = time.Now()
		}
		next = next.Add(burst * time.Second / time.Duration(rate))
		k, err := conns[n/burst%len(conns)].WriteBatch(messages[:min(burst, b.N-n)], 0)
		if err != nil {
			b.Fatal(err)
		}
		n += k
	}
	sent := time.Since(begin)
	b.StopTimer()
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/sent.Seconds(), "sent/s")
	b.ReportMetric(float64(int64(b.N)-s.Messages.Load()), "lost")
	b.ReportMetric(float64(s.Messages.Load())/float64(s.Batches.Load()), "msgs/submit")
}
