package search

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// MaxLast is the most events of the past that a tail starts with.
const MaxLast = 10_000

// heartbeat is how often a tail that finds nothing says where it is.
const heartbeat = 2 * time.Second

// Tailer is what can be followed: a Local log or a Remote collector.
type Tailer interface {
	// Tail calls found for each event that matches, in the order of the log, as they
	// are appended, until ctx ends. Its error is that of ctx, of found, a
	// *SyntaxError or a *CursorError before the first item, or one of the log.
	Tail(ctx context.Context, r TailRequest, found func(TailItem) error) error
}

// TailRequest is what to follow.
type TailRequest struct {
	// Query filters; of the stages it can have "fields".
	Query string
	// Cursor is that of the last item that was taken, to go on behind it without a
	// gap or a repetition; "" starts at the end of the log.
	Cursor string
	// Last is how many events of the past come first, MaxLast at most. They are the
	// newest by their time, in the order of time. Not with a cursor.
	Last int
	// Patience bounds how long a Local looks for them; 0 does not. Then those come that
	// were found, and the item behind them is Incomplete.
	Patience time.Duration
}

// TailItem is an event, or a sign of life without one.
type TailItem struct {
	// Cursor says where the tail is behind this item.
	Cursor string `json:"cursor"`
	// Event is the document; nil for a sign of life, which also tells that no more
	// is there to be had at once. It is valid during the call.
	Event []byte `json:"-"`
	// Lost is how many messages could not be given out in front of this item: they
	// were deleted before they were read, or are damaged.
	Lost uint64 `json:"lost,omitempty"`
	// Incomplete says that some of TailRequest.Last were not found in time.
	Incomplete bool `json:"incomplete,omitempty"`
}

// CursorError tells that a cursor is none of this log.
type CursorError struct{ Text string }

// Error returns what is wrong with the cursor.
func (e *CursorError) Error() string { return e.Text }

// cursor names a position of one log.
func (l *Local) cursor(position uint64) string {
	id := l.view.ID()
	return hex.EncodeToString(id[:4]) + "-" + strconv.FormatUint(position, 10)
}

func (l *Local) parseCursor(s string) (uint64, error) {
	id := l.view.ID()
	log, number, ok := strings.Cut(s, "-")
	position, err := strconv.ParseUint(number, 10, 62)
	if !ok || err != nil || position == 0 {
		return 0, &CursorError{fmt.Sprintf("%q is no cursor; leave it out to start at the end of the log", s)}
	}
	if log != hex.EncodeToString(id[:4]) {
		return 0, &CursorError{fmt.Sprintf("cursor %q is of another log; leave it out to start at the end of this one", s)}
	}
	return position, nil
}

// Tail implements Tailer.
func (l *Local) Tail(ctx context.Context, r TailRequest, found func(TailItem) error) error {
	q, err := Parse(r.Query)
	if err != nil {
		return err
	}
	fields, ok := streamed(q.pipe.ops)
	if q.pipe.group != nil || !ok {
		at := q.pipe.group
		column := 0
		if at != nil {
			column = at.at
		} else {
			column = q.pipe.ops[slices.IndexFunc(q.pipe.ops, func(o rowOp) bool { return o.kind != "fields" })].at
		}
		return (&lexer{text: q.text}).fail(column, "what is followed has no end and cannot be counted or sorted; only | fields can stand here")
	}
	if r.Last < 0 || r.Last > MaxLast {
		return fmt.Errorf("last %d is not from 0 to %d", r.Last, MaxLast)
	}
	position, err := l.view.Head()
	if err != nil {
		return err
	}
	t := &tailing{log: l, matcher: q.Matcher(), query: q, fields: fields, found: found}
	if r.Cursor != "" {
		if position, err = l.parseCursor(r.Cursor); err != nil {
			return err
		}
	}
	incomplete := false
	if r.Last > 0 {
		if incomplete, err = t.past(ctx, &r, position); err != nil {
			return err
		}
	}
	if err := found(TailItem{Cursor: l.cursor(position), Incomplete: incomplete}); err != nil {
		return err
	}
	follower := l.view.Follow(position)
	defer follower.Close()
	for {
		next, cancel := context.WithTimeout(ctx, heartbeat)
		b, err := follower.Next(next)
		cancel()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, context.DeadlineExceeded):
			err = found(TailItem{Cursor: l.cursor(position)})
		case err == nil:
			position = b.Next()
			err = t.block(&b)
		}
		if err != nil {
			return err
		}
	}
}

