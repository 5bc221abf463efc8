package elasticsearch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// maxSkew is how far an event's time may be from its receive time and still
// choose the index: a device whose clock is wrong, or a hostile one, would
// otherwise make an index for any day of its liking.
const maxSkew = 7 * 24 * time.Hour

// indexPattern is an index name with parts of the time.
type indexPattern struct {
	parts []indexPart
	// step is how long a name is the same, in seconds: an hour where %H occurs,
	// else a day.
	step int64

	// cached is the name of the step that began cachedStep steps after the epoch.
	cached     []byte
	cachedStep int64
}

// indexPart is text, or a verb if text is "".
type indexPart struct {
	text string
	verb byte
}

func parseIndexPattern(s string) (*indexPattern, error) {
	p := &indexPattern{step: 86400, cachedStep: -1 << 62}
	literal := ""
	for rest := s; rest != ""; {
		text, tail, found := strings.Cut(rest, "%")
		if text != "" {
			p.parts = append(p.parts, indexPart{text: text})
			literal += text
		}
		if !found {
			break
		}
		if tail == "" || !strings.Contains("YymdHjGV", tail[:1]) {
			return nil, fmt.Errorf("index = %q: behind %% want one of Y y m d H j G V", s)
		}
		if tail[0] == 'H' {
			p.step = 3600
		}
		p.parts = append(p.parts, indexPart{verb: tail[0]})
		rest = tail[1:]
	}
	switch {
	case literal == "" || strings.ContainsAny(literal, forbiddenInNames) || literal != strings.ToLower(literal) || len(s) > maxIndexName/2:
		return nil, fmt.Errorf("index = %q: want lower case, at most %d octets, some of them no verbs, without space and any of %s", s, maxIndexName/2, forbiddenShown)
	case strings.ContainsAny(s[:1], "-_+."):
		return nil, fmt.Errorf("index = %q: must not start with one of the four -_+. characters", s)
	}
	return p, nil
}

// fixed tells whether the name is the same at all times.
func (p *indexPattern) fixed() bool {
	for _, part := range p.parts {
		if part.text == "" {
			return false
		}
	}
	return true
}

// wildcard returns a pattern that all names match.
func (p *indexPattern) wildcard() string {
	var b strings.Builder
	star := false
	for _, part := range p.parts {
		if part.text != "" {
			b.WriteString(part.text)
		} else if !star || part.text != "" {
			b.WriteByte('*')
		}
		star = part.text == ""
	}
	return b.String()
}

// name returns the index of e; it is valid until the next call.
func (p *indexPattern) name(e *syslog.Event) []byte {
	ns, received := e.TimeNano(), e.ID.ReceivedNano()
	if d := time.Duration(ns - received); d > maxSkew || d < -maxSkew || (ns < received) != (d < 0) {
		ns = received
	}
	sec := ns / int64(time.Second)
	if ns%int64(time.Second) < 0 {
		sec--
	}
	step := sec / p.step
	if sec%p.step < 0 {
		step--
	}
	if step == p.cachedStep {
		return p.cached
	}
	t := time.Unix(step*p.step, 0).UTC()
	b := p.cached[:0]
	pad := func(v, width int) {
		s := strconv.Itoa(v)
		for range width - len(s) {
			b = append(b, '0')
		}
		b = append(b, s...)
	}
	isoYear, isoWeek := t.ISOWeek()
	for _, part := range p.parts {
		switch part.verb {
		case 0:
			b = append(b, part.text...)
		case 'Y':
			pad(t.Year(), 4)
		case 'y':
			pad(t.Year()%100, 2)
		case 'm':
			pad(int(t.Month()), 2)
		case 'd':
			pad(t.Day(), 2)
		case 'H':
			pad(t.Hour(), 2)
		case 'j':
			pad(t.YearDay(), 3)
		case 'G':
			pad(isoYear, 4)
		case 'V':
			pad(isoWeek, 2)
		}
	}
	p.cached, p.cachedStep = b, step
	return b
}
