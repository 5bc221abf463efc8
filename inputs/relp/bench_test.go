package relp_test

import (
	"context"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/internal/pipeline"
	"github.com/syslane/syslane/spool"
)

// noLog forgets what is appended but its notes, as those of a log that is not
// waited for.
type noLog struct {
	mu      sync.Mutex
	streams *pipeline.Streams
}

func (l *noLog) Append(_ context.Context, b spool.Batch) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return 0, l.streams.Note(b.Note)
}

func (l *noLog) Enqueue(ctx context.Context, b spool.Batch) (func(context.Context) (uint64, error), error) {
	first, err := l.Append(ctx, b)
	return func(context.Context) (uint64, error) { return first, err }, nil
}

// BenchmarkMessages is the way of messages of 134 octets from the socket through
// the pipeline, with their answers, without the disk. cpu-ns/message is that of
// the whole process; the sender's part in it, octets made beforehand, is small.
func BenchmarkMessages(b *testing.B) {
	const window = 4000
	streams := pipeline.NewStreams()
	sink := pipeline.New(pipeline.Config{Log: &noLog{streams: streams}, Streams: streams, Registerer: prometheus.NewRegistry()})
	p := dial(b, start(b, config{quiet: true}, sink))
	p.SetDeadline(time.Time{})
	p.open()
	var frames []byte
	answers := 0
	for i := range window {
		m := fmt.Sprintf("<134>1 2026-01-02T03:04:05.%06dZ host.example.org app 1234 ID47 - ", i+1)
		m = fmt.Sprintf("%s%0*d", m, 134-len(m), i)
		frames = fmt.Appendf(frames, "%d syslog %d %s\n", 1000+i, len(m), m)
		answers += len("1000 rsp 6 200 OK\n")
	}
	buf := make([]byte, answers)
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		p.Write(frames)
		if _, err := io.ReadFull(p.r, buf); err != nil {
			b.Fatal(err)
		}
	}
	n := float64(b.N) * window
	b.ReportMetric(float64(cpu(b)-before)/n, "cpu-ns/message")
	b.ReportMetric(n/b.Elapsed().Seconds(), "messages/s")
}

// cpu returns the processor time of the process so far in nanoseconds.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}
