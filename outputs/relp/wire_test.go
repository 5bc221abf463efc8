package relp_test

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	wire "github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

// textFiles names real log files for BenchmarkOctetsOnTheWire.
var textFiles = flag.String("text", "", "log files to measure the link with, separated by commas; default: generated lines")

// logLines returns log lines as messages of RFC 3164.
func logLines(tb testing.TB) (lines []string) {
	tb.Helper()
	if *textFiles == "" {
		return generatedLines(4000)
	}
	for name := range strings.SplitSeq(*textFiles, ",") {
		f, err := os.Open(name)
		if err != nil {
			tb.Fatal(err)
		}
		defer f.Close()
		for s := bufio.NewScanner(f); s.Scan(); {
			lines = append(lines, "<38>"+s.Text())
		}
	}
	return lines
}

// generatedLines are such as a host writes that is scanned for passwords.
func generatedLines(n int) []string {
	random := rand.New(rand.NewPCG(3, 4))
	address := func() string { return netip.AddrFrom4([4]byte{203, 0, 113, byte(random.IntN(256))}).String() }
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.Local)
	lines := make([]string, n)
	for i := range lines {
		at = at.Add(time.Duration(random.IntN(2)) * time.Second)
		tag := fmt.Sprintf("<38>%s web1 sshd[%d]: ", at.Format(time.Stamp), 20000+random.IntN(2000))
		switch random.IntN(4) {
		case 0:
			lines[i] = tag + fmt.Sprintf("Failed password for root from %s port %d ssh2", address(), 1024+random.IntN(60000))
		case 1:
			lines[i] = tag + fmt.Sprintf("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s  user=root", address())
		case 2:
			lines[i] = tag + fmt.Sprintf("Received disconnect from %s: 11: Bye Bye [preauth]", address())
		default:
			lines[i] = tag + fmt.Sprintf("reverse mapping checking getaddrinfo for host-%d.example.net [%s] failed - POSSIBLE BREAK-IN ATTEMPT!", random.IntN(1000), address())
		}
	}
	return lines
}

func TestTheLinkTakesAFifthOfTheOctetsOfPlainSyslog(t *testing.T) {
	lines := logLines(t)
	plain, link := octets(t, lines, 1000, wire.CodecZstd)
	if 5*link > plain {
		t.Errorf("%d octets on the link, %d as plain syslog: %d %%", link, plain, 100*link/plain)
	}
}

// encode makes events of the lines, as a relay does: received up to some
// milliseconds after the time that they name, or after the one before.
func encode(lines []string) (run []byte) {
	random := rand.New(rand.NewPCG(1, 2))
	last := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for i, line := range lines {
		e := syslog.Event{Input: "tcp"}
		e.Raw = []byte(line)
		parser.Parse(&e.Message, &parser.Options{Received: last})
		received := last.Add(time.Duration(random.IntN(20_000_000)))
		if at := e.Time(); !at.IsZero() {
			received = at.Add(time.Duration(random.IntN(20_000_000)))
		}
		e.ID = syslog.MakeID(received, [4]byte{1, 2, 3, 4}, uint32(i))
		e.Source = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 20)}), uint16(40000+i%20))
		run = syslog.AppendRecord(run, &e)
	}
	return run
}

// octets returns the octets of the lines as plain syslog over TCP, octet-counted,
// and over the link in batches of so many events.
func octets(tb testing.TB, lines []string, batch int, codec wire.Codec) (plain, link int) {
	tb.Helper()
	encoder, err := wire.NewBatchEncoder(codec)
	if err != nil {
		tb.Fatal(err)
	}
	for first := 0; first < len(lines); first += batch {
		part := lines[first:min(first+batch, len(lines))]
		link += len(encoder.AppendFrame(nil, 1, wire.Batch{First: uint64(first + 1), Next: uint64(first + 1 + len(part)), Count: len(part), Records: encode(part)}))
		for _, line := range part {
			plain += len(strconv.Itoa(len(line))) + 1 + len(line)
		}
	}
	return plain, link
}

// BenchmarkOctetsOnTheWire tells what the link costs, envelope and all, beside
// plain syslog without: -text FILE,… for other log files. Blocks of the log that go as
// they stand take what s2 does.
func BenchmarkOctetsOnTheWire(b *testing.B) {
	lines := logLines(b)
	for _, codec := range []string{"zstd", "s2", "none"} {
		for _, batch := range []int{1, 10, 100, 1000, len(lines)} {
			b.Run(codec+"/"+strconv.Itoa(batch), func(b *testing.B) {
				id, err := wire.ParseCodec(codec)
				if err != nil {
					b.Fatal(err)
				}
				var plain, link int
				for b.Loop() {
					plain, link = octets(b, lines, batch, id)
				}
				b.ReportMetric(100*float64(link)/float64(plain), "%-of-plain")
				b.ReportMetric(float64(link)/float64(len(lines)), "octets/message")
			})
		}
	}
}
