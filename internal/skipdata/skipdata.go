// Package skipdata makes and reads what the log keeps about each block of a full
// segment so that a search can pass over it, or count its events without reading
// it: which severities and facilities its events have, how many of each, of each
// host and app and in each minute, and which words may stand in them.
//
// # Format
//
// Version 2. A reader that does not know the version takes the data as none.
//
//	0        1            2            5                 6        10
//	+--------+------------+------------+-----------------+--------+-----------+------------+
//	| 2      | severities | facilities | hash functions  | length | tally ... | filter ... |
//	+--------+------------+------------+-----------------+--------+-----------+------------+
//
// Severities is a set of bits, bit 0 for emerg; so is facilities, little endian, bit
// 0 for kern. Length, little endian, is that of the tally, described at Tally. The
// rest is a Bloom filter of the words, to the end; without it any word may stand in
// the block. Version 1 is the same without length and tally.
//
// A word is a run of characters for which IsWord holds, in lower case (the simple
// mapping of Unicode, rune by rune). Words are taken from hostname, app name,
// procid, msgid, structured data and text of each event, each for itself, from
// input, identity and path, and from the name of the host that a document shows:
// the input's, the address of the peer or "unknown" where the message has none.
//
// The hash of a word is FNV-1a of 64 bits over its UTF-8, finished with the mixer of
// splitmix64 and with its highest bit set. Hash function i sets bit (hash + i·(hash>>32 | 1)) mod m, in 64 bits,
// of the m bits of the filter; bit n is bit n mod 8 of octet n/8.
package skipdata

import (
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

const (
	version    = 2
	headerSize = 10
	// Version 1 has no tally.
	version1    = 1
	headerSize1 = 6
	// hashes is right for bitsPerWord: one word in 120 that is not in a block
	// seems to be.
	hashes      = 7
	bitsPerWord = 10
	// MaxSize is the most octets of the data of one block. A filter of more than
	// 50 000 words is as long as that allows, and lets more through.
	MaxSize = 60 << 10
)

// IsWord tells whether r is part of words: letters, digits, marks and the
// underscore.
func IsWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M)
}

// Word is the hash of a word.
type Word uint64

const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// finish spreads a sum over all bits. The highest is always set: no word is 0.
func finish(sum uint64) Word {
	sum = (sum ^ sum>>30) * 0xbf58476d1ce4e5b9
	sum = (sum ^ sum>>27) * 0x94d049bb133111eb
	return Word(sum ^ sum>>31 | 1<<63)
}

// lowered is the lower case of ASCII octets that are part of words; 0 for others.
var lowered = func() (t [utf8.RuneSelf]byte) {
	for c := range t {
		if IsWord(rune(c)) {
			t[c] = byte(unicode.ToLower(rune(c)))
		}
	}
	return t
}()

// eachWord calls f for each word of text; start and end are its place.
func eachWord(text []byte, f func(w Word, start, end int)) {
	sum, start := uint64(fnvOffset), -1
	for i := 0; i < len(text); {
		c, size := text[i], 1
		if c < utf8.RuneSelf {
			if c = lowered[c]; c != 0 {
				if start < 0 {
					start = i
				}
				sum = (sum ^ uint64(c)) * fnvPrime
				i++
				continue
			}
		} else {
			var r rune
			if r, size = utf8.DecodeRune(text[i:]); IsWord(r) {
				if start < 0 {
					start = i
				}
				var buf [utf8.UTFMax]byte
				for _, c := range buf[:utf8.EncodeRune(buf[:], unicode.ToLower(r))] {
					sum = (sum ^ uint64(c)) * fnvPrime
				}
				i += size
				continue
			}
		}
		if start >= 0 {
			f(finish(sum), start, i)
			sum, start = fnvOffset, -1
		}
		i += size
	}
	if start >= 0 {
		f(finish(sum), start, len(text))
	}
}

// Words appends the words that stand in every text that contains the given one.
// openStart and openEnd tell that its first and last word may go on there.
func Words(dst []Word, text []byte, openStart, openEnd bool) []Word {
	eachWord(text, func(w Word, start, end int) {
		if !(openStart && start == 0) && !(openEnd && end == len(text)) {
			dst = append(dst, w)
		}
	})
	return dst
}

// Block is what is known of a block. The zero Block is one without events.
type Block struct {
	// Severities and Facilities are the sets of those that events have.
	Severities, Facilities uint32

	hashes int
	filter []byte
	any    bool // without a filter
	tally  []byte
}

// Parse reads the data of a block; b is borrowed. false: nothing is known.
func Parse(b []byte) (Block, bool) {
	if len(b) < headerSize1 || b[5] == 0 || b[5] > 32 {
		return Block{}, false
	}
	block := Block{
		Severities: uint32(b[1]),
		Facilities: uint32(b[2]) | uint32(b[3])<<8 | uint32(b[4])<<16,
		hashes:     int(b[5]),
	}
	switch b[0] {
	case version1:
		block.filter = b[headerSize1:]
	case version:
		if len(b) < headerSize {
			return Block{}, false
		}
		length := binary.LittleEndian.Uint32(b[6:])
		if uint64(length) > uint64(len(b)-headerSize) {
			return Block{}, false
		}
		block.tally, block.filter = b[headerSize:headerSize+length], b[headerSize+length:]
	default:
		return Block{}, false
	}
	block.any = len(block.filter) == 0
	return block, true
}

// May tells whether an event of the block may hold the word. Without a filter all
// may.
func (b *Block) May(w Word) bool {
	if b.any {
		return true
	}
	m := uint64(len(b.filter)) * 8
	if m == 0 {
		return false
	}
	for i := range uint64(b.hashes) {
		at := w.bit(i, m)
		if b.filter[at/8]&(1<<(at%8)) == 0 {
			return false
		}
	}
	return true
}

// bit is where hash function i of a filter of m bits puts w.
func (w Word) bit(i, m uint64) uint64 { return (uint64(w) + i*(uint64(w)>>32|1)) % m }