// tailing is one tail.
type tailing struct {
	log     *Local
	query   *Query
	matcher *Matcher
	fields  []column
	found   func(TailItem) error
	names   syslog.Interner
	// documents writes doc.
	documents ecs.Writer
	doc       []byte
	told      time.Time // when the end of a block was told last
}

// maxPast bounds the octets of the documents that past keeps.
const maxPast = 16 << 20

// past gives out the newest events before a position, the oldest first: their documents
// are kept until that is found. Where they are too large they are searched for once more,
// from that one on. incomplete: there may be more than were found in time.
func (t *tailing) past(ctx context.Context, r *TailRequest, before uint64) (incomplete bool, err error) {
	back, err := newScan(t.log.viewLog(t.query), t.query, Request{Limit: r.Last, Before: before})
	if err != nil {
		return false, err
	}
	looking := ctx
	if r.Patience > 0 {
		var cancel func()
		looking, cancel = context.WithTimeout(ctx, r.Patience)
		defer cancel()
	}
	var docs [][]byte // the newest first
	octets := 0
	err = back.run(looking, func(e *syslog.Event) error {
		if octets <= t.log.maxPast {
			docs = append(docs, slices.Clone(t.document(e)))
			octets += len(t.doc)
		}
		return nil
	})
	if incomplete = err != nil && looking.Err() != nil && ctx.Err() == nil; err != nil && !incomplete {
		return false, err
	}
	if octets <= t.log.maxPast {
		for _, doc := range slices.Backward(docs) {
			if err := t.found(TailItem{Cursor: t.log.cursor(before), Event: doc}); err != nil {
				return false, err
			}
		}
		return incomplete, nil
	}
	docs = nil
	oldest := back.given
	forth, err := newScan(t.log.viewLog(t.query), t.query, Request{Order: OldestFirst, Before: before})
	if err != nil {
		return false, err
	}
	forth.since = oldest.time
	return incomplete, forth.run(ctx, func(e *syslog.Event) error {
		if e.TimeNano() == oldest.time && ^forth.given.position < oldest.position {
			return nil
		}
		return t.found(TailItem{Cursor: t.log.cursor(before), Event: t.document(e)})
	})
}

// document returns the document of an event, valid until the next call.
func (t *tailing) document(e *syslog.Event) []byte {
	if t.fields == nil {
		t.doc = t.documents.Append(t.doc[:0], e)
	} else {
		t.doc = appendFields(t.doc[:0], e, t.fields)
	}
	return t.doc
}

// block gives out what matches in a block.
func (t *tailing) block(b *spool.Block) error {
	lost, given := b.Missing, false
	var e syslog.Event
	run := b.Records
	for position := b.First; len(run) > 0; position++ {
		var record []byte
		if record, run = syslog.NextRecord(run); record == nil {
			break
		}
		if e.Decode(record, &t.names) != nil {
			lost++
			continue
		}
		if at := e.TimeNano(); at < t.query.since || at > t.query.until || !t.matcher.Match(&e) {
			continue
		}
		if err := t.found(TailItem{Cursor: t.log.cursor(position + 1), Event: t.document(&e), Lost: lost}); err != nil {
			return err
		}
		lost, given = 0, true
	}
	// The end of a block is told, too: what was given out is to be sent, and a tail
	// that goes on there need not look again at all that did not match.
	if !given && lost == 0 && time.Since(t.told) < heartbeat {
		return nil
	}
	t.told = time.Now()
	return t.found(TailItem{Cursor: t.log.cursor(b.Next()), Lost: lost})
}
