// Package redact takes out of messages what must not be stored: card numbers,
// addresses, tokens, and whatever else a pattern finds.
//
// What it promises: in an event that Apply and ApplyExtracted have
// gone over, no pattern finds anything any more, in the message's octets as in its
// envelope. A replacement may make a new
// match with what stands around it; so it is looked again until nothing is found,
// and if that does not come to an end the whole message goes.
package redact

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/syslane/syslane/internal/syslog"
)

// DefaultReplacement stands for what was taken out, unless Config says otherwise.
const DefaultReplacement = "REDACTED"

// maxRounds bounds how often a message is searched again after replacements.
const maxRounds = 8

// Config says what is taken out.
type Config struct {
	// Named are names of patterns that this package has; see Names.
	Named []string
	// Patterns are regular expressions (RE2).
	Patterns []string
	// Replacement stands for what was taken out; "" is DefaultReplacement.
	Replacement string
	// Key, where it is not empty, replaces each value by a keyed hash of it
	// (HMAC-SHA-256, its first 80 bits), so that equal values stay comparable and
	// nobody without the key can try out which value it was.
	Key []byte
}

// Redactor takes values out of events. It serves many goroutines at once.
type Redactor struct {
	finders     []finder
	replacement []byte
	key         []byte
}

// finder is one pattern.
type finder struct {
	name string
	// find appends the places of what is found, which do not overlap.
	find func(b []byte, places [][]int) [][]int
	// plain returns what is hashed of a value; nil takes it as it is.
	plain func([]byte) []byte
}

// named are the patterns that can be asked for by name. A part may have several.
var named = map[string][]finder{
	"card":  {{find: findCards, plain: cardDigits}},
	"email": {{find: findEmails}},
	"token": {
		expression(`\b(?:[Bb][Ee][Aa][Rr][Ee][Rr]|[Bb][Aa][Ss][Ii][Cc])[ :=]+[A-Za-z0-9._~+/-]{8,}=*`),
		expression(`\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*`),              // JSON Web Token
		expression(`\b(?:AKIA|ASIA)[A-Z0-9]{16}`),                                            // AWS access key
		expression(`\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}`),            // GitHub
		expression(`\bglpat-[A-Za-z0-9_-]{16,}`),                                             // GitLab
		expression(`\bxox[abeoprs]-[A-Za-z0-9-]{10,}`),                                       // Slack
		expression(`\bAIza[A-Za-z0-9_-]{30,}`),                                               // Google
		expression(`\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}`),                                 // Stripe
		expression(`-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*-----|\z)`), // PEM
	},
}

// Names returns the names of patterns, in order.
func Names() []string { return slices.Sorted(maps.Keys(named)) }

func expression(source string) finder {
	re := regexp.MustCompile(source)
	return finder{find: finding(re)}
}

// finding finds what is not empty.
func finding(re *regexp.Regexp) func([]byte, [][]int) [][]int {
	needed := literalsOf(re.String())
	return func(b []byte, places [][]int) [][]int {
		if !needed.mayMatch(b) {
			return places
		}
		return append(places, re.FindAllIndex(b, -1)...)
	}
}

// PatternError says which pattern of Config.Patterns is wrong.
type PatternError struct {
	Index int
	Err   error
}

func (e *PatternError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *PatternError) Unwrap() error { return e.Err }

