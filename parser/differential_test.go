package parser

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/influxdata/go-syslog/v3/rfc5424"

	"github.com/syslane/syslane/internal/syslog"
)

// reference reads raw by the grammar of influxdata/go-syslog v3. It returns nil
// where that does not take it as one message of RFC 5424. After a mistake that
// parser starts again behind the next line end, and its result then mixes two
// messages: its Err tells.
func reference(raw []byte) *rfc5424.SyslogMessage {
	machine := rfc5424.NewMachine()
	m, err := machine.Parse(raw)
	if err != nil || machine.(interface{ Err() error }).Err() != nil {
		return nil
	}
	return m.(*rfc5424.SyslogMessage)
}

// differ returns how m, which we have read, differs from what the reference read; "" where it does not.
func differ(m *syslog.Message, want *rfc5424.SyslogMessage) string {
	if m.Format != syslog.RFC5424 {
		return "format is " + m.Format.String()
	}
	if m.Warnings&(syslog.WarnStructuredData|syslog.WarnNoPriority) != 0 {
		return "warnings " + strings.Join(m.Warnings.Names(nil), " ")
	}
	if uint8(m.Facility)<<3|uint8(m.Severity) != *want.Priority {
		return "priority"
	}
	// Years that nanoseconds in 64 bits cannot hold count as no time.
	if t := want.Timestamp; t != nil && t.Year() > 1678 && t.Year() < 2262 {
		if m.Timestamp != t.UnixNano() {
			return "time is " + m.Time().String() + ", want " + t.String()
		}
	} else if t == nil && m.Timestamp != syslog.NoTimestamp {
		return "time is " + m.Time().String()
	}
	for _, f := range []struct {
		name string
		got  syslog.Span
		want *string
	}{
		{"hostname", m.Hostname, want.Hostname}, {"appname", m.AppName, want.Appname},
		{"procid", m.ProcID, want.ProcID}, {"msgid", m.MsgID, want.MsgID},
	} {
		text := ""
		if f.want != nil {
			text = *f.want
		}
		if got := string(m.Field(f.got)); got != text {
			return f.name + " is " + got + ", want " + text
		}
	}
	text := ""
	if want.Message != nil {
		text = strings.TrimPrefix(*want.Message, "\xEF\xBB\xBF")
	}
	if got := string(m.Field(m.Text)); got != text {
		return "text is " + got + ", want " + text
	}
	data := map[string]map[string]string{}
	syslog.EachElement(m.Field(m.StructuredData), func(e syslog.Element) bool {
		params := map[string]string{}
		e.EachParam(func(p syslog.Param) bool {
			params[string(p.Name)] = string(p.AppendValue(nil))
			return true
		})
		data[string(e.ID)] = params
		return true
	})
	other := map[string]map[string]string{}
	if want.StructuredData != nil {
		other = *want.StructuredData
	}
	if len(data) != len(other) {
		return "number of elements"
	}
	for id, params := range other {
		if len(params) != len(data[id]) {
			return "params of " + id
		}
		for name, value := range params {
			if data[id][name] != value {
				return "param " + name + " is " + data[id][name] + ", want " + value
			}
		}
	}
	return ""
}

var seeds5424 = []string{
	"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xEF\xBB\xBF'su root' failed for lonvick on /dev/pts/8",
	`<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.`,
	`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"] ` + "\xEF\xBB\xBFAn application event log entry",
	`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" iut="4"][examplePriority@32473 class="high"]`,
	`<0>999 - - - - - -`,
	`<191>1 - - - - - [a]`,
	`<13>1 2019-02-28T23:59:59+23:59 h a p m [x y="\"\\\]"][z] text`,
	`<13>1 2020-02-29T00:00:00.1Z h a p m - ` + "line\r\nline\x00",
	`<13>1 0000-01-01T00:00:00Z h a p m - old`,
	`<13>1 9999-12-31T23:59:59Z h a p m - new`,
	`<13>1 2022-10-11T22:14:15Z CEF: CEF: {x tag[1]: [a b="]` + "\n" + `"] `,
	`<13>1 2022-10-11T22:14:15Z h tag: {p m [a[b c[="1"] - `,
	`<13>1 2022-10-11T22:14:15Z h a p m -  two spaces `,
	"<13>1 2022-10-11T22:14:15Z h a p m [a b=\"\u00e4\u4e16\U0001F600\"] \u00e4",
}

// Whatever the reference takes as RFC 5424, we read with the same fields; and
// what we emit of it, both read with the same fields again.
func FuzzRFC5424AgreesWithTheReference(f *testing.F) {
	for _, s := range seeds5424 {
		f.Add([]byte(s))
	}
	o := &Options{Received: devicesReceived, Location: time.UTC}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := check(t, raw, o)
		want := reference(raw)
		if want == nil {
			return
		}
		if d := differ(&m, want); d != "" {
			t.Fatalf("%q: %s", raw, d)
		}
		e := syslog.Event{Message: m}
		out := syslog.AppendRFC5424(nil, &e)
		again := reference(out)
		if again == nil {
			t.Fatalf("the reference does not take %q, emitted for %q", out, raw)
		}
		second := check(t, out, o)
		if d := differ(&second, again); d != "" {
			t.Fatalf("%q, emitted for %q: %s", out, raw, d)
		}
		if m.Timestamp != second.Timestamp || m.Facility != second.Facility || m.Severity != second.Severity {
			t.Fatalf("time or priority of %q, emitted for %q", out, raw)
		}
		for i, s := range spansOf(&m) {
			if !bytes.Equal(m.Field(s), second.Field(spansOf(&second)[i])) {
				t.Fatalf("field %d of %q, emitted for %q", i, out, raw)
			}
		}
	})
}

