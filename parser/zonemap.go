package parser

import (
	"net/netip"
	"slices"
	"time"
)

// ZoneMap gives the zone in which the stamps of a source are read, by the network
// of its address. The zero ZoneMap and a nil one have none. It does not change
// after NewZoneMap, and serves many goroutines.
type ZoneMap struct {
	networks []zoneNetwork // the longest prefixes first
	fallback *time.Location
}

type zoneNetwork struct {
	prefix   netip.Prefix
	location *time.Location
}

// NewZoneMap returns a map of networks to zones. Of networks that hold one
// another the narrowest counts; fallback is for sources in none, and may be nil.
// IPv4 networks hold IPv4 addresses however they are written.
func NewZoneMap(networks map[netip.Prefix]*time.Location, fallback *time.Location) *ZoneMap {
	m := &ZoneMap{fallback: fallback}
	for prefix, location := range networks {
		m.networks = append(m.networks, zoneNetwork{prefix.Masked(), location})
	}
	slices.SortFunc(m.networks, func(a, b zoneNetwork) int {
		if n := b.prefix.Bits() - a.prefix.Bits(); n != 0 {
			return n
		}
		return a.prefix.Addr().Compare(b.prefix.Addr())
	})
	return m
}

// Location returns the zone of source for Options.Location; nil where the map has
// none. It does not allocate.
func (m *ZoneMap) Location(source netip.Addr) *time.Location {
	if m == nil {
		return nil
	}
	source = source.Unmap().WithZone("")
	for i := range m.networks {
		if m.networks[i].prefix.Contains(source) {
			return m.networks[i].location
		}
	}
	return m.fallback
}