// New returns a redactor, or what is wrong with its patterns.
func New(c Config) (*Redactor, error) {
	r := &Redactor{replacement: []byte(c.Replacement), key: c.Key}
	if c.Replacement == "" {
		r.replacement = []byte(DefaultReplacement)
	}
	for _, b := range r.replacement {
		if b < ' ' || b > '~' || b == '"' || b == '\\' || b == ']' {
			return nil, errors.New(`the replacement must be printable ASCII without ", \ and ], which would end structured data`)
		}
	}
	for _, name := range c.Named {
		found, ok := named[name]
		if !ok {
			return nil, fmt.Errorf("no pattern has the name %q: there are %q", name, Names())
		}
		for _, f := range found {
			f.name = name
			r.finders = append(r.finders, f)
		}
	}
	for i, source := range c.Patterns {
		re, err := regexp.Compile(source)
		switch {
		case err != nil:
		case re.MatchString(""):
			err = errors.New("the pattern matches where nothing is; it would be everywhere")
		case re.Match(r.replaced(nil, []byte("x"))):
			err = fmt.Errorf("the pattern matches what would stand in its place, %q", r.replaced(nil, []byte("x")))
		}
		if err != nil {
			return nil, &PatternError{i, err}
		}
		r.finders = append(r.finders, finder{find: finding(re)})
	}
	if len(r.finders) == 0 {
		return nil, errors.New("name a pattern")
	}
	if !r.Clean(r.replacement) {
		return nil, fmt.Errorf("a pattern matches the replacement %q; set another", r.replacement)
	}
	return r, nil
}

// replaced appends what stands for a value.
func (r *Redactor) replaced(dst, value []byte) []byte {
	if len(r.key) > 0 {
		return r.hash(dst, value)
	}
	return append(dst, r.replacement...)
}

// hash appends the keyed hash of a value in letters alone, which no number, token
// or address is made of: 20 of them from a to p, four bits each.
func (r *Redactor) hash(dst, value []byte) []byte {
	mac := hmac.New(sha256.New, r.key)
	mac.Write(value)
	sum := mac.Sum(nil)
	dst = append(dst, "hmac-"...)
	for _, b := range sum[:10] {
		dst = append(dst, 'a'+b>>4, 'a'+b&15)
	}
	return dst
}

// Clean tells whether no pattern finds anything in b.
func (r *Redactor) Clean(b []byte) bool {
	for i := range r.finders {
		if len(r.finders[i].find(b, nil)) > 0 {
			return false
		}
	}
	return true
}

// Apply takes out of e what the patterns find, and tells whether anything was. The
// octets of e are then new ones, and its spans lie in them.
func (r *Redactor) Apply(e *syslog.Event) (changed bool) {
	for round := 0; ; round++ {
		found, header := r.message(e)
		if r.parameters(e) {
			found, header = true, false // the header was written anew with them
		}
		if !found {
			break
		}
		changed = true
		if round == maxRounds {
			e.Raw = append([]byte(nil), r.replacement...)
			e.Message = syslog.Message{Raw: e.Raw, Format: syslog.Unparsed, Facility: e.Facility, Severity: e.Severity,
				Timestamp: e.Timestamp, Warnings: e.Warnings, Text: syslog.Span{End: uint32(len(e.Raw))}}
			break
		}
		if header {
			d := syslog.NewDraft(e)
			d.AppendTo(nil, e)
		}
	}
	for _, s := range []*string{&e.Host, &e.Path, &e.Identity} {
		if text := r.Text(*s); text != *s {
			*s, changed = text, true
		}
	}
	if changed {
		e.Warnings |= syslog.WarnTransformed
	}
	return changed
}

// parameters takes out of the structured data of e what shows only without escapes.
func (r *Redactor) parameters(e *syslog.Event) (changed bool) {
	sd := e.Field(e.StructuredData)
	if r.cleanEscaped(sd) {
		return false
	}
	d := syslog.NewDraft(e)
	d.StructuredData = nil
	syslog.EachElement(sd, func(el syslog.Element) bool {
		d.StructuredData = syslog.AppendElement(d.StructuredData, string(el.ID))
		el.EachParam(func(p syslog.Param) bool {
			value := r.Text(string(p.AppendValue(nil)))
			d.StructuredData = syslog.AppendParam(d.StructuredData, string(p.Name), []byte(value))
			return true
		})
		d.StructuredData = syslog.EndElement(d.StructuredData)
		return true
	})
	d.AppendTo(nil, e)
	return true
}

// cleanEscaped is Clean for the values of structured data that have escapes, without
// them.
func (r *Redactor) cleanEscaped(sd []byte) (clean bool) {
	clean = true
	if bytes.IndexByte(sd, '\\') < 0 {
		return true
	}
	syslog.EachElement(sd, func(el syslog.Element) bool {
		el.EachParam(func(p syslog.Param) bool {
			clean = !p.Escaped() || r.Clean(p.AppendValue(nil))
			return clean
		})
		return clean
	})
	return clean
}