func spansOf(m *syslog.Message) []syslog.Span {
	return []syslog.Span{m.Hostname, m.AppName, m.ProcID, m.MsgID, m.StructuredData, m.Text}
}

// Any octets are parsed, and what we emit as RFC 5424 reads back with the same
// fields, by us and, where the text is UTF-8, by the reference.
func FuzzAnyMessageReadsBack(f *testing.F) {
	for _, s := range seeds5424 {
		f.Add([]byte(s))
	}
	for i, d := range readDevices(f) {
		if i%3 == 0 {
			f.Add([]byte(d.want["message"]))
		}
	}
	o := &Options{Received: devicesReceived, Location: time.UTC}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := check(t, raw, o)
		readsBack(t, &m, o)
	})
}

// readsBack emits m as RFC 5424 and parses that.
func readsBack(t *testing.T, m *syslog.Message, o *Options) {
	t.Helper()
	if m.Warnings&syslog.WarnStructuredData != 0 {
		return // forwarded unaltered, malformed as it is (RFC 5424 §6.3)
	}
	e := syslog.Event{ID: syslog.MakeID(o.Received, [4]byte{}, 0), Message: *m}
	out := syslog.AppendRFC5424(nil, &e)
	again := check(t, out, o)
	if again.Format != syslog.RFC5424 || again.Facility != m.Facility || again.Severity != m.Severity {
		t.Fatalf("%q, emitted for %q: %v %v.%v", out, m.Raw, again.Format, again.Facility, again.Severity)
	}
	want := m.Timestamp
	if want == syslog.NoTimestamp && m.Format != syslog.RFC5424 {
		want = o.Received.UnixNano()
	}
	if want != syslog.NoTimestamp {
		want = floorMicro(want)
	}
	if again.Timestamp != want {
		t.Fatalf("%q, emitted for %q: time %v", out, m.Raw, again.Time())
	}
	if again.Hostname.Empty() != m.Hostname.Empty() || again.AppName.Empty() != m.AppName.Empty() {
		t.Fatalf("%q, emitted for %q", out, m.Raw)
	}
	text := m.Field(m.Text)
	if !bytes.Equal(again.Field(again.Text), text) {
		t.Fatalf("%q, emitted for %q: text %q", out, m.Raw, again.Field(again.Text))
	}
	strict := m.StructuredData.Empty() || m.Format != syslog.RFC5424
	if strict && utf8.Valid(text) && reference(out) == nil {
		t.Fatalf("the reference does not take %q, emitted for %q", out, m.Raw)
	}
}

// floorMicro cuts nanoseconds off as RFC 5424 §6.2.3 wants it.
func floorMicro(t int64) int64 {
	micros := t / 1000
	if t%1000 < 0 {
		micros--
	}
	return micros * 1000
}

func TestMessagesOfDevicesReadBack(t *testing.T) {
	o := &Options{Received: devicesReceived, Location: time.UTC}
	for _, d := range readDevices(t) {
		m := check(t, []byte(d.want["message"]), o)
		readsBack(t, &m, o)
	}
}

func TestLongInputTakesLinearTime(t *testing.T) {
	o := &Options{Received: devicesReceived, Location: time.UTC}
	parts := []string{
		"a", " ", "<", "<1>", "[", "]", "\"", "\\", "=", "a=", "a=b ", "a=b|", ":", "a: ", "a:", "1: ", "*", "{", "{\"a\":", "\"", ",", "1,",
		"Oct 11 22:14:15 ", "Oct 11 22:14:15 h ", "[a b=\"c\"]", "[a ", "%", "%A-1-B ", "\\=", "=a ", "a\t", "|", "\x00", "\xff", "(", "-", "- ",
	}
	prefixes := []string{
		"", "<13>", "<13>1 - - - - - ", "<13>1 - ", "<13>Oct 11 22:14:15 ", "<13>Oct 11 22:14:15 h ", "<13>Oct 11 22:14:15 h t: ",
		"<13>CEF:0|a|b|c|d|e|5|", "LEEF:1.0|a|b|c|d|", "1,2022/10/11 22:14:15,1,TRAFFIC,", "{", "date=2022-10-11 time=22:14:15 ", "type=A msg=audit(",
		"h: ", "<13>h: ", "h\tMSWinEventLog\t", "<999>",
	}
	run := func(prefix, part string, n int) time.Duration {
		raw := append([]byte(prefix), strings.Repeat(part, n/len(part))...)
		best := time.Duration(math.MaxInt64)
		for range 3 {
			start := time.Now()
			check(t, raw, o)
			best = min(best, time.Since(start))
		}
		return best
	}
	const short, long = 1 << 12, 1 << 17
	for _, prefix := range prefixes {
		for _, part := range parts {
			// Of 32 times the octets the square would be 1024 times the time. What
			// else the machine does may make one run look long, not all of them.
			var small, large time.Duration
			for range 5 {
				small = max(run(prefix, part, short), 5*time.Microsecond)
				if large = run(prefix, part, long); large <= 500*small {
					break
				}
			}
			if large > 500*small {
				t.Errorf("%q and %q: %d octets take %v, %d take %v", prefix, part, short, small, long, large)
			}
		}
	}
}
