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
func (id ID) AppendText(dst []byte) []byte { return idEncoding.AppendEncode(dst, id[:]) }

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
