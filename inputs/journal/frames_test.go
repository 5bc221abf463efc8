package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/syslane/syslane/inputs/inputtest"
)

// streamed returns text in one frame that does not say how long it is.
func streamed(t testing.TB, text string, options ...zstd.EOption) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, append(options, zstd.WithEncoderConcurrency(1))...)
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = w.Flush() // so that it is not known at the beginning
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTheWindowOfEachFrameIsKnownBeforeItIsDecompressed(t *testing.T) {
	random := make([]byte, 300<<10)
	for i := range random {
		random[i] = byte(i * i >> 7)
	}
	skippable := append(binary.LittleEndian.AppendUint32([]byte("\x53\x2a\x4d\x18"), 5), "aside"...)
	type part struct {
		octets  []byte
		text    string
		windows []uint64
	}
	var parts []part
	for _, text := range []string{"", "short", strings.Repeat("0", 1<<20), string(random)} {
		for _, window := range []int{zstd.MinWindowSize, 256 << 10, 8 << 20} {
			for _, checksum := range []bool{true, false} {
				octets := streamed(t, text, zstd.WithWindowSize(window), zstd.WithEncoderCRC(checksum))
				if text != "" {
					parts = append(parts, part{octets, text, []uint64{uint64(window)}})
				}
			}
		}
		if whole := zstdOf(t, text); text != "" {
			size := uint64(len(text))
			if len(text) < zstd.MinWindowSize {
				size = 0 // it says a window
			}
			parts = append(parts, part{[]byte(whole), text, []uint64{size}})
		}
	}
	parts = append(parts, part{skippable, "", nil},
		part{[]byte("\x28\xb5\x2f\xfd\x04\x68\x71\x00\x00by zstd itself\xdf\x90\x1a\x22"), "by zstd itself", []uint64{8 << 20}}) // zstd -19
	rapid.Check(t, func(r *rapid.T) {
		var stream []byte
		var want string
		var windows []uint64
		for range rapid.IntRange(0, 5).Draw(r, "frames") {
			p := parts[rapid.IntRange(0, len(parts)-1).Draw(r, "part")]
			stream, want, windows = append(stream, p.octets...), want+p.text, append(windows, p.windows...)
		}
		var src io.Reader = bytes.NewReader(stream)
		switch rapid.IntRange(0, 2).Draw(r, "pieces") {
		case 0:
			src = iotest.OneByteReader(src)
		case 1:
			src = iotest.HalfReader(src)
		}
		var entered []uint64
		f := &frames{src: src, enter: func(window uint64) error { entered = append(entered, window); return nil }}
		decoder, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			r.Fatal(err)
		}
		defer decoder.Close()
		got, err := io.ReadAll(decoder)
		if err != nil || string(got) != want {
			r.Fatalf("%d octets of %d, %v", len(got), len(want), err)
		}
		same := slices.EqualFunc(entered, windows, func(got, want uint64) bool { return got == want || want == 0 && got < 8<<20 })
		if !same || f.at != frameHeader || f.skip > 0 || len(f.header) > 0 {
			r.Fatalf("windows are %d, want %d; at the end %+v", entered, windows, f)
		}
	})
}

// Whatever the octets, the decoder gets them as they are, and decodes no frame whose
// window was not looked at.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(zstdOf(f, "a", strings.Repeat("b", 10<<10))), 7)
	f.Add(streamed(f, strings.Repeat("0123", 1<<10)), 1)
	f.Add([]byte("\x53\x2a\x4d\x18\x02\x00\x00\x00ab"), 100)
	f.Add([]byte("no frame"), 3)
	f.Fuzz(func(t *testing.T, octets []byte, piece int) {
		decode := func(src io.Reader) (string, error) {
			decoder, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(1<<20))
			if err != nil {
				t.Fatal(err)
			}
			defer decoder.Close()
			got, err := io.ReadAll(io.LimitReader(decoder, 8<<20))
			return string(got), err
		}
		want, wantErr := decode(bytes.NewReader(octets))
		entered := 0
		got, err := decode(&frames{src: inPieces(octets, piece), enter: func(uint64) error { entered++; return nil }})
		if got != want || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%d octets, %v, want %d, %v", len(got), err, len(want), wantErr)
		}
		if len(got) > 0 && entered == 0 {
			t.Errorf("%d octets come out of no frame", len(got))
		}
	})
}

// inPieces returns a reader of octets that gives at most so many at once.
func inPieces(octets []byte, most int) io.Reader {
	most = max(1, most)
	var all []io.Reader
	for len(octets) > most && len(all) < 1000 {
		all = append(all, bytes.NewReader(octets[:most]))
		octets = octets[most:]
	}
	return io.MultiReader(append(all, bytes.NewReader(octets))...)
}

