package search

import (
	"encoding/json"
	"fmt"
	"io"
)

// hit is a document that a search has found, and its place in the order.
type hit struct {
	Source json.RawMessage `json:"_source"`
	Sort   []any           `json:"sort"`
}

// page is the hits of an answer, as far as they were read.
type page struct {
	hits   []hit
	octets int // of their documents
	most   int // of octets: behind that the answer is cut
	cut    bool
}

// read reads {"hits":{"hits":[…]}} hit by hit until there are as many octets as a page may
// have.
func (p *page) read(d *json.Decoder) error {
	return eachMember(d, "hits", func() error {
		return eachMember(d, "hits", func() error {
			if err := expect(d, '['); err != nil {
				return err
			}
			for d.More() {
				if p.octets > p.most {
					p.cut = true
					return errEnough
				}
				var h hit
				if err := d.Decode(&h); err != nil {
					return err
				}
				p.hits = append(p.hits, h)
				p.octets += len(h.Source)
			}
			return expect(d, ']')
		})
	})
}

// eachMember reads an object and calls value where the value of a name is to be read. What
// else there is, is read past.
func eachMember(d *json.Decoder, name string, value func() error) error {
	if err := expect(d, '{'); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err == nil && key == name {
			err = value()
		} else if err == nil {
			err = d.Decode(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	return expect(d, '}')
}

// expect reads a delimiter.
func expect(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil && token != want {
		err = fmt.Errorf("%v where %v should be", token, want)
	}
	return err
}
