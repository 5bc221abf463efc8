package syslog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

func fullEvent() Event {
	raw := []byte("<13>1 2026-01-02T03:04:05Z web1 app 7 ID [a@1 b=\"c\"] text")
	e := Event{
		ID:     MakeID(time.Unix(1_800_000_000, 42), [4]byte{1, 2, 3, 4}, 5),
		Source: netip.MustParseAddrPort("192.0.2.7:514"), Identity: "web1.example.com", Input: "tls",
		Host: "here", Path: "/var/log/app.log", Credentials: Credentials{Known: true, PID: 1 << 31, UID: 1<<32 - 1, GID: 7},
		Extracted: AppendExtracted(nil, []byte("k"), []byte("v")), Route: NewRoute("es", "archive"),
		Message: Message{Raw: raw, Format: RFC5424, Facility: 1, Severity: 5, Warnings: WarnTruncated, Timestamp: 1_700_000_000_000_000_000},
	}
	field := func(s string) Span {
		i := uint32(bytes.Index(raw, []byte(s)))
		return Span{i, i + uint32(len(s))}
	}
	e.Hostname, e.AppName, e.ProcID, e.MsgID = field("web1"), field("app"), field("7"), field("ID")
	e.StructuredData, e.Text = field(`[a@1 b="c"]`), field("text")
	return e
}

func TestEventsComeBackWhole(t *testing.T) {
	f := func(e Event) {
		t.Helper()
		var got Event
		if err := got.Decode(e.AppendTo(nil), &Interner{}); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("came back as %+v\nwant %+v", got, e)
		}
	}
	full := fullEvent()
	for _, v := range []reflect.Value{reflect.ValueOf(full), reflect.ValueOf(full.Message), reflect.ValueOf(full.Credentials)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("the test does not set %s", v.Type().Field(i).Name)
			}
		}
	}
	f(full)
	f(Event{Message: Message{Raw: []byte{}, Timestamp: NoTimestamp}})
	for _, without := range []func(*Event){
		func(e *Event) { e.Credentials = Credentials{} },
		func(e *Event) { e.Host = "" },
		func(e *Event) { e.Path = "" },
		func(e *Event) { e.Extracted = nil },
		func(e *Event) { e.Route = nil },
		func(e *Event) { e.Route = NewRoute() },
		func(e *Event) { e.Text = Span{} },
		func(e *Event) { e.Source = netip.AddrPort{} },
	} {
		e := full
		without(&e)
		f(e)
	}
}

func TestEventsWrittenBeforeCredentialsStayReadable(t *testing.T) {
	old := []byte("\x01\x0d\x01" + "\x00\x00\x00\x00\x00\x00\x00\x09nodecnt1" + "\x88\x04\x00" + "\x03udp" + "\x14\x02" + "<13>1 - - hi")
	var e Event
	if err := e.Decode(old, nil); err != nil {
		t.Fatal(err)
	}
	if e.Input != "udp" || string(e.Field(e.Text)) != "hi" || e.Credentials.Known || e.Host != "" || e.Path != "" {
		t.Errorf("came back as %+v", e)
	}
}

func TestEventsOfANewerVersionAreToldApartFromDamage(t *testing.T) {
	e := fullEvent()
	b := e.AppendTo(nil)
	var got Event
	for n := range len(b) - len(e.Raw) {
		if err := got.Decode(b[:n], nil); !errors.Is(err, ErrEventCorrupt) {
			t.Errorf("%d octets of an event: %v", n, err)
		}
	}
	newer := append(bytes.Clone(b[:19]), 0xff, 0xff, 0x7f)
	if err := got.Decode(append(newer, b[22:]...), nil); !errors.Is(err, ErrEventVersion) {
		t.Errorf("unknown parts: %v", err)
	}
}

func FuzzEventDecode(f *testing.F) {
	e := fullEvent()
	f.Add(e.AppendTo(nil))
	e.Credentials, e.Source = Credentials{}, netip.AddrPort{}
	f.Add(e.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var first, second Event
		if first.Decode(b, nil) != nil {
			return
		}
		if err := second.Decode(first.AppendTo(nil), nil); err != nil {
			t.Fatal(err)
		}
		// What delivery does without decoding comes to the same.
		if route := RouteOf(b); !bytes.Equal(route, first.Route) || (route == nil) != (first.Route == nil) {
			t.Errorf("the route is %q, want %q", route, first.Route)
		}
		first.Route.Outputs()
		record, rest := NextRecord(AppendWithoutRoute(nil, b))
		var without Event
		if err := without.Decode(record, nil); err != nil || len(rest) > 0 {
			t.Fatalf("without its route: %v, %d octets more", err, len(rest))
		}
		if without.Route != nil || !bytes.Equal(without.Raw, first.Raw) || without.ID != first.ID || without.Timestamp != first.Timestamp || without.Host != first.Host {
			t.Errorf("%+v without its route is %+v", first, without)
		}
		second.Source, first.Source = netip.AddrPort{}, netip.AddrPort{} // an IPv4 address may be mapped
		for i, s := range first.spans() {
			if s.Empty() {
				*s, *second.spans()[i] = Span{}, Span{}
			}
		}
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%+v came back as %+v", first, second)
		}
	})
}

func TestExtractedFieldsReadBack(t *testing.T) {
	var b []byte
	b = AppendExtracted(b, []byte("src ip"), []byte(`10.0.0.1`))
	b = AppendExtracted(b, []byte("msg"), []byte(`said "no" ] \ yes`))
	var got []string
	EachElement(b, func(el Element) bool {
		el.EachParam(func(p Param) bool {
			got = append(got, string(el.ID), string(p.Name), string(p.AppendValue(nil)))
			return true
		})
		return true
	})
	want := []string{"fields", "src_ip", "10.0.0.1", "fields", "msg", `said "no" ] \ yes`}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("fields came back as %q, want %q", got, want)
	}
}

func TestIDTextIsBase32Hex(t *testing.T) {
	f := func(id ID) {
		t.Helper()
		text := string(id.AppendText([]byte("before ")))
		if want := "before " + idEncoding.EncodeToString(id[:]); text != want {
			t.Errorf("% x gives %q, want %q", id[:], text, want)
		}
		if got, err := ParseID(id.String()); got != id || err != nil {
			t.Errorf("% x comes back as % x, error %v", id[:], got[:], err)
		}
	}
	f(ID{})
	for bit := range 8 * len(ID{}) {
		var one, others ID
		for i := range others {
			others[i] = 0xff
		}
		one[bit/8] |= 1 << (bit % 8)
		others[bit/8] ^= 1 << (bit % 8)
		f(one)
		f(others)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		var id ID
		binary.BigEndian.PutUint64(id[:8], random.Uint64())
		binary.BigEndian.PutUint64(id[8:], random.Uint64())
		f(id)
	}
}
