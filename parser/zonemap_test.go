package parser

import (
	"net/netip"
	"testing"
	"time"
)

func TestZonesAreThoseOfTheNarrowestNetwork(t *testing.T) {
	berlin, tokyo, chicago := mustLoad(t, "Europe/Berlin"), mustLoad(t, "Asia/Tokyo"), mustLoad(t, "America/Chicago")
	m := NewZoneMap(map[netip.Prefix]*time.Location{
		netip.MustParsePrefix("10.0.0.0/8"):    berlin,
		netip.MustParsePrefix("10.9.8.7/16"):   tokyo,
		netip.MustParsePrefix("2001:db8::/32"): chicago,
	}, time.UTC)
	f := func(source string, want *time.Location) {
		t.Helper()
		address, _ := netip.ParseAddr(source)
		if got := m.Location(address); got != want {
			t.Errorf("%s: %v, want %v", source, got, want)
		}
	}
	f("10.1.2.3", berlin)
	f("10.9.200.1", tokyo)
	f("::ffff:10.9.200.1", tokyo)
	f("2001:db8::1%eth0", chicago)
	f("192.0.2.1", time.UTC)
	f("", time.UTC)
	if (*ZoneMap)(nil).Location(netip.MustParseAddr("10.1.2.3")) != nil {
		t.Error("no map has a zone")
	}
}
