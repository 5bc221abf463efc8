package syslog

import "encoding/binary"

// A run of records is how events stand in a block of the log and in a batch on
// the link: each record a uvarint length and that many octets.

// AppendRecord appends e as one record to dst.
func AppendRecord(dst []byte, e *Event) []byte {
	// The length is not known before the event is encoded. Five octets hold any
	// length up to 2³¹ when written as a non-minimal uvarint, but most events
	// need two: encode behind a gap of two and move only the rare long one.
	mark := len(dst)
	dst = append(dst, 0, 0)
	dst = e.AppendTo(dst)
	n := len(dst) - mark - 2
	if n < 1<<14 {
		dst[mark], dst[mark+1] = byte(n)|0x80, byte(n>>7)
		return dst
	}
	var width [binary.MaxVarintLen64]byte
	w := binary.PutUvarint(width[:], uint64(n))
	dst = append(dst, width[:w-2]...)
	copy(dst[mark+w:], dst[mark+2:mark+2+n])
	copy(dst[mark:], width[:w])
	return dst
}

// AppendEncoded appends an event that is encoded already as a record to a run.
func AppendEncoded(dst, event []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(event))), event...)
}

// NextRecord splits the first record off a run. It returns nil, nil where the
// run is empty or damaged; rest is nil only then.
func NextRecord(run []byte) (record, rest []byte) {
	n, w := binary.Uvarint(run)
	if w <= 0 || n > uint64(len(run)-w) {
		return nil, nil
	}
	end := w + int(n)
	return run[w:end:end], run[end:]
}

// CountRecords returns the number of records in run, and whether run consists of
// whole records only.
func CountRecords(run []byte) (n int, ok bool) {
	for len(run) > 0 {
		var rec []byte
		if rec, run = NextRecord(run); rec == nil {
			return n, false
		}
		n++
	}
	return n, true
}
