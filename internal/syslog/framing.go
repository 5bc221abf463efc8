package syslog

import (
	"bytes"
	"errors"
	"fmt"
)

// Transport framing of syslog over a stream: RFC 6587, and RFC 5425 §4.3 within
// TLS. There are two framings, and senders may change between them from one
// frame to the next:
//
//	octet counting     MSG-LEN SP MSG             RFC 6587 §3.4.1
//	non-transparent    MSG LF | MSG CR LF | MSG NUL   RFC 6587 §3.4.2
//
// MSG-LEN has no leading zero and at most maxCountDigits digits. RFC 6587 tells
// the framings apart by the first octet: a digit is a count. Text lines that
// begin with a digit ("2024-05-01T…", "10 errors found") are sent too, and a
// number that is no count would swallow what follows it. So FramingAuto believes
// a count
//
//   - where a PRI follows it ("<13>"), as in every message of RFC 5424 and 3164, or
//   - where the connection has brought a counted frame before;
//
// everything else is a line. A count that should be believed and cannot be (a
// leading zero, too many digits, no space) is broken: the frame is taken as a
// line, count and all, and flagged WarnBadCount.
//
// After a broken count, and within a line that does not begin with "<" on a
// connection that has counted before, the position in the stream is in doubt.
// Such a line ends not only at LF or NUL, but also before what looks like the
// start of a counted frame that fits max_message_size: digits SP PRI. So
// one wrong count costs the message it stood before and, as a rule, no other.
// Where the stream holds neither, the line is cut at the maximal size, and no
// more than maxDoubt octets are discarded before ErrFraming gives the connection
// up.
//
// A message ends before one trailing LF, CR LF or NUL, whichever framing it has:
// many senders count their line feed. Frames without content are skipped.

// Framing says which framings are looked for.
type Framing uint8

const (
	// FramingAuto tells the framings apart frame by frame.
	FramingAuto Framing = iota
	// FramingOctetCounting takes every frame that begins with a digit as
	// counted, as RFC 6587 has it: for senders that count messages without PRI.
	FramingOctetCounting
	// FramingNonTransparent never looks for a count.
	FramingNonTransparent
)

var framingNames = [...]string{"auto", "octet-counting", "non-transparent"}

// String returns the name that the configuration uses.
func (f Framing) String() string { return framingNames[f] }

// ParseFraming reads a framing's name; "" is "auto".
func ParseFraming(s string) (Framing, error) {
	for i, name := range framingNames {
		if s == name || s == "" {
			return Framing(i), nil
		}
	}
	return 0, fmt.Errorf("framing %q: want \"auto\", \"octet-counting\" or \"non-transparent\"", s)
}

// DefaultMaxMessageSize is the longest message, in octets, that inputs take
// where the configuration does not say otherwise.
const DefaultMaxMessageSize = 64 << 10

const (
	// maxCountDigits is how many digits a believable count has: below 100 MB.
	maxCountDigits = 8
	// maxDigits is how many digits at the start of a frame are looked at.
	maxDigits = 20
	// maxPriority is the length of SP and the longest PRI.
	maxPriority = 6
	// maxTrailer is the longest trailer that is not part of a message: CR LF.
	maxTrailer = 2
	// maxDoubt is how many octets are discarded in search of the end of a line
	// on a connection whose counts cannot be trusted.
	maxDoubt = 16 << 20
)

// ErrFraming is returned where the stream gives no way to tell where the next
// message begins. The connection is to be closed; the peer will open another.
var ErrFraming = errors.New("position in the stream is lost after a wrong octet count")

// FramingStats count what a Framer met. The caller may reset them.
type FramingStats struct {
	Counted      int // frames with octet counting
	Lines        int // frames with a delimiter
	Empty        int // frames without content, skipped
	Truncated    int // messages cut at the maximal size
	BadCounts    int // messages flagged WarnBadCount
	Unterminated int // messages that the end of the connection cut
	Discarded    int // octets that belong to no message: the tails of truncated ones
}

