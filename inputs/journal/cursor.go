package journal

import (
	"bytes"
	"crypto/sha256"
	"math"

	"github.com/syslane/syslane/inputs"
)

// journals follows the journals of which one connection brings entries.
type journals struct {
	// sender is who is at the other end, as nobody else can be.
	sender string
	known  map[journalID]*journal
}

// journalID is s and b of a cursor, as they stand there.
type journalID [2 * idSize]byte

// idSize is the length of an id of 128 bits in hexadecimal digits.
const idSize = 32

// journal is one journal and boot.
type journal struct {
	sequence inputs.SequenceID
	// last is the number of the entry that came last; 0 for none.
	last uint64
}

// place returns the place of the entry with this cursor, and the zero Place
// where it tells none:
//
//	s=<128 bits>;i=<number>;b=<128 bits>;m=<µs>;t=<µs>;x=<64 bits>    all hexadecimal
func (js *journals) place(cursor []byte) inputs.Place {
	var id journalID
	var p inputs.Place
	const (
		haveS = 1 << iota
		haveI
		haveB
		haveT
		all = haveS | haveI | haveB | haveT
	)
	have := 0
	for part := range bytes.SplitSeq(cursor, []byte{';'}) {
		if len(part) < 2 || part[1] != '=' {
			continue
		}
		value := part[2:]
		switch part[0] {
		case 's':
			if len(value) == idSize {
				have |= haveS
				copy(id[:idSize], value)
			}
		case 'b':
			if len(value) == idSize {
				have |= haveB
				copy(id[idSize:], value)
			}
		case 'i':
			if n, ok := number(value, 16); ok && n > 0 && n < math.MaxInt64 {
				have |= haveI
				p.Number = n
			}
		case 't':
			if n, ok := number(value, 16); ok && n <= math.MaxInt64 {
				have |= haveT
				p.Time = int64(n)
			}
		}
	}
	if have != all {
		return inputs.Place{}
	}
	j := js.known[id]
	if j == nil {
		if len(js.known) >= maxJournals {
			clear(js.known)
		}
		j = &journal{sequence: js.sequenceID(&id)}
		js.known[id] = j
	}
	p.Sequence, p.After = j.sequence, j.last
	j.last = p.Number
	return p
}

func (js *journals) sequenceID(id *journalID) inputs.SequenceID {
	digest := sha256.New()
	digest.Write([]byte("journal\x00"))
	digest.Write([]byte(js.sender))
	digest.Write([]byte{0})
	digest.Write(id[:])
	return inputs.SequenceID(digest.Sum(nil))
}

// number reads an unsigned number of digits alone.
func number(b []byte, base uint64) (n uint64, ok bool) {
	if len(b) == 0 || len(b) > 20 {
		return 0, false
	}
	for _, c := range b {
		d := uint64(math.MaxUint64)
		switch {
		case c >= '0' && c <= '9':
			d = uint64(c - '0')
		case c >= 'a' && c <= 'f':
			d = uint64(c-'a') + 10
		case c >= 'A' && c <= 'F':
			d = uint64(c-'A') + 10
		}
		if d >= base || n > (math.MaxUint64-d)/base {
			return 0, false
		}
		n = n*base + d
	}
	return n, true
}
