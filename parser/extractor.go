package parser

import "fmt"

// Extractor takes fields out of texts, by those kinds of bodies that are
// configured. It serves many goroutines at once.
type Extractor struct{ kv, json, cef bool }

// NewExtractor returns an Extractor for kinds, each "kv", "json" or "cef".
func NewExtractor(kinds []string) (*Extractor, error) {
	x := &Extractor{}
	for _, kind := range kinds {
		switch kind {
		case "kv":
			x.kv = true
		case "json":
			x.json = true
		case "cef":
			x.cef = true
		default:
			return nil, fmt.Errorf("%q is no kind of body that fields can be extracted from: use kv, json, cef", kind)
		}
	}
	return x, nil
}

// Each calls f for each field of text, in order and with repeats, until f
// returns false. How the text begins decides: CEF and LEEF by their names
// (ExtractCEF), JSON by a brace or "@cee:" (ExtractJSON), all else is searched
// for key=value pairs (ExtractKV). A text of a kind that is not configured has no
// fields. Key and value are valid during the call only.
func (x *Extractor) Each(text []byte, f func(key, value []byte) bool) {
	p := skipSpace(text, 0)
	switch {
	case !startsBody(text, p):
		if x.kv {
			ExtractKV(text, f)
		}
	case text[p] == 'C' || text[p] == 'L':
		if x.cef {
			ExtractCEF(text[p:], f)
		}
	case x.json:
		ExtractJSON(text[p:], f)
	}
}