// Framer finds the messages in the octets of one connection. It neither copies
// nor allocates: the caller keeps a buffer, hands the unconsumed octets to Next
// and gets back where in them a message lies. The result does not depend on how
// the stream is split into reads. The zero Framer is not usable; see NewFramer.
type Framer struct {
	Stats FramingStats

	mode    Framing
	max     int
	counted bool // a counted frame was seen
	skip    int  // octets of a counted frame's tail still to be discarded
	inTail  bool // discarding the tail of a line
	doubt   int  // octets of that tail that may still be discarded, -1 for any number
	lf, nul delimiter
	suspect int // octets of the present frame searched for the start of another
}

// NewFramer returns a Framer for a new connection. maxSize is the longest message
// in octets; 0 means DefaultMaxMessageSize.
func NewFramer(mode Framing, maxSize int) *Framer {
	if maxSize <= 0 {
		maxSize = DefaultMaxMessageSize
	}
	return &Framer{mode: mode, max: maxSize, lf: delimiter{c: '\n', at: -1}, nul: delimiter{c: 0, at: -1}}
}

// MinBuffer is the number of octets that Next may need to see at once.
func (f *Framer) MinBuffer() int { return f.max + maxTrailer + maxDigits + maxPriority }

// Next finds the first message in b, which begins with the octets that earlier
// calls did not consume. It returns the message's span in b, what was wrong with
// it, and the number of octets consumed, which the caller must not show again.
// ok is false where b holds no complete message: the rest, b[consumed:], is then
// shorter than MinBuffer and must be shown again with more octets behind it.
func (f *Framer) Next(b []byte) (msg Span, w Warnings, consumed int, ok bool, err error) {
	for {
		n, err := f.discard(b[consumed:])
		consumed += n
		if err != nil || consumed == len(b) {
			return Span{}, 0, consumed, false, err
		}
		if f.skip > 0 || f.inTail {
			continue
		}
		span, w, n := f.frame(b[consumed:])
		if n == 0 {
			return Span{}, 0, consumed, false, nil
		}
		f.advance(n)
		start := uint32(consumed)
		consumed += n
		if span.Empty() {
			f.Stats.Empty++
			continue
		}
		f.note(w)
		return Span{start + span.Start, start + span.End}, w, consumed, true, nil
	}
}

// Finish returns the message that the end of the connection cut, given the octets
// that Next left. A last line without its delimiter is normal with some senders;
// it is flagged WarnUnterminated all the same, since nobody can tell.
func (f *Framer) Finish(b []byte) (msg Span, w Warnings, ok bool) {
	if len(b) == 0 || f.skip > 0 || f.inTail {
		return Span{}, 0, false
	}
	start := 0
	if kind, header, _ := f.classify(b, true); kind == countedFrame {
		start = header
	} else if kind == brokenCount {
		w = WarnBadCount
	}
	end := trimTrailer(b, start, len(b))
	if end-start > f.max {
		f.Stats.Discarded += end - start - f.max
		end, w = start+f.max, w|WarnTruncated
	}
	if start == end {
		f.Stats.Discarded += start
		return Span{}, 0, false
	}
	w |= WarnUnterminated
	f.note(w)
	return Span{uint32(start), uint32(end)}, w, true
}

// frame looks at the frame that b begins with. It returns n = 0 where more
// octets are needed to tell.
func (f *Framer) frame(b []byte) (msg Span, w Warnings, n int) {
	kind, header, count := f.classify(b, false)
	switch kind {
	case needMore:
		return Span{}, 0, 0
	case countedFrame:
		return f.countedFrame(b, header, count)
	case brokenCount:
		w = WarnBadCount
	}
	return f.line(b, w)
}

// countedFrame cuts a frame of count octets after a header.
func (f *Framer) countedFrame(b []byte, header, count int) (msg Span, w Warnings, n int) {
	if count > f.max+maxTrailer {
		if len(b) < header+f.max {
			return Span{}, 0, 0
		}
		f.counted = true
		f.Stats.Counted++
		f.skip = count - f.max
		return Span{uint32(header), uint32(header + f.max)}, WarnTruncated, header + f.max
	}
	if len(b) < header+count {
		return Span{}, 0, 0
	}
	f.counted = true
	f.Stats.Counted++
	end := trimTrailer(b, header, header+count)
	if end > header+f.max {
		f.Stats.Discarded += end - header - f.max
		end, w = header+f.max, WarnTruncated
	}
	return Span{uint32(header), uint32(end)}, w, header + count
}

