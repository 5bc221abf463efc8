package pipeline

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// RepeatID is the SD-ID of the element that tells how often a message was repeated:
// [repeat@32473 count="N" first="…" last="…"].
const RepeatID = "repeat@32473"

// maxRepeatText bounds the text of the event that tells of repeats, in octets.
const maxRepeatText = 1024

// Dedupe says in which tables repeats are looked for.
type Dedupe struct {
	// Default is for whatever the others do not name; nil for none.
	Default *dedupe.Table
	// Inputs are by the input's name, and Routes by the index of the route that took
	// the message; a nil one looks for none. Routes go before inputs.
	Inputs map[string]*dedupe.Table
	Routes map[int]*dedupe.Table
}

// table returns the table for a message; nil for none.
func (d *Dedupe) table(input string, route int) *dedupe.Table {
	if t, ok := d.Routes[route]; ok {
		return t
	}
	if t, ok := d.Inputs[input]; ok {
		return t
	}
	return d.Default
}

// tables returns all there are.
func (d *Dedupe) tables() []*dedupe.Table {
	all := append(slices.Collect(maps.Values(d.Inputs)), slices.Collect(maps.Values(d.Routes))...)
	return slices.DeleteFunc(append(all, d.Default), func(t *dedupe.Table) bool { return t == nil })
}

// repeats remembers how often messages were repeated until that is told. Its truth
// is the log, as with Streams: what a batch adds is a note beside it, and so is
// that a count was told, beside the event that tells it. What was acknowledged is
// then in a count that survives a crash, once.
type repeats struct {
	mu sync.Mutex
	// untold are the counts by the window's id.
	untold map[uint64]*count
	// octets is what they may take of a checkpoint, and reserved what batches that are
	// not yet stored may add to that.
	octets, reserved int
}

// maxRepeatOctets is the part of a checkpoint that counts may take: tails and sequences
// take up to 8 MiB, streams and marks what is left, and one that is too large fails the log.
const maxRepeatOctets = spool.MaxCheckpoint * 3 / 8

// reserve takes n octets for what a batch adds, and tells whether there is room for it.
func (r *repeats) reserve(n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.octets+r.reserved+n > maxRepeatOctets {
		return false
	}
	r.reserved += n
	return true
}

// release gives back what was reserved.
func (r *repeats) release(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reserved -= n
}

// count is what is known of a window's repeats.
type count struct {
	n           uint64
	first, last int64
	// event is an encoded event with the header and text of the messages; nil until
	// it is known.
	event []byte
}

// repeatTag begins the entry of repeats in a note or checkpoint. It is told from a
// mark by the empty key. What follows:
//
//	id       8 octets, little-endian
//	n        uvarint; 0 says that the count was told, and ends the entry
//	first    varint
//	last     varint
//	event    uvarint length, octets
const repeatTag = markTag + "\x00"

func isRepeat(note []byte) bool {
	return strings.HasPrefix(string(note[:min(len(note), len(repeatTag))]), repeatTag)
}

// maxRepeatEntry is the most octets of an entry without its event.
const maxRepeatEntry = len(repeatTag) + 8 + 3*binary.MaxVarintLen64 + binary.MaxVarintLen32

func appendRepeat(dst []byte, id uint64, c *count) []byte {
	dst = binary.LittleEndian.AppendUint64(append(dst, repeatTag...), id)
	dst = binary.AppendUvarint(dst, c.n)
	dst = binary.AppendVarint(dst, c.first)
	dst = binary.AppendVarint(dst, c.last)
	dst = binary.AppendUvarint(dst, uint64(len(c.event)))
	return append(dst, c.event...)
}

func appendTold(dst []byte, id uint64) []byte {
	return append(binary.LittleEndian.AppendUint64(append(dst, repeatTag...), id), 0)
}

// note takes the entry at the start of a note.
func (r *repeats) note(b []byte) (rest []byte, err error) {
	b = b[len(repeatTag):]
	if len(b) < 9 {
		return nil, errBadNote
	}
	id := binary.LittleEndian.Uint64(b)
	n, w := binary.Uvarint(b[8:])
	if w <= 0 {
		return nil, errBadNote
	}
	b = b[8+w:]
	r.mu.Lock()
	defer r.mu.Unlock()
	if n == 0 {
		if c := r.untold[id]; c != nil {
			r.octets -= maxRepeatEntry + len(c.event)
			delete(r.untold, id)
		}
		return b, nil
	}
	first, w := binary.Varint(b)
	if w <= 0 {
		return nil, errBadNote
	}
	b = b[w:]
	last, w := binary.Varint(b)
	if w <= 0 {
		return nil, errBadNote
	}
	b = b[w:]
	size, w := binary.Uvarint(b)
	if w <= 0 || size > uint64(len(b)-w) {
		return nil, errBadNote
	}
	event := b[w : w+int(size)]
	c := r.untold[id]
	switch {
	case c != nil && c.n > math.MaxUint64-n:
		return nil, errBadNote // no such number was ever counted
	case c == nil:
		c = &count{first: math.MaxInt64, last: math.MinInt64}
		r.untold[id] = c
		r.octets += maxRepeatEntry
	}
	c.n += n
	c.first, c.last = min(c.first, first), max(c.last, last)
	if len(event) > 0 && c.event == nil {
		c.event = slices.Clone(event)
		r.octets += len(event)
	}
	return b[w+int(size):], nil
}

func (r *repeats) checkpoint(dst []byte) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, c := range r.untold {
		dst = appendRepeat(dst, id, c)
	}
	return dst
}

// ids returns the windows whose counts are not told.
func (r *repeats) ids() []uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.untold))
}

// of returns what is known of a window.
func (r *repeats) of(id uint64) (c count, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.untold[id]; p != nil {
		return *p, true
	}
	return c, false
}

// describe encodes what the messages are of which e is one.
func describe(e *syslog.Event) []byte {
	d := syslog.NewDraft(e)
	d.StructuredData = nil
	d.Text = d.Text[:min(len(d.Text), maxRepeatText)]
	out := *e
	out.Extracted = nil
	d.AppendTo(nil, &out)
	out.Timestamp = syslog.NoTimestamp
	return out.AppendTo(nil)
}

// repeated makes e the event that tells of c.
func (p *Pipeline) repeated(e *syslog.Event, c *count, now time.Time) error {
	if err := e.Decode(c.event, nil); err != nil {
		return err
	}
	e.ID, e.Timestamp = p.newID(now), c.last
	d := syslog.NewDraft(e)
	sd := syslog.AppendElement(nil, RepeatID)
	sd = syslog.AppendParam(sd, "count", strconv.AppendUint(nil, c.n, 10))
	d.StructuredData = syslog.EndElement(appendTimes(sd, c.first, c.last))
	d.AppendTo(nil, e)
	return nil
}

// repeatNote has the entries for windows of a batch up to the one with the index end.
type repeatNote struct {
	octets []byte
	end    int
}

// repeatNotes are the entries for what a batch adds to windows, cut into notes that
// the log takes; the first has room behind before octets.
func repeatNotes(b *dedupe.Batch, before int) (notes []repeatNote) {
	note := []byte{}
	room := spool.MaxNote - before
	for i := range b.Repeats {
		r := &b.Repeats[i]
		start := len(note)
		note = appendRepeat(note, r.Window.ID, &count{r.Count, r.First, r.Last, r.Description})
		if len(note) > room {
			notes = append(notes, repeatNote{note[:start:start], i})
			note, room = slices.Clone(note[start:]), spool.MaxNote
		}
	}
	return append(notes, repeatNote{note, len(b.Repeats)})
}
