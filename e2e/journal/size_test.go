package journal

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// uploadSize is how large the first upload of a host is.
var uploadSize = flag.Int64("upload-size", 2<<30, "octets of the upload that takes constant memory")

// growth is what the upload may add to the memory of the collector.
const growth = 64 << 20

// hostJournal is the journal of a busy host, made as it is read: short entries,
// and every so often one with a field of 100 MB, as a core dump in the journal.
type hostJournal struct {
	size    int64
	read    int64
	entries int
	noise   []byte
	pending bytes.Buffer
	dump    int // octets that are left of a large field
}

const dumpSize = 100 << 20

func newHostJournal(size int64) *hostJournal {
	j := &hostJournal{size: size, noise: make([]byte, 1<<20)}
	random := rand.NewChaCha8([32]byte{1})
	random.Read(j.noise)
	for i := range j.noise {
		j.noise[i] = 'a' + j.noise[i]%26
	}
	return j
}

func (j *hostJournal) Read(p []byte) (int, error) {
	if j.pending.Len() == 0 && j.dump == 0 {
		if j.read >= j.size {
			return 0, io.EOF
		}
		j.next()
	}
	n := 0
	switch {
	case j.pending.Len() > 0:
		n, _ = j.pending.Read(p)
	case j.dump > 0:
		n = copy(p, j.noise[:min(j.dump, len(j.noise))])
		if j.dump -= n; j.dump == 0 {
			j.pending.WriteString("\n\n")
		}
	}
	j.read += int64(n)
	return n, nil
}

// next makes entries until there is enough for one read.
func (j *hostJournal) next() {
	for j.pending.Len() < 64<<10 {
		i := j.entries
		j.entries++
		fmt.Fprintf(&j.pending, "__CURSOR=s=3fb1cdea532a46cda5a2af90dfacf060;i=%x;b=%s;m=%x;t=%x;x=a42f4031bd30a746\n", i+1, bootID, i, i+1)
		j.pending.WriteString(header(i))
		at := i * 997 % (len(j.noise) - 4096)
		fmt.Fprintf(&j.pending, "_TRANSPORT=stdout\nPRIORITY=6\nSYSLOG_IDENTIFIER=app\n_PID=%d\n_HOSTNAME=web1\n_EXE=/usr/bin/app\n"+
			"_SYSTEMD_UNIT=app.service\n_CMDLINE=/usr/bin/app --serve\nMESSAGE=%s\n", 1000+i%1000, j.noise[at:at+500+i%3000])
		if j.dump = 0; i%100_000 == 1000 {
			j.dump = dumpSize
			j.pending.WriteString("COREDUMP\n")
			j.pending.Write(binary.LittleEndian.AppendUint64(nil, dumpSize))
			return
		}
		j.pending.WriteByte('\n')
	}
}

// The first upload of a host is its whole journal in one POST.
func TestAnUploadOfTwoGigabytesTakesConstantMemory(t *testing.T) {
	takesConstantMemory(t, *uploadSize, "")
}

func TestACompressedUploadTakesConstantMemory(t *testing.T) {
	takesConstantMemory(t, *uploadSize/4, "zstd")
}

func takesConstantMemory(t *testing.T, size int64, encoding string) {
	n, addr := collector(t, "")
	before, err := n.RSS()
	if err != nil {
		t.Fatal(err)
	}
	j := newHostJournal(size)
	start := time.Now()
	send(t, addr, j, encoding)
	took := time.Since(start)
	peak, err := n.PeakRSS()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d entries, %d MiB in %v (%.0f MiB/s); memory: %d MiB before, at most %d MiB", j.entries, j.read>>20, took.Round(time.Millisecond),
		float64(j.read>>20)/took.Seconds(), before>>20, peak>>20)
	if peak-before > growth {
		t.Errorf("the collector's memory grew by %d MiB", (peak-before)>>20)
	}
	m, err := n.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Sum("syslane_input_stored_messages_total"); got != float64(j.entries) {
		t.Errorf("%v entries are stored, want %d", got, j.entries)
	}
	n.Balance(t)
}

// send makes one upload.
func send(t *testing.T, addr string, body io.Reader, encoding string) {
	t.Helper()
	if encoding == "zstd" {
		src := body
		r, w := io.Pipe()
		body = r
		go func() {
			enc, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
			if err == nil {
				if _, err = io.Copy(enc, src); err == nil {
					err = enc.Close()
				}
			}
			w.CloseWithError(err)
		}()
	}
	r, err := http.NewRequest(http.MethodPost, "http://"+addr+"/upload", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/vnd.fdo.journal")
	if encoding != "" {
		r.Header.Set("Content-Encoding", encoding)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted {
		t.Fatalf("%s: %s", resp.Status, text)
	}
}
