package tcp

import (
	"bytes"
	"compress/zlib"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/syslog"
)

// deflate compresses a stream; flush says after how many octets it is flushed.
func deflate(t testing.TB, stream []byte, flush int, end bool) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	for part := range slices.Chunk(stream, flush) {
		z.Write(part)
		z.Flush()
	}
	if end {
		z.Close()
	}
	return b.Bytes()
}

func TestACompressedStreamGivesItsMessagesHoweverItIsSplit(t *testing.T) {
	site := newSite(t)
	stream, want := mixed(500)
	for _, withTLS := range []bool{false, true} {
		for _, flush := range []int{100, 40_000, len(stream)} {
			for _, size := range []int{1000, 1 << 20} {
				s := &inputtest.Sink{}
				cfg := Config{Compression: CompressionZlib}
				if withTLS {
					cfg.TLS = site.server(t, false)
				}
				in, stop := start(t, cfg, s)
				c := dial(t, in)
				if withTLS {
					c = dialTLS(t, in, site.client(t, ""))
				}
				for part := range slices.Chunk(deflate(t, stream, flush, true), size) {
					write(t, c, part)
				}
				inputtest.Eventually(t, "all messages", func() bool { return s.Count() == len(want) })
				// another stream may follow on the same connection
				write(t, c, deflate(t, []byte("<13>second stream\n"), 100, false))
				inputtest.Eventually(t, "the second stream", func() bool { return s.Has("<13>second stream") })
				stop()
				if !slices.Equal(s.All()[:len(want)], want) {
					t.Errorf("flushed each %d, pieces of %d: other messages than were sent", flush, size)
				}
			}
		}
	}
}

func TestFlushedMessagesOfACompressedStreamDoNotWait(t *testing.T) {
	s := &inputtest.Sink{}
	in, _ := start(t, Config{Compression: CompressionZlib, IdleTimeout: 20 * time.Second}, s)
	c := dial(t, in)
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	send := func(text string, hold int) []byte {
		z.Write([]byte(text))
		z.Flush()
		all := bytes.Clone(b.Bytes())
		b.Reset()
		write(t, c, all[:len(all)-hold])
		return all[len(all)-hold:]
	}
	send("<13>a\n", 0)
	inputtest.Eventually(t, "the first", func() bool { return s.Has("<13>a") })
	rest := send("<13>b\n", 2)
	// longer than the time after which a silent connection gives its buffer back
	time.Sleep(silence + 200*time.Millisecond)
	write(t, c, rest)
	inputtest.Eventually(t, "the second, which came in two parts", func() bool { return s.Has("<13>b") })
	send("<13>c", 0)
	c.Close()
	inputtest.Eventually(t, "the last, which was cut", func() bool { return s.Count() == 3 })
	if got := s.All()[2]; got != (inputtest.Message{Text: "<13>c", Warnings: syslog.WarnUnterminated}) {
		t.Errorf("got %v", got)
	}
}

func TestACompressedStreamCannotMakeMemoryGrow(t *testing.T) {
	s := &inputtest.Sink{}
	reg := prometheus.NewRegistry()
	in, stop := start(t, Config{Compression: CompressionZlib, Registerer: reg}, s)
	c := dial(t, in)
	bomb := deflate(t, bytes.Repeat([]byte("x"), 32<<20), 32<<20, true)
	write(t, c, bomb)
	write(t, c, deflate(t, []byte("\n<13>after\n"), 100, true))
	inputtest.Eventually(t, "the message after", func() bool { return s.Has("<13>after") })
	stop()
	if got := s.All(); len(got) != 2 || len(got[0].Text) != syslog.DefaultMaxMessageSize || got[0].Warnings != syslog.WarnTruncated {
		t.Errorf("%d messages", len(got))
	}
	if got := inputtest.Metric(t, reg, "syslane_input_discarded_octets_total", ""); got != 32<<20-syslog.DefaultMaxMessageSize+1 {
		t.Errorf("%v octets discarded", got)
	}
}

func TestAStreamThatIsNotCompressedAsConfiguredIsClosedAndCounted(t *testing.T) {
	s := &inputtest.Sink{}
	reg := prometheus.NewRegistry()
	in, _ := start(t, Config{Compression: CompressionZlib, Registerer: reg}, s)
	good := deflate(t, []byte(strings.Repeat("<13>good\n", 100)), 1000, true)
	for i, stream := range [][]byte{[]byte("<13>plain\n"), append(bytes.Clone(good[:40]), 0xff, 0xff, 0xff, 0xff, 0xff), append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1)} {
		c := dial(t, in)
		write(t, c, stream)
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("stream %d: connection stayed open", i)
		}
		inputtest.Eventually(t, "it in the metric", func() bool {
			return inputtest.Metric(t, reg, "syslane_input_framing_errors_total", "lost") == float64(i+1)
		})
	}
	if s.Has("<13>plain") {
		t.Error("a plain message was taken")
	}
}

func TestCompressionNames(t *testing.T) {
	for name, want := range map[string]Compression{"": CompressionNone, "none": CompressionNone, "zlib": CompressionZlib} {
		if got, err := ParseCompression(name); got != want || err != nil {
			t.Errorf("%q: %v, %v", name, got, err)
		}
	}
	if _, err := ParseCompression("lzma"); err == nil {
		t.Error("lzma was taken")
	}
}
