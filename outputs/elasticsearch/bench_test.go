package elasticsearch

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/syslog"
)

// sink answers bulk requests as fast as it can and keeps nothing.
func sink(b *testing.B) string {
	b.Helper()
	buffers := sync.Pool{New: func() any { return new([1 << 20]byte) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		buf := buffers.Get().(*[1 << 20]byte)
		defer buffers.Put(buf)
		lines := 0
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(body)
			if err != nil {
				b.Error(err)
				return
			}
			body = z
		}
		for {
			n, err := body.Read(buf[:])
			lines += bytes.Count(buf[:n], []byte{'\n'})
			if err == io.EOF {
				break
			} else if err != nil {
				b.Error(err)
				return
			}
		}
		if r.Method != http.MethodPost {
			io.WriteString(w, `{"version":{"number":"8.0.0"}}`)
			return
		}
		w.Write(answerOf(lines / 2))
	}))
	b.Cleanup(server.Close)
	return server.URL
}

// cpu is the CPU time that the process has used.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkWrite(b *testing.B) {
	f := func(name string, change func(*Config)) {
		b.Run(name, func(b *testing.B) {
			cfg := DefaultConfig()
			cfg.Hosts, cfg.ManageTemplate = []config.Address{config.Address(sink(b))}, false
			change(&cfg)
			o, err := New(cfg, Options{Name: "es", Observer: "collector1", Logger: zerolog.Nop()})
			if err != nil {
				b.Fatal(err)
			}
			defer o.Close()
			const n = 10_000
			batch := newBatch(n, func(int) string {
				return "Failed password for invalid user admin from 203.0.113.9 port 52114 ssh2: connection closed by peer [preauth]"
			})
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				if err := o.Write(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/doc")
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/n, "cpu-ns/doc") // with the sink's
		})
	}
	f("plain", func(*Config) {})
	f("gzip", func(c *Config) { c.Compression = CompressionGzip })
	f("index by day", func(c *Config) { c.Mode = ModeIndex })
}

// BenchmarkAssemble is what a document costs before it is sent.
func BenchmarkAssemble(b *testing.B) {
	o, err := New(DefaultConfig(), Options{Name: "es", Observer: "collector1", Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	defer o.Close()
	record, _ := syslog.NextRecord(newBatch(1, nil).Events)
	var e syslog.Event
	job := &bulk{}
	b.ReportAllocs()
	for b.Loop() {
		if err := e.Decode(record, &o.interner); err != nil {
			b.Fatal(err)
		}
		if o.add(job, &e, 0); len(job.items) == 5000 {
			job.reset()
		}
	}
}
