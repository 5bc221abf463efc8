package spool

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// BenchmarkAppendBesideRewriting appends at full speed from ten goroutines to an
// archive of many full segments, which are being rewritten meanwhile, or not.
func BenchmarkAppendBesideRewriting(b *testing.B) {
	for _, mode := range []Recompress{RecompressNever, RecompressArchive} {
		b.Run(string(mode), func(b *testing.B) {
			l, err := Open(Config{Dir: b.TempDir(), MinFree: -1, KeepDelivered: true, Recompress: mode,
				SegmentSize: 16 << 20, MaxSize: 1 << 30})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			run, n := logRun(64 << 10)
			batch := Batch{Records: run, Count: n}
			work := func(appends int) {
				var wg sync.WaitGroup
				for i := range 10 {
					wg.Go(func() {
						for range appends/10 + 1 - min(i, 1) {
							if _, err := l.Append(context.Background(), batch); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			}
			work(4000) // something to do
			b.ResetTimer()
			cpu, start := cpuTime(), time.Now()
			work(b.N)
			records := float64(b.N) * float64(n)
			b.ReportMetric(records/time.Since(start).Seconds()/1e6, "Mrec/s")
			b.ReportMetric((cpuTime()-cpu).Seconds()/records*1e6, "cpu-s/Mrec")
			b.ReportMetric(float64(l.Stats().RewrittenSegments), "rewritten")
		})
	}
}

// BenchmarkRewrite rewrites full segments without rest.
func BenchmarkRewrite(b *testing.B) {
	for _, size := range []int{4 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				l, err := Open(Config{Dir: b.TempDir(), MinFree: -1, Recompress: RecompressNever, SegmentSize: 16 << 20, Sync: SyncOS})
				if err != nil {
					b.Fatal(err)
				}
				run, n := logRun(size)
				for l.Stats().Segments < 2 {
					if _, err := l.Append(context.Background(), Batch{Records: run, Count: n}); err != nil {
						b.Fatal(err)
					}
				}
				before := l.Stats()
				b.SetBytes(int64(before.RawOctets))
				b.StartTimer()
				if err := l.rewriteAll(func(time.Duration) error { return nil }); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				b.ReportMetric(float64(l.Stats().Bytes)/float64(before.Bytes), "of-size")
				l.Close()
			}
		})
	}
}