func TestUploadsTakeLittleMemoryTogetherForDecompressing(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	begin := streamed(t, "__CURSOR=s=1;i=1\nMESSAGE=text", zstd.WithWindowSize(maxWindow))
	compressed := func(r *http.Request) { r.Header.Set("Content-Encoding", "zstd") }
	var bodies []*io.PipeWriter
	answers := make(chan int, maxWindows/maxWindow)
	for range maxWindows / maxWindow {
		body, w := io.Pipe()
		bodies = append(bodies, w)
		go func() {
			status, _, _ := post(t, client(t, nil), request(t, in, body, compressed))
			answers <- status
		}()
		if _, err := w.Write(begin); err != nil {
			t.Fatal(err)
		}
	}
	inputtest.Eventually(t, "the memory to be taken", func() bool { return in.memory.windows.Load() == maxWindows })
	whole := string(begin) + zstdOf(t, "\n\n")
	upload := func(what, body string, want int) {
		t.Helper()
		status, text, header := post(t, client(t, nil), request(t, in, strings.NewReader(body), compressed))
		if status != want || status == 503 && (header.Get("Retry-After") == "" || !strings.Contains(text, "smaller window")) {
			t.Errorf("%s is answered %d %s, want %d", what, status, text, want)
		}
	}
	upload("one more", whole, 503)
	upload("a second frame with a large window", zstdOf(t, sample)+whole, 503)
	upload("one with a small window", zstdOf(t, sample), 202)
	for _, w := range bodies {
		if _, err := io.WriteString(w, zstdOf(t, "\n\n")); err != nil {
			t.Error(err)
		}
		w.Close()
		if status := <-answers; status != 202 {
			t.Errorf("answered %d", status)
		}
	}
	inputtest.Eventually(t, "the memory to be free", func() bool { return in.memory.windows.Load() == 0 })
	upload("one later", whole, 202)
}

func TestMuchThatIsDecompressedFromLittleIsRefused(t *testing.T) {
	s := &sink{}
	in, _ := start(t, Config{}, s)
	var equal strings.Builder // but for what entries always differ in
	for i := range 4000 {
		equal.WriteString(export(kv{"__CURSOR", cursorOf(journalS, bootA, i+1, i)}, kv{"MESSAGE", strings.Repeat("x", 1000)}))
	}
	f := func(text string, want int) {
		t.Helper()
		body := zstdOf(t, text)
		status, answer, _ := post(t, client(t, nil), request(t, in, strings.NewReader(body), func(r *http.Request) { r.Header.Set("Content-Encoding", "zstd") }))
		if status != want || status == 422 && !strings.Contains(answer, "1000 octets are made of one") {
			t.Errorf("%d octets in %d, %.20q…: answered %d %s, want %d", len(text), len(body), text, status, answer, want)
		}
	}
	f(equal.String(), 202)
	f(strings.Repeat("\n", freeOctets), 202)
	f(strings.Repeat("\n", 2*freeOctets), 422)
	zeros := make([]byte, 64<<20)
	f("__CURSOR="+cursorOf(journalS, bootA, 5000, 1)+"\nCOREDUMP\n"+string(binary.LittleEndian.AppendUint64(nil, uint64(len(zeros))))+string(zeros)+"\nMESSAGE=x\n\n", 202)
}

func TestUploadsHoldLittleTogetherWhereNothingCanBeStored(t *testing.T) {
	s := &sink{gate: make(chan struct{})}
	in, stop := start(t, Config{}, s)
	entry := export(kv{"MESSAGE", strings.Repeat("x", 1000)})
	const uploads, entries = 100, 1000
	answers := make(chan int, uploads)
	for range uploads {
		go func() {
			status, _, _ := post(t, client(t, nil), request(t, in, strings.NewReader(strings.Repeat(entry, entries)), nil))
			answers <- status
		}()
	}
	last := int64(-1)
	inputtest.Eventually(t, "the clients to stand still", func() bool {
		before := last
		time.Sleep(100 * time.Millisecond)
		last = in.memory.queued.Load()
		return last == before && last > 0
	})
	if most := int64(maxQueued + uploads*2*(littleOctets+littleEntries*perEntry)); last > most {
		t.Errorf("%d octets are held, want at most %d", last, most)
	}
	close(s.gate)
	for range uploads {
		if status := <-answers; status != 202 {
			t.Errorf("answered %d", status)
		}
	}
	if n := len(s.all()); n != uploads*entries {
		t.Errorf("%d entries are stored, want %d", n, uploads*entries)
	}
	stop()
	if n := in.memory.queued.Load(); n != 0 {
		t.Errorf("%d octets are counted as held at the end", n)
	}
}
