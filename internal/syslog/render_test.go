package syslog

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestEventsAreRendered(t *testing.T) {
	received := time.Date(2022, 10, 11, 22, 14, 15, 123456789, time.UTC)
	id := MakeID(received, [4]byte{}, 0)
	source := netip.MustParseAddrPort("[::ffff:192.0.2.7]:514")
	// of puts a message together whose fields are its octets between bars.
	of := func(format Format, timestamp int64, host, app, pid, msgID, data, text string) Event {
		e := Event{ID: id, Source: source, Message: Message{Format: format, Timestamp: timestamp, Facility: User, Severity: Notice}}
		for _, f := range []struct {
			value string
			span  *Span
		}{{host, &e.Hostname}, {app, &e.AppName}, {pid, &e.ProcID}, {msgID, &e.MsgID}, {data, &e.StructuredData}, {text, &e.Text}} {
			start := uint32(len(e.Raw))
			e.Raw = append(e.Raw, f.value...)
			*f.span = Span{start, uint32(len(e.Raw))}
		}
		if strings.HasPrefix(text, "\xEF\xBB\xBF") {
			e.Text.Start += 3
		}
		return e
	}
	f := func(e Event, want5424, want3164 string) {
		t.Helper()
		if got := string(AppendRFC5424(nil, &e)); got != want5424 {
			t.Errorf("RFC 5424\ngot  %q\nwant %q", got, want5424)
		}
		if got := string(AppendRFC3164In(nil, &e, time.UTC)); got != want3164 {
			t.Errorf("RFC 3164\ngot  %q\nwant %q", got, want3164)
		}
	}
	stamp := time.Date(2022, 10, 1, 2, 4, 5, 500_000_000, time.UTC).UnixNano()
	f(of(RFC5424, stamp, "web1", "app", "12", "ID1", `[a b="c"]`, "text"),
		`<13>1 2022-10-01T02:04:05.5Z web1 app 12 ID1 [a b="c"] text`,
		`<13>Oct  1 02:04:05 web1 app[12]: [a b="c"] text`)
	f(of(RFC5424, stamp, "web1", "app", "12", "ID1", "", "\xEF\xBB\xBFtext"),
		"<13>1 2022-10-01T02:04:05.5Z web1 app 12 ID1 - \xEF\xBB\xBFtext",
		"<13>Oct  1 02:04:05 web1 app[12]: text")
	// What RFC 5424 calls unknown stays so in its own form.
	f(of(RFC5424, NoTimestamp, "", "", "", "", "", ""),
		`<13>1 - - - - - -`,
		`<13>Oct 11 22:14:15 192.0.2.7 `)
	// An unparsed message is supplied with receive time and sender (RFC 3164 §4.3.3).
	f(of(Unparsed, NoTimestamp, "", "", "", "", "", "Use the BFG!"),
		`<13>1 2022-10-11T22:14:15.123456Z 192.0.2.7 - - - - Use the BFG!`,
		`<13>Oct 11 22:14:15 192.0.2.7 Use the BFG!`)
	f(of(RFC3164, stamp, "wéb 1", strings.Repeat("a", 50), "", "", "", ""),
		`<13>1 2022-10-01T02:04:05.5Z w__b_1 `+strings.Repeat("a", 48)+` - - -`,
		`<13>Oct  1 02:04:05 w__b_1 `+strings.Repeat("a", 50)+`: `)
	// Malformed structured data is forwarded as it is (RFC 5424 §6.3).
	malformed := of(RFC5424, stamp, "gw1", "CheckPoint", "18160", "", "", `[action:"Accept"]`)
	malformed.Warnings = WarnStructuredData
	f(malformed,
		`<13>1 2022-10-01T02:04:05.5Z gw1 CheckPoint 18160 - [action:"Accept"]`,
		`<13>Oct  1 02:04:05 gw1 CheckPoint[18160]: [action:"Accept"]`)
	nowhere := of(Unparsed, NoTimestamp, "", "", "", "", "", "text")
	nowhere.Source = netip.AddrPort{}
	f(nowhere, `<13>1 2022-10-11T22:14:15.123456Z - - - - - text`, `<13>Oct 11 22:14:15 - text`)
}

// renderedEvent returns an event with every header field.
func renderedEvent() Event {
	return Event{
		ID:     MakeID(time.Unix(1665526455, 0), [4]byte{}, 0),
		Source: netip.MustParseAddrPort("192.0.2.7:514"), Identity: "web1.example.org", Input: "tls",
		Message: Message{
			Raw: []byte(`<165>1 2022-10-11T22:14:15.5Z web1 app 12 ID1 [a@1 b="c"] text`), Format: RFC5424, Timestamp: 1665526455_500000000,
			Hostname: Span{30, 34}, AppName: Span{35, 38}, ProcID: Span{39, 41}, MsgID: Span{42, 45}, StructuredData: Span{46, 57}, Text: Span{58, 62},
		},
	}
}

func TestRenderingDoesNotAllocate(t *testing.T) {
	e := renderedEvent()
	var buffer []byte
	if n := testing.AllocsPerRun(100, func() {
		buffer = AppendRFC5424(buffer[:0], &e)
		buffer = AppendRFC3164(buffer[:0], &e)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
