package relp

import (
	"context"
	"errors"
	"fmt"

	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// flushOctets is how much is gathered before it is written.
const flushOctets = 64 << 10

// writePlain sends the records of b as syslog messages, as many at once as the
// window allows.
//
// A message that the server refuses is tried again at later Writes and rejected
// after maxRefusals, but it is only held against the message where the server
// took another in the same Write, or where it is the oldest: a server that
// refuses everything for a while must not fill the dead letter. In the same way
// a message is found out that makes the server close the connection.
func (o *lane) writePlain(ctx context.Context, s *session, b *outputs.Batch) error {
	p := &o.progress
	oldest, _ := p.left(b.Count)
	alone := p.lost >= 2
	accepted := false
	var refusals []request
	answered := func(r *request) {
		if r.code == relp.CodeOK {
			p.own(r.first, 1)
			accepted = true
			return
		}
		refusals = append(refusals, *r)
	}
	err := o.sendPlain(ctx, s, b, alone, answered)
	if err != nil {
		s.drain(answered)
	}
	for _, r := range refusals {
		o.metrics.refusals.Inc()
		if accepted || r.first == oldest {
			p.refuse(r.first, r.code, r.text)
		}
	}
	switch {
	case accepted:
		p.lost = 0
	case alone && (errors.Is(err, errLost) || errors.Is(err, errServerClose)):
		p.refuse(oldest, 0, "the server closes the connection at this message")
	}
	if err != nil {
		if !accepted {
			p.lost++
		}
		return err
	}
	_, n := p.left(b.Count)
	switch {
	case n == 0:
		return nil
	case len(refusals) > 0:
		return fmt.Errorf("%d messages: %w", n, &refusedError{refusals[0].code, refusals[0].text})
	}
	// The one sent alone has got through: the others can follow.
	return o.writePlain(ctx, s, b)
}

// sendPlain sends the records not yet owned, or where alone is set only the
// first of them, and waits for the answers.
func (o *lane) sendPlain(ctx context.Context, s *session, b *outputs.Batch, alone bool, answered func(*request)) error {
	var e syslog.Event
	run := b.Events
	for i := 0; i < b.Count; i++ {
		var record []byte
		if record, run = syslog.NextRecord(run); record == nil {
			return fmt.Errorf("batch at position %d holds %d of %d records", b.First, i, b.Count)
		}
		if o.progress.isOwned(i) {
			continue
		}
		if err := e.Decode(record, &o.names); err != nil {
			o.progress.reject(i, 0, err.Error())
			continue
		}
		if n, room := s.window.inFlight(); room == 0 {
			if err := o.flush(ctx, s); err != nil {
				return err
			}
			// Half the window at a time: fewer and larger writes.
			if err := o.wait(ctx, s, n/2, answered); err != nil {
				return err
			}
		}
		o.frames = relp.AppendFrame(o.frames, s.window.add(i, 1), relp.CmdSyslog, o.render(&e))
		if len(o.frames) >= flushOctets {
			if err := o.flush(ctx, s); err != nil {
				return err
			}
		}
		if alone {
			break
		}
	}
	if err := o.flush(ctx, s); err != nil {
		return err
	}
	return o.wait(ctx, s, 0, answered)
}

// render returns the octets to send: those received where they were a valid
// message, else with the header that RFC 3164 §4.3 has a relay put before them.
// The result is valid until the next call.
func (o *lane) render(e *syslog.Event) []byte {
	if e.Format != syslog.Unparsed {
		return e.Raw
	}
	o.message = syslog.AppendRFC3164(o.message[:0], e)
	return o.message
}
