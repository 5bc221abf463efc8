package tcp

import (
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/inputs/inputtest"
)

// BenchmarkReceive sends b.N messages of 311 octets over some connections into a
// sink that takes two milliseconds for a batch.
func BenchmarkReceive(b *testing.B) {
	site := newSite(b)
	for _, mode := range []string{"plain", "tls"} {
		for _, conns := range []int{1, 10} {
			b.Run(fmt.Sprintf("%s/conns=%d", mode, conns), func(b *testing.B) {
				cfg, dialer := Config{}, func(a string) (net.Conn, error) { return net.Dial("tcp", a) }
				if mode == "tls" {
					cfg.TLS = site.server(b, false)
					config := site.client(b, "")
					dialer = func(a string) (net.Conn, error) { return tls.Dial("tcp", a, config) }
				}
				benchmark(b, cfg, conns, dialer)
			})
		}
	}
}

func benchmark(b *testing.B, cfg Config, conns int, dialer func(string) (net.Conn, error)) {
	s := &inputtest.Counter{Delay: 2 * time.Millisecond}
	in, stop := start(b, cfg, s)
	msg := "<134>1 2024-05-01T12:00:00.123456Z host.example.net app 1234 ID47 - " + strings.Repeat("m", 242)
	const block = 200
	frames := []byte(strings.Repeat(fmt.Sprintf("%d %s", len(msg), msg), block))
	b.SetBytes(int64(len(frames) / block))
	b.ResetTimer()
	begin := time.Now()
	var all sync.WaitGroup
	for i := range conns {
		all.Go(func() {
			c, err := dialer(in.Addr().String())
			if err != nil {
				b.Error(err)
				return
			}
			defer c.Close()
			left := b.N / conns
			if i == 0 {
				left += b.N % conns
			}
			for ; left > 0; left -= block {
				if _, err := c.Write(frames[:len(frames)/block*min(left, block)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	for s.Messages.Load() < int64(b.N) && time.Since(begin) < time.Minute {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "msgs/s")
	b.ReportMetric(float64(s.Messages.Load())/float64(s.Batches.Load()), "msgs/submit")
	b.StopTimer()
	stop()
}