// ApplyExtracted is Apply for the fields that were taken out of the text: what is
// escaped there, as "a\u0040b" in JSON, shows only in them.
func (r *Redactor) ApplyExtracted(e *syslog.Event) {
	if len(e.Extracted) == 0 || r.Clean(e.Extracted) && r.cleanEscaped(e.Extracted) {
		return
	}
	var out []byte
	syslog.EachElement(e.Extracted, func(el syslog.Element) bool {
		el.EachParam(func(p syslog.Param) bool {
			value := r.Text(string(p.AppendValue(nil)))
			out = syslog.AppendExtracted(out, []byte(r.Text(string(p.Name))), []byte(value))
			return true
		})
		return true
	})
	if e.Extracted = out; !r.Clean(out) {
		e.Extracted = nil // what is found goes over several fields
	}
	e.Warnings |= syslog.WarnTransformed
}

// Text is Apply for a string of the envelope.
func (r *Redactor) Text(s string) string {
	if s == "" {
		return s
	}
	e := syslog.Event{Message: syslog.Message{Raw: []byte(s), Text: syslog.Span{End: uint32(len(s))}}}
	for range maxRounds {
		if found, _ := r.message(&e); !found {
			return string(e.Raw)
		}
	}
	return string(r.replacement)
}

// message replaces once what each pattern finds in the octets of e. header says
// that something before structured data and text was.
func (r *Redactor) message(e *syslog.Event) (found, header bool) {
	for i := range r.finders {
		f := &r.finders[i]
		places := f.find(e.Raw, nil)
		if len(places) == 0 {
			continue
		}
		found = true
		body := uint32(len(e.Raw))
		for _, s := range []syslog.Span{e.StructuredData, e.Text} {
			if !s.Empty() {
				body = min(body, s.Start)
			}
		}
		header = header || places[0][0] < int(body)
		r.replace(e, places, f)
	}
	return found, header
}

// replace puts new octets in the places, and moves the spans along.
func (r *Redactor) replace(e *syslog.Event, places [][]int, f *finder) {
	old := e.Raw
	out := make([]byte, 0, len(old)+len(places)*len(r.replacement))
	spans := []*syslog.Span{&e.Hostname, &e.AppName, &e.ProcID, &e.MsgID, &e.StructuredData, &e.Text}
	moved := make([]syslog.Span, len(spans))
	for i, s := range spans {
		if !s.Empty() { // an empty one may be anywhere
			moved[i] = *s
		}
	}
	at := 0
	for _, p := range places {
		out = append(out, old[at:p[0]]...)
		start := len(out)
		value := old[p[0]:p[1]]
		if f.plain != nil {
			value = f.plain(value)
		}
		out = r.replaced(out, value)
		at = p[1]
		// What begins or ends within the place does so with what stands there now.
		for i, s := range spans {
			if s.Empty() {
				continue
			}
			moved[i].Start = move(s.Start, p, start, len(out), start, moved[i].Start)
			moved[i].End = move(s.End, p, start, len(out), len(out), moved[i].End)
		}
	}
	e.Raw = append(out, old[at:]...)
	for i, s := range spans {
		*s = moved[i]
	}
	if !syslog.WellFormed(e.Field(e.StructuredData)) {
		// As the parser does, malformed structured data is left in the text.
		start := e.StructuredData.Start
		e.StructuredData = syslog.Span{}
		if e.Text.Empty() {
			e.Text.End = uint32(len(e.Raw))
		}
		e.Text.Start = start
		e.Warnings |= syslog.WarnStructuredData
	}
}

// move returns where a boundary of a span comes to lie by one replacement: that of
// the octets p by those from start to end. within is for a boundary inside, now
// where it would be without this replacement.
func move(boundary uint32, p []int, start, end, within int, now uint32) uint32 {
	switch b := int(boundary); {
	case b <= p[0]:
		return now
	case b >= p[1]:
		return uint32(b + end - p[1])
	default:
		return uint32(within)
	}
}
