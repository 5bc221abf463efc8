package syslog

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// found is a message as a test sees it.
type found struct {
	Text     string
	Warnings Warnings
}

// frameAll runs a stream through a Framer that is shown the octets in the pieces
// that next cuts off, in a buffer no larger than MinBuffer demands.
func frameAll(t testing.TB, f *Framer, stream []byte, next func(left int) int) (all []found, err error) {
	t.Helper()
	var buf []byte
	for len(stream) > 0 {
		n := min(next(len(stream)), len(stream))
		buf, stream = append(buf, stream[:n]...), stream[n:]
		for {
			msg, w, consumed, ok, err := f.Next(buf)
			if consumed < 0 || consumed > len(buf) {
				t.Fatalf("consumed %d of %d octets", consumed, len(buf))
			}
			if ok {
				all = append(all, found{string(msg.Of(buf)), w})
			}
			buf = buf[consumed:]
			if err != nil {
				return all, err
			}
			if !ok {
				break
			}
		}
		if len(buf) >= f.MinBuffer() {
			t.Fatalf("%d octets left unconsumed, MinBuffer is %d", len(buf), f.MinBuffer())
		}
	}
	if msg, w, ok := f.Finish(buf); ok {
		all = append(all, found{string(msg.Of(buf)), w})
	}
	return all, nil
}

func TestFramingsAreToldApartFrameByFrame(t *testing.T) {
	f := func(stream string, want ...found) {
		t.Helper()
		for _, size := range []int{1, 2, 3, 7, 1 << 20} {
			framer := NewFramer(FramingAuto, 40)
			got, err := frameAll(t, framer, []byte(stream), func(int) int { return size })
			if err != nil {
				t.Errorf("%q in pieces of %d: %v", stream, size, err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%q in pieces of %d:\n got %v\nwant %v", stream, size, got, want)
			}
		}
	}
	ok := func(s string) found { return found{s, 0} }

	// each framing by itself
	f("<13>a\n<13>b\n", ok("<13>a"), ok("<13>b"))
	f("<13>a\r\n<13>b\r\n", ok("<13>a"), ok("<13>b"))
	f("<13>a\x00<13>b\x00", ok("<13>a"), ok("<13>b"))
	f("5 <13>a5 <13>b", ok("<13>a"), ok("<13>b"))
	// all on one connection
	f("5 <13>a<13>b\n<13>c\r\n<13>d\x006 <13>ee<13>f\n", ok("<13>a"), ok("<13>b"), ok("<13>c"), ok("<13>d"), ok("<13>ee"), ok("<13>f"))
	// delimiters within a counted message belong to it, one behind it does not
	f("9 <13>a\nb\x00c7 <13>a\r\n6 <13>b\n6 <13>c\x00", ok("<13>a\nb\x00c"), ok("<13>a"), ok("<13>b"), ok("<13>c"))
	f("7 <13>a\n\n<13>b\n", ok("<13>a\n"), ok("<13>b"))
	// octets between counted frames
	f("5 <13>a\n5 <13>b\r\n\x005 <13>c", ok("<13>a"), ok("<13>b"), ok("<13>c"))
	// empty lines are no messages
	f("\n\n\r\n\x00<13>a\n\n\x00\n<13>b\n\n", ok("<13>a"), ok("<13>b"))
	// a CR is part of the line unless a line feed follows
	f("a\rb\r\r\n\rc\x00", ok("a\rb\r"), ok("\rc"))
}

func TestLinesThatBeginWithDigitsDoNotSwallowWhatFollows(t *testing.T) {
	f := func(stream string, want ...found) {
		t.Helper()
		for size := 1; size <= len(stream); size++ {
			got, err := frameAll(t, NewFramer(FramingAuto, 60), []byte(stream), func(int) int { return size })
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q in pieces of %d:\n got %v %v\nwant %v", stream, size, got, err, want)
			}
		}
	}
	ok := func(s string) found { return found{s, 0} }

	f("2024-05-01T00:00:00Z host app: x\n<13>a\n", ok("2024-05-01T00:00:00Z host app: x"), ok("<13>a"))
	f("10 errors found\n<13>a\n", ok("10 errors found"), ok("<13>a"))
	f("1714550400 host app: x\n<13>a\n", ok("1714550400 host app: x"), ok("<13>a"))
	f("3 10 20 30\n123\n0\n5 <b>\n5<6\n7<13>", ok("3 10 20 30"), ok("123"), ok("0"), ok("5 <b>"), ok("5<6"),
		found{"7<13>", WarnBadCount | WarnUnterminated})
	f("123456789012345678901234567890 <13>x\n<13>a\n", ok("123456789012345678901234567890 <13>x"), ok("<13>a"))
	// once the connection has counted, a count is one without a PRI, too
	f("5 <13>a10 errors fou<13>b\n", ok("<13>a"), ok("errors fou"), ok("<13>b"))
}

