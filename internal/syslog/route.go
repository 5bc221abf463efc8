package syslog

import (
	"encoding/binary"
)

// Route names the outputs that an event is for: each name a uvarint length and
// that many octets. A route with no names is not nil, and keeps the event in the
// log alone. Names and not numbers, so that outputs can be renamed, put in another
// order or removed, and none is ever handed what was meant for another.
type Route []byte

// NewRoute returns the route to the outputs of those names.
func NewRoute(outputs ...string) Route {
	r := Route{}
	for _, name := range outputs {
		r = append(binary.AppendUvarint(r, uint64(len(name))), name...)
	}
	return r
}

// Has tells whether the event is for an output.
func (r Route) Has(output string) bool {
	if r == nil {
		return true
	}
	for d := (decoder{b: r}); len(d.b) > 0; {
		if string(d.take(int(min(d.uvarint(), 1<<30)))) == output && !d.failed {
			return true
		}
	}
	return false
}

// Outputs returns the names; nil where the event is for all.
func (r Route) Outputs() []string {
	if r == nil {
		return nil
	}
	names := []string{}
	for d := (decoder{b: r}); len(d.b) > 0; {
		if name := d.take(int(min(d.uvarint(), 1<<30))); !d.failed {
			names = append(names, string(name))
		}
	}
	return names
}

// routeAt finds the route of an encoded event: present bits stand before start,
// the route ends before end. ok is false where there is none.
func routeAt(event []byte) (present uint64, route Route, end int, ok bool) {
	if len(event) < 21 || event[0] != eventVersion || event[19] < 0x80 || event[20] < 0x80 {
		return 0, nil, 0, false // bitRoute needs three octets
	}
	d := decoder{b: event[19:]}
	if present = d.uvarint(); present&bitRoute == 0 {
		return 0, nil, 0, false
	}
	if route = d.take(int(min(d.uvarint(), 1<<30))); d.failed {
		return 0, nil, 0, false
	}
	return present, route, len(event) - len(d.b), true
}

// RouteOf returns the route of an encoded event without decoding the rest; nil
// where it has none, and for octets that are no event.
func RouteOf(event []byte) Route {
	_, route, _, _ := routeAt(event)
	return route
}

// AppendWithoutRoute appends, as a record, an encoded event without its route.
func AppendWithoutRoute(dst, event []byte) []byte {
	present, _, end, ok := routeAt(event)
	if !ok {
		return append(binary.AppendUvarint(dst, uint64(len(event))), event...)
	}
	var bits [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(bits[:], present&^bitRoute)
	dst = binary.AppendUvarint(dst, uint64(19+n+len(event)-end))
	dst = append(append(dst, event[:19]...), bits[:n]...)
	return append(dst, event[end:]...)
}
