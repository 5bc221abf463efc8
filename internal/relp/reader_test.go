package relp

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// testLimit keeps ten octets of a "syslog" and refuses more than twenty of others.
func testLimit(command []byte) (int, bool) {
	if string(command) == CmdSyslog {
		return 10, true
	}
	return 20, false
}

// frames reads all frames in a stream and writes them down.
func frames(r *Reader, src io.Reader) (string, error) {
	var got strings.Builder
	for {
		f, ok, err := r.Next()
		switch {
		case err != nil:
			return got.String(), err
		case ok:
			fmt.Fprintf(&got, "%d %s %q+%d;", f.Txnr, f.Command, f.Data, f.Cut)
		default:
			if n, err := r.Fill(src); n == 0 && err != nil {
				if r.Buffered() > 0 {
					return got.String(), io.ErrUnexpectedEOF
				}
				return got.String(), nil
			}
		}
	}
}

func TestFrames(t *testing.T) {
	f := func(stream, want string, wantErr error) {
		t.Helper()
		for name, src := range map[string]io.Reader{
			"whole":    strings.NewReader(stream),
			"by octet": iotest.OneByteReader(strings.NewReader(stream)),
			"by half":  iotest.HalfReader(strings.NewReader(stream)),
			"with EOF": iotest.DataErrReader(strings.NewReader(stream)),
		} {
			got, err := frames(NewReader(testLimit), src)
			if got != want || !errors.Is(err, wantErr) {
				t.Errorf("%q %s: got %s (%v), want %s (%v)", stream, name, got, err, want, wantErr)
			}
		}
	}
	f("", "", nil)
	f("1 open 0\n", `1 open ""+0;`, nil)
	f("1 open 0 \n", `1 open ""+0;`, nil)
	f("1 open 3 a=b\n2 close 0\n", `1 open "a=b"+0;2 close ""+0;`, nil)
	f("999999999 syslog 2 \n\n\n", `999999999 syslog "\n\n"+0;`, nil)
	f("0 serverclose 0\n", `0 serverclose ""+0;`, nil)
	f("1 "+strings.Repeat("x", 32)+" 0\n", "1 "+strings.Repeat("x", 32)+` ""+0;`, nil)
	f("1 syslog 10 0123456789\n", `1 syslog "0123456789"+0;`, nil)
	f("1 syslog 11 0123456789a\n2 syslog 1 x\n", `1 syslog "0123456789"+1;2 syslog "x"+0;`, nil)
	f("1 syslog 25 0123456789\n2 syslog 3 no\n\n2 syslog 1 x\n", `1 syslog "0123456789"+15;2 syslog "x"+0;`, nil)

	f("1 open 3 a=", "", io.ErrUnexpectedEOF)
	f("1 syslog 999999999 abc", "", io.ErrUnexpectedEOF)
	f("1 syslog 999999999 0123456789abc", "", io.ErrUnexpectedEOF)
	f("1", "", io.ErrUnexpectedEOF)

	f("x", "", ErrTxnr)
	f(" 1 open 0\n", "", ErrTxnr)
	f("-1 open 0\n", "", ErrTxnr)
	f("1234567890 open 0\n", "", ErrTxnr)
	f("1\topen 0\n", "", ErrTxnr)
	f("1  0\n", "", ErrCommand)
	f("1 op3n 0\n", "", ErrCommand)
	f("1 "+strings.Repeat("x", 33)+" 0\n", "", ErrCommand)
	f("1 "+strings.Repeat("x", 1000), "", ErrCommand)
	f("1 open -1\n", "", ErrDataLen)
	f("1 open x\n", "", ErrDataLen)
	f("1 open 1\nx\n", "", ErrDataLen)
	f("1 open 1234567890 ", "", ErrDataLen)
	f("1 open 1 ab\n", "", ErrTrailer)
	f("1 open 0x\n", "", ErrTrailer)
	f("1 syslog 11 0123456789ab\n", "", ErrTrailer)
	f("1 open 21 ", "", ErrOversize)
	f("1 open 999999999 ", "", ErrOversize)
	f("1 open 0\nGET / HTTP/1.0\r\n", `1 open ""+0;`, ErrTxnr)
}

func TestReaderKeepsNoMoreThanALongFrameNeeds(t *testing.T) {
	r := NewReader(func([]byte) (int, bool) { return 1 << 20, false })
	long := AppendFrame(nil, 1, CmdBatch, make([]byte, 1<<20))
	for range 3 {
		if _, err := frames(r, strings.NewReader(string(long))); err != nil {
			t.Fatal(err)
		}
		if len(r.buf) > 3<<20 {
			t.Fatalf("buffer has %d octets for a frame of %d", len(r.buf), len(long))
		}
	}
	if _, err := frames(r, strings.NewReader("2 close 0\n")); err != nil || len(r.buf) > maxIdleBuffer {
		t.Fatalf("buffer keeps %d octets (%v)", len(r.buf), err)
	}
}

func TestReadingAllocatesNothingPerFrame(t *testing.T) {
	stream := strings.Repeat("123 syslog 10 0123456789\n", 1000)
	r := NewReader(testLimit)
	src := strings.NewReader(stream)
	n := 0
	read := func() {
		src.Reset(stream)
		for {
			if _, ok, _ := r.Next(); ok {
				n++
			} else if k, _ := r.Fill(src); k == 0 {
				return
			}
		}
	}
	read()
	if allocs := testing.AllocsPerRun(10, read); allocs > 0 {
		t.Errorf("%v allocations for 1000 frames", allocs)
	}
	if n != 12_000 {
		t.Errorf("read %d frames", n)
	}
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"1 open 3 a=b\n2 syslog 25 0123456789\n2 syslog 3 no\n\n\n0 serverclose 0\n",
		"1 syslog 999999999 0123456789abcdefghijkl", "999999999 rsp 6 200 OK\n", "1 open 0 \n", "1 batch 99999999999",
	} {
		f.Add([]byte(s), byte(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, cut byte) {
		// However the stream is cut, the frames are the same.
		whole, wholeErr := frames(NewReader(testLimit), strings.NewReader(string(stream)))
		r := NewReader(testLimit)
		pieces, piecesErr := frames(r, &pieceReader{stream, int(cut)%7 + 1})
		if whole != pieces || !errors.Is(piecesErr, wholeErr) {
			t.Fatalf("whole: %s (%v), in pieces: %s (%v)", whole, wholeErr, pieces, piecesErr)
		}
		if len(r.buf) > maxIdleBuffer {
			t.Fatalf("the buffer grew to %d", len(r.buf))
		}
	})
}

// pieceReader gives n octets a read.
type pieceReader struct {
	b []byte
	n int
}

func (p *pieceReader) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}