func TestBrokenCountsResynchronise(t *testing.T) {
	f := func(stream string, want ...found) {
		t.Helper()
		for size := 1; size <= len(stream); size++ {
			got, err := frameAll(t, NewFramer(FramingAuto, 60), []byte(stream), func(int) int { return size })
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q in pieces of %d:\n got %v %v\nwant %v", stream, size, got, err, want)
			}
		}
	}
	ok := func(s string) found { return found{s, 0} }
	bad := func(s string) found { return found{s, WarnBadCount} }

	// too large, leading zero, no space; lines follow
	f("99999999999 <13>a\n<13>b\n", bad("99999999999 <13>a"), ok("<13>b"))
	f("007 <13>a\n<13>b\n", bad("007 <13>a"), ok("<13>b"))
	f("5<13>a\n<13>b\n", bad("5<13>a"), ok("<13>b"))
	// the same where counted frames follow without a line feed anywhere
	f("99999999999 <13>a5 <13>b5 <13>c", bad("99999999999 <13>a"), ok("<13>b"), ok("<13>c"))
	f("007 <13>a5 <13>b", bad("007 <13>a"), ok("<13>b"))
	f("5<13>a5 <13>b", bad("5<13>a"), ok("<13>b"))
	// a sender that counts characters and sends UTF-8: two octets too few
	f("5 <13>a8 <13>häöa5 <13>b5 <13>c", ok("<13>a"), ok("<13>hä\xc3"), bad("\xb6a"), ok("<13>b"), ok("<13>c"))
}

func (f found) String() string { return fmt.Sprintf("%q%v", f.Text, f.Warnings.Names(nil)) }

func TestLongMessagesAreCutAndTheirTailIsDiscarded(t *testing.T) {
	const size = 40
	x := strings.Repeat("x", size-4)
	f := func(stream string, want []found, discarded int) {
		t.Helper()
		for _, piece := range []int{1, 2, 3, 5, 39, 40, 41, 42, 1 << 20} {
			framer := NewFramer(FramingAuto, size)
			got, err := frameAll(t, framer, []byte(stream), func(int) int { return piece })
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q in pieces of %d:\n got %v %v\nwant %v", stream, piece, got, err, want)
			}
			if framer.Stats.Discarded != discarded {
				t.Fatalf("%q in pieces of %d: discarded %d, want %d", stream, piece, framer.Stats.Discarded, discarded)
			}
		}
	}
	whole, cut, next := found{"<13>" + x, 0}, found{"<13>" + x, WarnTruncated}, found{"<13>n", 0}

	for _, end := range []string{"\n", "\r\n", "\x00"} {
		f("<13>"+x+end+"<13>n"+end, []found{whole, next}, 0)
		f("<13>"+x+"y"+end+"<13>n"+end, []found{cut, next}, 1+len(end))
		f("<13>"+x+strings.Repeat(" 5 <13>y", 1000)+end+"<13>n"+end, []found{cut, next}, 8000+len(end))
	}
	f("40 <13>"+x+"5 <13>n", []found{whole, next}, 0)
	f("41 <13>"+x+"\n5 <13>n", []found{whole, next}, 0)
	f("42 <13>"+x+"\r\n5 <13>n", []found{whole, next}, 0)
	f("41 <13>"+x+"y5 <13>n", []found{cut, next}, 1)
	f("42 <13>"+x+"yz5 <13>n", []found{cut, next}, 2)
	f("8040 <13>"+x+strings.Repeat("\n<13>yyy", 1000)+"5 <13>n", []found{cut, next}, 8000)
	// the connection ends within the tail
	f("<13>"+x+"yyyyy", []found{cut}, 5)
	f("99999999 <13>"+x+"yyyyy", []found{cut}, 5)
}

func TestTheEndOfAConnectionCutsAMessage(t *testing.T) {
	f := func(stream string, want ...found) {
		t.Helper()
		for size := 1; size <= len(stream); size++ {
			got, err := frameAll(t, NewFramer(FramingAuto, 40), []byte(stream), func(int) int { return size })
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q in pieces of %d:\n got %v %v\nwant %v", stream, size, got, err, want)
			}
		}
	}
	ok := func(s string) found { return found{s, 0} }
	cut := func(s string) found { return found{s, WarnUnterminated} }
	f("<13>a\n<13>b", ok("<13>a"), cut("<13>b"))
	f("5 <13>a9 <13>b", ok("<13>a"), cut("<13>b"))
	f("5 <13>a9 ", ok("<13>a"))
	f("5 <13>a9", ok("<13>a"))
	f("9 <13>b", cut("<13>b"))
	f("9 ", cut("9 "))
	f("9", cut("9"))
}

func TestAStreamWithoutAnyBoundaryAfterAWrongCountIsGivenUp(t *testing.T) {
	framer := NewFramer(FramingAuto, 1000)
	stream := append([]byte("99999999999 <13>"), bytes.Repeat([]byte("x"), maxDoubt+2000)...)
	got, err := frameAll(t, framer, stream, func(int) int { return 64 << 10 })
	if !errors.Is(err, ErrFraming) {
		t.Errorf("error is %v, want %v", err, ErrFraming)
	}
	if len(got) != 1 || got[0].Warnings != WarnBadCount|WarnTruncated {
		t.Errorf("messages: %d", len(got))
	}
	if framer.Stats.Discarded != maxDoubt {
		t.Errorf("discarded %d, want %d", framer.Stats.Discarded, maxDoubt)
	}
}

