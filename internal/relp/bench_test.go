package relp

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// logText returns a run of records, about size octets of it, of lines such as
// sshd writes: the same few sentences with other numbers.
func logText(size int) ([]byte, int) {
	random := rand.New(rand.NewPCG(1, 2))
	var run []byte
	n := 0
	for ; len(run) < size; n++ {
		e := syslog.Event{ID: syslog.MakeID(time.Unix(1_700_000_000, int64(n)*1_234_567), [4]byte{1, 2, 3, 4}, uint32(n))}
		host, pid := random.IntN(20), 1000+random.IntN(30_000)
		address := fmt.Sprintf("%d.%d.%d.%d", random.IntN(256), random.IntN(256), random.IntN(256), random.IntN(256))
		e.Raw = fmt.Appendf(nil, "<86>Jun 14 15:%02d:%02d host%02d sshd[%d]: ", n/60%60, n%60, host, pid)
		text := len(e.Raw)
		switch random.IntN(3) {
		case 0:
			e.Raw = fmt.Appendf(e.Raw, "Failed password for root from %s port %d ssh2", address, 1024+random.IntN(60_000))
		case 1:
			e.Raw = fmt.Appendf(e.Raw, "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s user=root", address)
		case 2:
			e.Raw = fmt.Appendf(e.Raw, "Received disconnect from %s: 11: Bye Bye [preauth]", address)
		}
		e.Format = syslog.RFC3164
		e.Timestamp = e.ID.ReceivedNano() - 1e6
		e.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(host)}), 514)
		e.Input = "udp"
		e.Hostname = syslog.Span{Start: 20, End: 26}
		e.Text = syslog.Span{Start: uint32(text), End: uint32(len(e.Raw))}
		run = syslog.AppendRecord(run, &e)
	}
	return run, n
}

func BenchmarkBatch(b *testing.B) {
	for _, size := range []int{20 << 10, 200 << 10, 1 << 20} {
		run, n := logText(size)
		for _, codec := range []Codec{CodecNone, CodecS2, CodecZstd} {
			enc, _ := NewBatchEncoder(codec)
			var frame []byte
			b.Run(fmt.Sprintf("encode/%d/%d", size, codec), func(b *testing.B) {
				b.SetBytes(int64(len(run)))
				for b.Loop() {
					frame = enc.AppendFrame(frame[:0], 1, Batch{First: 1, Next: uint64(n + 1), Count: n, Records: run})
				}
				b.ReportMetric(float64(len(run))/float64(len(frame)), "ratio")
			})
			b.Run(fmt.Sprintf("decode/%d/%d", size, codec), func(b *testing.B) {
				b.SetBytes(int64(len(run)))
				var d BatchDecoder
				r := NewReader(func([]byte) (int, bool) { return MaxBatchData, false })
				r.buf, r.w = frame, len(frame)
				f, ok, err := r.Next()
				if !ok {
					b.Fatal(err)
				}
				var buf []byte
				for b.Loop() {
					got, err := d.Decode(f.Data, buf)
					if err != nil {
						b.Fatal(err)
					}
					buf = got.Records
				}
			})
		}
	}
}
