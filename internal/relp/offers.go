package relp

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// Names of offers. Those with the prefix syslane_ are specified in docs/LINK.md.
const (
	OfferVersion  = "relp_version"
	OfferSoftware = "relp_software"
	OfferCommands = "commands"
	OfferLink     = "syslane_link"
	OfferStream   = "syslane_stream"
	OfferFrom     = "syslane_from"
	OfferHave     = "syslane_have"
	OfferLast     = "syslane_last"
	OfferCodecs   = "syslane_codecs"
)

// Limits of the offers that are read. librelp holds itself to the same lengths.
const (
	maxOffers     = 64
	maxOfferName  = 32
	maxOfferValue = 255
	// MaxOpenData is the most data that an "open", or the answer to it, may have.
	MaxOpenData = 8 << 10
)

// ErrOffers is returned for offers that break the grammar or the limits.
var ErrOffers = errors.New("bad RELP offers")

// Offer is a feature, and its values in the order of preference.
type Offer struct {
	Name   string
	Values []string
}

// Offers are what "open" carries, one a line: NAME[=VALUE[,VALUE…]].
type Offers []Offer

// ParseOffers reads offers. Empty lines are passed over.
func ParseOffers(data []byte) (Offers, error) {
	if len(data) > MaxOpenData {
		return nil, ErrOffers
	}
	var offers Offers
	for line := range bytes.SplitSeq(data, []byte{'\n'}) {
		if len(line) == 0 {
			continue
		}
		name, values, given := bytes.Cut(line, []byte{'='})
		if len(name) == 0 || len(name) > maxOfferName || len(offers) == maxOffers {
			return nil, ErrOffers
		}
		o := Offer{Name: string(name)}
		if given {
			for v := range bytes.SplitSeq(values, []byte{','}) {
				if len(v) > maxOfferValue {
					return nil, ErrOffers
				}
				if len(v) > 0 {
					o.Values = append(o.Values, string(v))
				}
			}
		}
		offers = append(offers, o)
	}
	return offers, nil
}

// AppendTo appends the offers as "open" carries them.
func (o Offers) AppendTo(dst []byte) []byte {
	for i, offer := range o {
		if i > 0 {
			dst = append(dst, '\n')
		}
		dst = append(dst, offer.Name...)
		if len(offer.Values) > 0 {
			dst = append(dst, '=')
			dst = append(dst, strings.Join(offer.Values, ",")...)
		}
	}
	return dst
}

// Value returns the first value of the offer, "" where there is none.
func (o Offers) Value(name string) string {
	for _, offer := range o {
		if offer.Name == name && len(offer.Values) > 0 {
			return offer.Values[0]
		}
	}
	return ""
}

// Values returns the values of an offer, nil where there is none.
func (o Offers) Values(name string) []string {
	for _, offer := range o {
		if offer.Name == name {
			return offer.Values
		}
	}
	return nil
}

// Has tells whether the offer has the value.
func (o Offers) Has(name, value string) bool {
	for _, offer := range o {
		if offer.Name == name && slices.Contains(offer.Values, value) {
			return true
		}
	}
	return false
}