// line cuts a frame that ends with a delimiter or, where the stream is in doubt,
// before the start of a counted frame.
func (f *Framer) line(b []byte, w Warnings) (msg Span, _ Warnings, n int) {
	// The window holds the longest message and its trailer: an end beyond it
	// makes no difference, so that it makes none either whether it is in b.
	window := b[:min(len(b), f.max+maxTrailer)]
	end := f.lf.find(b)
	if nul := f.nul.find(b); nul >= 0 && (end < 0 || nul < end) {
		end = nul
	}
	if end >= len(window) {
		end = -1
	}
	if w&WarnBadCount != 0 || f.counted && b[0] != '<' && f.mode != FramingNonTransparent {
		limit := window
		if end >= 0 {
			limit = window[:end]
		}
		if next := f.findCounted(limit); next > 0 {
			f.Stats.Lines++
			return Span{0, uint32(trimTrailer(b, 0, next))}, w | WarnBadCount, next
		}
	}
	if end >= 0 {
		trimmed := trimTrailer(b, 0, end+1)
		if trimmed <= f.max {
			f.Stats.Lines++
			return Span{0, uint32(trimmed)}, w, end + 1
		}
	} else if len(window) < f.max+maxTrailer {
		return Span{}, 0, 0
	}
	f.Stats.Lines++
	f.inTail, f.doubt = true, -1
	if f.counted || w&WarnBadCount != 0 {
		f.doubt = maxDoubt
	}
	return Span{0, uint32(f.max)}, w | WarnTruncated, f.max
}

// discard consumes what is left of a message that was cut.
func (f *Framer) discard(b []byte) (n int, err error) {
	if f.skip > 0 {
		n = min(f.skip, len(b))
		f.skip -= n
	} else if f.inTail {
		n = len(b)
		if end := f.lf.find(b); end >= 0 {
			n, f.inTail = end+1, false
		}
		if end := f.nul.find(b); end >= 0 && end < n {
			n, f.inTail = end+1, false
		}
		if f.doubt >= 0 {
			if n > f.doubt {
				n, err = f.doubt, ErrFraming
			}
			f.doubt -= n
		}
	}
	f.Stats.Discarded += n
	f.advance(n)
	return n, err
}

// note counts what is wrong with a message.
func (f *Framer) note(w Warnings) {
	if w == 0 {
		return
	}
	if w&WarnTruncated != 0 {
		f.Stats.Truncated++
	}
	if w&WarnBadCount != 0 {
		f.Stats.BadCounts++
	}
	if w&WarnUnterminated != 0 {
		f.Stats.Unterminated++
	}
}

// advance moves what is known of the octets ahead to where n are consumed.
func (f *Framer) advance(n int) {
	f.lf.advance(n)
	f.nul.advance(n)
	if n > 0 {
		f.suspect = 0
	}
}

// trimTrailer returns the end of b[start:end] without one LF, CR LF or NUL.
func trimTrailer(b []byte, start, end int) int {
	switch {
	case end > start && b[end-1] == 0:
		end--
	case end > start && b[end-1] == '\n':
		end--
		if end > start && b[end-1] == '\r' {
			end--
		}
	}
	return end
}

// TrimTrailer returns b, a message that its transport delimits (a datagram),
// without the one LF, CR LF or NUL that many senders put behind it.
func TrimTrailer(b []byte) []byte { return b[:trimTrailer(b, 0, len(b))] }

// delimiter finds the next c ahead and remembers where it is, or how far there
// is none, so that each octet of a stream is looked at once.
type delimiter struct {
	c        byte
	at       int // where the next c is, -1 where that is not known
	searched int // octets without c, if at is -1
}

func (d *delimiter) find(b []byte) int {
	if d.at < 0 {
		if i := bytes.IndexByte(b[d.searched:], d.c); i >= 0 {
			d.at = d.searched + i
		} else {
			d.searched = len(b)
		}
	}
	return d.at
}

// advance tells that n octets were consumed.
func (d *delimiter) advance(n int) {
	switch {
	case d.at >= n:
		d.at -= n
	case d.at >= 0:
		d.at, d.searched = -1, 0
	default:
		d.searched = max(0, d.searched-n)
	}
}
