package syslog

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"
)

// ID identifies an event for all its life. The first Syslane that accepts a
// message makes it, and it travels with the event over every link; it is the
// _id of the document in Elasticsearch.
//
//	octets 0-7    receive time, nanoseconds since the Unix epoch, big-endian
//	octets 8-11   node: the first four octets of the log's identity
//	octets 12-15  a counter of the process, big-endian, started at random
//
// So ids sort by receive time, and no two events share one unless a node counts
// through 2³² messages within a nanosecond of its clock.
type ID [16]byte

// idEncoding keeps the order of the octets in the order of the text.
var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// IDTextLen is the length of an ID's text form in octets.
const IDTextLen = 26

// String returns the text form: 26 characters of base32hex, which sort as the ids do.
func (id ID) String() string { return string(id.AppendText(nil)) }

// AppendText appends the text form to dst.
func (id ID) AppendText(dst []byte) []byte {
	// Eight characters are made of 40 bits at a time: of 128 bits, the last two
	// characters have eight.
	hi, lo := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	n := len(dst)
	dst = append(dst, "00000000000000000000000000"...) // room for IDTextLen octets
	text := dst[n : n+IDTextLen]
	binary.BigEndian.PutUint64(text[0:], base32hex(hi>>24))
	binary.BigEndian.PutUint64(text[8:], base32hex(hi<<16|lo>>48))
	binary.BigEndian.PutUint64(text[16:], base32hex(lo>>8))
	rest := base32hex(lo << 32)
	text[24], text[25] = byte(rest>>56), byte(rest>>48)
	return dst
}

// base32hex returns the low 40 bits of v as eight characters, the first of them in
// the highest octet.
func base32hex(v uint64) uint64 {
	const ones = 0x0101010101010101
	// Spread the bits, halving: 20 to each 32, 10 to each 16, 5 to each octet.
	v = v<<12&0x000fffff00000000 | v&0xfffff
	v = v<<6&0x03ff000003ff0000 | v&0x000003ff000003ff
	v = v<<3&0x1f001f001f001f00 | v&0x001f001f001f001f
	letters := (v + (128-10)*ones) >> 7 & ones // 1 for each that is above 9
	return v + '0'*ones + letters*('A'-'9'-1)
}

// ParseID reads the text form of an ID.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != IDTextLen {
		return id, fmt.Errorf("event id %q: want %d characters of base32hex", s, IDTextLen)
	}
	if _, err := idEncoding.Decode(id[:], []byte(s)); err != nil {
		return id, fmt.Errorf("event id %q: want %d characters of base32hex", s, IDTextLen)
	}
	return id, nil
}

// MakeID puts an ID together.
func MakeID(received time.Time, node [4]byte, count uint32) ID {
	var id ID
	binary.BigEndian.PutUint64(id[:8], uint64(received.UnixNano()))
	copy(id[8:12], node[:])
	binary.BigEndian.PutUint32(id[12:], count)
	return id
}

// Plus returns the ID of the event that is n further in the count.
func (id ID) Plus(n uint32) ID {
	binary.BigEndian.PutUint32(id[12:], binary.BigEndian.Uint32(id[12:])+n)
	return id
}

// Received returns when the first Syslane accepted the message.
func (id ID) Received() time.Time { return time.Unix(0, id.ReceivedNano()).UTC() }

// ReceivedNano returns the receive time in nanoseconds since the Unix epoch.
func (id ID) ReceivedNano() int64 { return int64(binary.BigEndian.Uint64(id[:8])) }

// RecordID reads no more of an encoded event than its id; the zero ID where b is
// too short to be one.
func RecordID(b []byte) (id ID) {
	if len(b) >= 3+len(id) {
		copy(id[:], b[3:])
	}
	return id
}
