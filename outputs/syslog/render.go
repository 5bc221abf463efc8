package syslog

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// renderer makes frames of the events of a batch. Not safe for concurrent use.
type renderer struct {
	cfg     *Config
	metrics *metrics
	names   syslog.Interner
	event   syslog.Event
	scratch []byte
	// quiet: what was counted when the message was first rendered is not counted
	// again.
	quiet bool
}

// cursor goes through the events of a batch.
type cursor struct {
	batch *outputs.Batch
	run   []byte
	// index is that of the event last returned.
	index int
}

func newCursor(b *outputs.Batch) cursor { return cursor{batch: b, run: b.Events, index: -1} }

// next returns the next record, nil at the end.
func (c *cursor) next() ([]byte, error) {
	if c.index+1 >= c.batch.Count {
		return nil, nil
	}
	record, rest := syslog.NextRecord(c.run)
	if record == nil {
		return nil, fmt.Errorf("batch at position %d holds %d of %d records", c.batch.First, c.index+1, c.batch.Count)
	}
	c.index++
	c.run = rest
	return record, nil
}

// appendFrame appends the event to dst as it goes over a stream.
func (r *renderer) appendFrame(dst, record []byte) ([]byte, error) {
	message, err := r.message(record)
	if err != nil || len(message) == 0 {
		return dst, err
	}
	if r.cfg.Framing == LF {
		return append(r.appendLine(dst, message), '\n'), nil
	}
	dst = strconv.AppendUint(dst, uint64(len(message)), 10)
	dst = append(dst, ' ')
	return append(dst, message...), nil
}

// appendLine appends message without line feeds.
func (r *renderer) appendLine(dst, message []byte) []byte {
	for {
		i := bytes.IndexByte(message, '\n')
		if i < 0 {
			return append(dst, message...)
		}
		dst = append(append(dst, message[:i]...), "#012"...)
		message = message[i+1:]
	}
}

// message returns the octets to send of an event, without framing. They are valid
// until the next call.
func (r *renderer) message(record []byte) ([]byte, error) {
	e := &r.event
	if err := e.Decode(record, &r.names); err != nil {
		return nil, err
	}
	m := e.Raw
	switch f := r.cfg.Format; {
	case f == RFC5424:
		r.scratch = syslog.AppendRFC5424(r.scratch[:0], e)
		m = r.scratch
	case f == RFC3164, f == Auto && e.Format == syslog.Unparsed:
		r.scratch = syslog.AppendRFC3164(r.scratch[:0], e)
		m = r.scratch
	}
	if limit := r.cfg.MaxMessageSize; limit > 0 && len(m) > limit {
		m = truncate(m, limit)
		if !r.quiet {
			r.metrics.truncated.Inc()
		}
	}
	return m, nil
}

// truncate cuts m to at most limit octets, not within a character of UTF-8 (RFC
// 5424 §6.1).
func truncate(m []byte, limit int) []byte {
	for cut := limit; cut > limit-utf8.UTFMax && cut > 0; cut-- {
		if utf8.RuneStart(m[cut]) {
			return m[:cut]
		}
	}
	return m[:limit]
}
