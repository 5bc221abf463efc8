package spool

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// logRun makes a run of records of about 300 octets that look like syslog.
func logRun(octets int) ([]byte, int) {
	rng := rand.New(rand.NewPCG(1, 2))
	var b []byte
	n := 0
	for len(b) < octets {
		rec := fmt.Appendf(nil, "<%d>1 2026-11-23T10:%02d:%02d.%06dZ host-%d.example.net sshd %d - - Failed password for invalid user admin%d from 10.%d.%d.%d port %d ssh2; attempt %d of session %016x, policy default, no further information is available about this attempt at the moment, see documentation for what to do next",
			rng.IntN(190), rng.IntN(60), rng.IntN(60), rng.IntN(1e6), rng.IntN(200), rng.IntN(30000), rng.IntN(100),
			rng.IntN(256), rng.IntN(256), rng.IntN(256), rng.IntN(65536), n, rng.Uint64())
		b = binary.AppendUvarint(b, uint64(len(rec)))
		b = append(b, rec...)
		n++
	}
	return b, n
}

func cpuTime() time.Duration {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		panic(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// BenchmarkAppend appends from ten goroutines with a sync each group.
func BenchmarkAppend(b *testing.B) {
	for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
		for _, size := range []int{4 << 10, 64 << 10, 256 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", codec, size>>10), func(b *testing.B) {
				cfg := Config{Dir: b.TempDir(), MinFree: -1, Codec: codec, MaxSize: 2 << 30, Full: FullDropOldest}
				l, err := Open(cfg)
				if err != nil {
					b.Fatal(err)
				}
				defer l.Close()
				run, n := logRun(size)
				batch := Batch{Records: run, Count: n}
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ReportAllocs()
				b.ResetTimer()
				cpu, start := cpuTime(), time.Now()
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := l.Append(context.Background(), batch); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				records := float64(b.N) * float64(n)
				st := l.Stats()
				b.SetBytes(int64(len(run)))
				b.ReportMetric(records/time.Since(start).Seconds()/1e6, "Mrec/s")
				b.ReportMetric((cpuTime()-cpu).Seconds()/records*1e6, "cpu-s/Mrec")
				b.ReportMetric(float64(st.Octets)/float64(st.Records), "B/rec")
				b.ReportMetric(float64(b.N)/float64(st.Groups), "appends/group")
			})
		}
	}
}

// BenchmarkRead reads a log from one end to the other.
func BenchmarkRead(b *testing.B) {
	for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
		b.Run(string(codec), func(b *testing.B) {
			l, err := Open(Config{Dir: b.TempDir(), MinFree: -1, Codec: codec, Sync: SyncOS})
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			run, n := logRun(256 << 10)
			const batches = 1000
			for range batches {
				if _, err := l.Append(context.Background(), Batch{Records: run, Count: n}); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(run)) * batches)
			b.ResetTimer()
			cpu, start := cpuTime(), time.Now()
			for range b.N {
				r := l.NewReader(1)
				for r.Position() < l.Head() {
					if _, err := r.Next(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
				r.Close()
			}
			records := float64(b.N) * batches * float64(n)
			b.ReportMetric(records/time.Since(start).Seconds()/1e6, "Mrec/s")
			b.ReportMetric((cpuTime()-cpu).Seconds()/records*1e6, "cpu-s/Mrec")
		})
	}
}
