package relp

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
)

// open answers the peer's offers. A session may be opened again: old clients
// repeat what they had not seen answered, "open" included.
func (c *conn) open(f relp.Frame) error {
	offers, err := relp.ParseOffers(f.Data)
	if err != nil {
		return c.refuse(f.Txnr, err.Error())
	}
	if !offers.Has(relp.OfferCommands, relp.CmdSyslog) {
		return c.refuse(f.Txnr, "required command syslog not offered")
	}
	// The specification says version 1, librelp speaks 0; nothing differs.
	version := "0"
	if v, err := strconv.Atoi(offers.Value(relp.OfferVersion)); err == nil && v >= 1 {
		version = "1"
	}
	commands := []string{relp.CmdSyslog}
	var link relp.Offers
	c.stream = ""
	if offers.Has(relp.OfferCommands, relp.CmdBatch) {
		if link = c.openLink(offers); link != nil {
			commands = append(commands, relp.CmdBatch)
		}
	}
	accepted := append(relp.Offers{
		{Name: relp.OfferVersion, Values: []string{version}},
		{Name: relp.OfferSoftware, Values: []string{"syslane"}},
		{Name: relp.OfferCommands, Values: commands},
	}, link...)
	c.opened = true
	return c.reply(func(b []byte) []byte {
		return relp.AppendResponse(b, f.Txnr, relp.CodeOK, "OK", accepted.AppendTo(nil))
	})
}

// openLink grants the batch command where the Sink can take events and the peer
// may set envelopes. It returns the offers that say so, or nil.
func (c *conn) openLink(offers relp.Offers) relp.Offers {
	sink, ok := c.sink.(inputs.EventSink)
	if !ok || !offers.Has(relp.OfferLink, relp.LinkVersion) {
		return nil
	}
	if !c.mayLink() {
		c.in.repeats.Warn("peer may not set envelopes and is taken as a plain RELP client: give it a client certificate, or list its address in link_from", c.peer(), nil)
		return nil
	}
	name, ok := streamOf(offers)
	if !ok {
		return nil
	}
	c.stream = name
	if c.origin.Identity != "" {
		// One relay must not be able to move another's place in the log.
		c.stream = c.origin.Identity + ":" + name
	}
	// A sender that does not say where it goes on does so at the beginning.
	from, err := strconv.ParseUint(offers.Value(relp.OfferFrom), 10, 64)
	if err != nil {
		from = 1
	}
	link := relp.Offers{
		{Name: relp.OfferLink, Values: []string{relp.LinkVersion}},
		{Name: relp.OfferCodecs, Values: relp.Codecs()},
	}
	r := sink.Resume(c.stream, from)
	if r.End == 0 {
		return link
	}
	// Of very many ranges the lowest are enough: what is sent again is known.
	have := relp.Offer{Name: relp.OfferHave}
	for _, had := range r.Have[:min(len(r.Have), maxHave)] {
		have.Values = append(have.Values, fmt.Sprintf("%d-%d", had.First, had.Next-1))
	}
	if len(have.Values) > 0 {
		link = append(link, have)
	}
	link = append(link, relp.Offer{Name: relp.OfferLast, Values: []string{strconv.FormatUint(r.End-1, 10), r.Last.String()}})
	return link
}

// mayLink tells whether the peer may set envelopes: by its client certificate,
// or by its address.
func (c *conn) mayLink() bool {
	if c.origin.Identity != "" {
		return true
	}
	for _, p := range c.in.cfg.LinkFrom {
		if p.Contains(c.origin.Source.Addr()) {
			return true
		}
	}
	return false
}

// streamOf returns the name of the stream; false where there is not exactly one that is
// valid. Two names that differ behind a comma must not be taken for one stream.
func streamOf(offers relp.Offers) (name string, ok bool) {
	var names []string
	for _, o := range offers {
		if o.Name == relp.OfferStream {
			names = append(names, o.Values...)
		}
	}
	if len(names) != 1 {
		return "", false
	}
	return names[0], validStream(names[0])
}

// validStream tells whether s can name a stream: 1 to 200 printable ASCII
// characters without space, comma, and the colon that sets an identity apart.
func validStream(s string) bool {
	if s == "" || len(s) > maxStreamName {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == ',' || c == ':' {
			return false
		}
	}
	return true
}

// batch takes a batch of events from another Syslane. The caller holds the lock
// of the queue, which is given up while the batch is decompressed.
func (c *conn) batch(f relp.Frame) error {
	if c.stream == "" {
		return c.refuse(f.Txnr, "batch was not negotiated")
	}
	w := c.in.memory.work()
	c.queue.more.Signal() // what came before may be all that others wait for
	c.queue.mu.Unlock()
	err := c.inflate(f.Data, w)
	c.queue.mu.Lock()
	if err == nil {
		w.txnrs = append(w.txnrs, f.Txnr)
		if c.queue.put(w) {
			return nil
		}
		err = errStopped
	}
	c.in.memory.inflated.Release(w.inflated)
	if err == errStopped {
		return err
	}
	c.in.metrics.badBatches.Inc()
	return c.refuse(f.Txnr, err.Error())
}

// inflate waits until there is memory for the batch in data, and puts it into w.
func (c *conn) inflate(data []byte, w *work) error {
	size := int64(relp.BatchRaw(data))
	if !c.in.memory.inflated.TryAcquire(size) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			select {
			case <-c.stopping:
				cancel()
			case <-ctx.Done():
			}
		}()
		if c.in.memory.inflated.Acquire(ctx, size) != nil {
			return errStopped
		}
	}
	w.inflated = size
	return c.decode(data, w)
}

// errBatchEvents is returned for a batch whose records are not the events it
// says they are.
var errBatchEvents = errors.New("bad batch: events")

// decode puts the batch in data into w. Every record is looked at before any is
// submitted, so that a damaged batch leaves nothing behind.
func (c *conn) decode(data []byte, w *work) error {
	b, err := c.decoder.Decode(data, w.buf)
	if err != nil {
		return err
	}
	w.kind, w.buf = events, b.Records
	var e syslog.Event
	n := 0
	for run := b.Records; len(run) > 0; n++ {
		var record []byte
		if record, run = syslog.NextRecord(run); record == nil {
			return errBatchEvents
		}
		if err := e.Decode(record, &c.names); err != nil {
			return err
		}
		if e.Facility > syslog.Local7 || e.Format > syslog.RFC3164 {
			return errBatchEvents
		}
	}
	if n != b.Count {
		return errBatchEvents
	}
	w.events = inputs.EventBatch{
		Stream: c.stream, First: b.First, Next: b.Next, Count: b.Count, Events: b.Records,
		Input: c.in.cfg.Name, Origin: c.origin,
	}
	return nil
}
