package pipeline

import (
	"net/netip"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
	"github.com/syslane/syslane/spool"
)

// Reading says how the messages of one input are to be understood. The zero
// Reading takes the zone of this host for timestamps without one, and octets as
// they are.
type Reading struct {
	// Zones are those of RFC 3164 timestamps that carry none, by source.
	Zones *parser.ZoneMap
	// Charset is the character set of messages that are not UTF-8; nil leaves
	// them as they are.
	Charset *parser.Charset
	// Extract takes fields out of the texts; nil takes none.
	Extract *parser.Extractor
	// MaxSkew is that of parser.Options.
	MaxSkew time.Duration
}

// reader reads the messages of one batch.
type reader struct {
	Reading
	options parser.Options
	// source is that for which options.Location was looked up.
	source netip.Addr
	// converted holds the message in UTF-8 while it is being read, extracted its fields.
	converted, extracted []byte
	fields               int
	// extract is addField, made once.
	extract func(name, value []byte) bool
}

// What a text can have of extracted fields: the rest stays in the text alone. So do those
// of the texts behind where a batch has maxBatchWithFields octets: a text of two KiB can
// have 64 KiB of fields, and the log refuses a batch that is too large.
const (
	maxFields          = 256
	maxExtractedOctets = 64 << 10
	maxBatchWithFields = spool.MaxBatch / 2
)

func newReader(r Reading, received time.Time) *reader {
	out := &reader{Reading: r, options: parser.Options{Received: received, MaxSkew: r.MaxSkew, Location: r.Zones.Location(netip.Addr{})}}
	out.extract = out.addField
	return out
}

// addField keeps one field of the message being read, and tells whether more may follow.
func (r *reader) addField(name, value []byte) bool {
	if r.fields == maxFields || len(r.extracted)+len(name)+2*len(value) > maxExtractedOctets {
		return false
	}
	r.fields++
	r.extracted = syslog.AppendExtracted(r.extracted, name, value)
	return true
}

// read parses the message of e and supplies what its origin is known for; o may
// be nil. The message is valid until the next call.
func (r *reader) read(o *inputs.Origin, e *syslog.Event) {
	if o == nil {
		o = &inputs.Origin{}
	}
	e.Source, e.Identity, e.Path, e.Credentials = o.Source, o.Identity, o.Path, o.Credentials
	if r.Zones != nil && o.Source.Addr() != r.source {
		r.source = o.Source.Addr()
		r.options.Location = r.Zones.Location(r.source)
	}
	r.options.LocalHost = ""
	if o.Local {
		r.options.LocalHost = o.Host
	}
	if r.Charset != nil {
		r.converted = r.Charset.Convert(&e.Message, r.converted[:0])
	}
	parser.Parse(&e.Message, &r.options)
	if e.Hostname.Empty() && o.Host != "" {
		e.Host = o.Host
		e.Warnings &^= syslog.WarnNoHostname
	}
	if o.Path != "" {
		e.Warnings &^= syslog.WarnNoPriority // a line of a file has none by right
	}
}

// takeFields takes fields out of the text of e, by x or as the input is told to.
// They are valid until the next call.
func (r *reader) takeFields(x *parser.Extractor, e *syslog.Event) {
	if x == nil {
		x = r.Extract
	}
	if x != nil {
		r.extracted, r.fields = r.extracted[:0], 0
		x.Each(e.Field(e.Text), r.extract)
		e.Extracted = r.extracted
	}
}