func TestALongLineOnALineConnectionIsDiscardedToItsEnd(t *testing.T) {
	stream := append([]byte("<13>"), bytes.Repeat([]byte("x"), 2*maxDoubt)...)
	stream = append(stream, "\n<13>n\n"...)
	got, err := frameAll(t, NewFramer(FramingAuto, 1000), stream, func(int) int { return 1 << 20 })
	if err != nil || len(got) != 2 || got[1] != (found{"<13>n", 0}) {
		t.Errorf("%d messages, error %v", len(got), err)
	}
}

func TestOtherFramingModes(t *testing.T) {
	f := func(mode Framing, stream string, want ...found) {
		t.Helper()
		got, err := frameAll(t, NewFramer(mode, 40), []byte(stream), func(int) int { return 3 })
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v %q:\n got %v %v\nwant %v", mode, stream, got, err, want)
		}
	}
	f(FramingOctetCounting, "5 hello5 world<13>a\n", found{"hello", 0}, found{"world", 0}, found{"<13>a", 0})
	f(FramingNonTransparent, "5 <13>a\n6 b\n", found{"5 <13>a", 0}, found{"6 b", 0})
}

// randomStream makes a stream of all framings, some broken, from pieces that a
// generator picks.
func randomStream(r *rand.Rand) []byte {
	pieces := []string{"<13>", "5 <13>a", "12 <13>abc\ndef\n", "\n", "\r\n", "\x00", " <", " <1", "99999999999 ", "007 ", "3", "0", "x", "hello", "\r", " ",
		"300 <13>" + strings.Repeat("y", 300), strings.Repeat("z", 50), "41 <13>", "<", "1", "20 5 <13>"}
	var b []byte
	for range 1 + r.IntN(30) {
		b = append(b, pieces[r.IntN(len(pieces))]...)
	}
	return b
}

func TestAllSplitsOfAStreamGiveTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		checkSplits(t, randomStream(r), r)
	}
}

func FuzzFramer(f *testing.F) {
	for i := range uint64(20) {
		f.Add(randomStream(rand.New(rand.NewPCG(i, i))), i)
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64) {
		checkSplits(t, stream, rand.New(rand.NewPCG(seed, 1)))
	})
}

// checkSplits compares the messages and the counters of one stream in several
// ways of splitting it.
func checkSplits(t *testing.T, stream []byte, r *rand.Rand) {
	t.Helper()
	for _, mode := range []Framing{FramingAuto, FramingOctetCounting, FramingNonTransparent} {
		whole := NewFramer(mode, 40)
		want, _ := frameAll(t, whole, stream, func(left int) int { return left })
		octets := whole.Stats.Discarded
		for _, m := range want {
			if octets += len(m.Text); len(m.Text) == 0 || len(m.Text) > 40 {
				t.Fatalf("%v %q: message of %d octets", mode, stream, len(m.Text))
			}
		}
		if octets > len(stream) {
			t.Fatalf("%v %q: %d octets of messages and discarded ones", mode, stream, octets)
		}
		for _, next := range []func(int) int{
			func(int) int { return 1 },
			func(left int) int { return 1 + r.IntN(left) },
			func(int) int { return 1 + r.IntN(20) },
			func(int) int { return 60 },
		} {
			framer := NewFramer(mode, 40)
			got, _ := frameAll(t, framer, stream, next)
			if !reflect.DeepEqual(got, want) || framer.Stats != whole.Stats {
				t.Fatalf("%v %q:\n split %v %+v\n whole %v %+v", mode, stream, got, framer.Stats, want, whole.Stats)
			}
		}
	}
}

func TestTheFramerDoesNotAllocate(t *testing.T) {
	stream := []byte(strings.Repeat("<13>hello world\n15 <13>hello world<13>x\x00", 100))
	framer := NewFramer(FramingAuto, 0)
	if n := testing.AllocsPerRun(100, func() {
		for b := stream; ; {
			_, _, n, ok, _ := framer.Next(b)
			if b = b[n:]; !ok {
				break
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkFramer(b *testing.B) {
	msg := "<134>1 2024-05-01T12:00:00.123456Z host.example.net app 1234 ID47 - " + strings.Repeat("m", 220)
	for _, c := range []struct{ name, frame string }{
		{"lines", msg + "\n"}, {"nul", msg + "\x00"}, {"counted", fmt.Sprintf("%d %s", len(msg), msg)},
	} {
		b.Run(c.name, func(b *testing.B) {
			stream := []byte(strings.Repeat(c.frame, 800))
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for range b.N {
				framer := NewFramer(FramingAuto, 0)
				for s := stream; ; {
					_, _, n, ok, _ := framer.Next(s)
					if s = s[n:]; !ok {
						break
					}
				}
			}
		})
	}
}
