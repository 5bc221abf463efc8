package ecs

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/syslog"
)

// message puts an event together from its fields, as a parser would.
type message struct {
	format                                             syslog.Format
	facility                                           syslog.Facility
	severity                                           syslog.Severity
	warnings                                           syslog.Warnings
	timestamp                                          time.Time
	hostname, appName, procID, msgID, structured, text string
	source, identity, input, host, path                string
	credentials                                        syslog.Credentials
}

var received = time.Date(2026, 8, 7, 6, 5, 4, 3, time.UTC)

func (m message) event() *syslog.Event {
	e := &syslog.Event{ID: syslog.MakeID(received, [4]byte{1, 2, 3, 4}, 5), Identity: m.identity, Input: m.input,
		Host: m.host, Path: m.path, Credentials: m.credentials}
	e.Format, e.Facility, e.Severity, e.Warnings = m.format, m.facility, m.severity, m.warnings
	e.Timestamp = syslog.NoTimestamp
	if !m.timestamp.IsZero() {
		e.Timestamp = m.timestamp.UnixNano()
	}
	if m.source != "" {
		e.Source = netip.MustParseAddrPort(m.source)
	}
	e.Raw = fmt.Appendf(nil, "<%d>1 - ", int(m.facility)*8+int(m.severity))
	span := func(s string) syslog.Span {
		start := len(e.Raw)
		e.Raw = append(append(e.Raw, s...), ' ')
		return syslog.Span{Start: uint32(start), End: uint32(start + len(s))}
	}
	e.Hostname, e.AppName, e.ProcID = span(m.hostname), span(m.appName), span(m.procID)
	e.MsgID, e.StructuredData, e.Text = span(m.msgID), span(m.structured), span(m.text)
	return e
}

var full = message{
	format: syslog.RFC5424, facility: 20, severity: syslog.Error,
	warnings:  syslog.WarnClockSkew | syslog.WarnTruncated,
	timestamp: time.Date(2003, 10, 11, 22, 14, 15, 3_000_000, time.UTC),
	hostname:  "mymachine.example.com", appName: "evntslog", procID: "8710", msgID: "ID47",
	structured: `[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]`,
	text:       "An application event log entry…\twith \"quotes\" and \\",
	source:     "192.0.2.7:40000", identity: "mymachine.example.com", input: "tls-in",
}

func TestDocumentHoldsEveryFieldOfTheEvent(t *testing.T) {
	got := string(AppendDocument([]byte("before "), full.event(), Options{Dataset: "syslog", Observer: "collector1"}))
	id := full.event().ID.String()
	want := `before {"@timestamp":"2003-10-11T22:14:15.003000000Z",` +
		`"message":"An application event log entry…\twith \"quotes\" and \\",` +
		`"log":{"level":"err","syslog":{"priority":163,"facility":{"code":20,"name":"local4"},` +
		`"severity":{"code":3,"name":"err"},"version":"1","hostname":"mymachine.example.com",` +
		`"appname":"evntslog","procid":"8710","msgid":"ID47","structured_data":{` +
		`"exampleSDID@32473":{"iut":"3","eventSource":"Application","eventID":"1011"},` +
		`"examplePriority@32473":{"class":"high"}}}},` +
		`"host":{"name":"mymachine.example.com","hostname":"mymachine.example.com"},` +
		`"process":{"name":"evntslog","pid":8710},` +
		`"source":{"address":"192.0.2.7","ip":"192.0.2.7","port":40000},` +
		`"tls":{"client":{"subject":"mymachine.example.com"}},` +
		`"observer":{"product":"Syslane","hostname":"collector1"},` +
		`"event":{"id":"` + id + `","created":"2026-08-07T06:05:04.000000003Z","dataset":"syslog"},` +
		`"labels":{"format":"rfc5424","input":"tls-in"},` +
		`"tags":["truncated","clock-skew"],"ecs":{"version":"8.11.0"}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDocumentOfBareEventNamesItsHost(t *testing.T) {
	f := func(m message, want string) {
		t.Helper()
		doc := AppendDocument(nil, m.event(), Options{})
		var got struct {
			Host struct{ Name, Hostname string }
			Log  struct{ Syslog struct{ Hostname *string } }
		}
		if err := json.Unmarshal(doc, &got); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if got.Host.Name != want || got.Host.Hostname != want {
			t.Errorf("host is %+v, want %q", got.Host, want)
		}
		if (got.Log.Syslog.Hostname != nil) != (m.hostname != "") {
			t.Errorf("log.syslog.hostname is %v for HOSTNAME %q", got.Log.Syslog.Hostname, m.hostname)
		}
	}
	f(message{}, "unknown")
	f(message{source: "[2001:db8::1]:514"}, "2001:db8::1")
	f(message{source: "[::ffff:192.0.2.1]:514"}, "192.0.2.1")
	f(message{source: "[fe80::1%eth0]:514"}, "fe80::1")
	f(message{source: "192.0.2.1:514", hostname: "web1"}, "web1")
}

func TestProcessIDIsANumberOnlyWhereProcIDIsOne(t *testing.T) {
	f := func(procID string, want string) {
		t.Helper()
		m := message{procID: procID}
		var got struct{ Process struct{ PID json.Number } }
		doc := AppendDocument(nil, m.event(), Options{})
		if err := json.Unmarshal(doc, &got); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if string(got.Process.PID) != want {
			t.Errorf("PROCID %q gives process.pid %q, want %q", procID, got.Process.PID, want)
		}
	}
	f("", "")
	f("0", "0")
	f("8710", "8710")
	f("999999999999999999", "999999999999999999")
	f("9999999999999999999", "")
	f("007", "")
	f("-1", "")
	f("1.5", "")
	f("0x1f", "")
	f("worker-3", "")
}

func TestOriginalOctetsStayRecoverable(t *testing.T) {
	type original struct {
		Event   struct{ Original *string }
		Syslane struct{ Original *[]byte }
		Message string
	}
	f := func(m message, o Options, inEvent, inBase64 bool) {
		t.Helper()
		e := m.event()
		doc := AppendDocument(nil, e, o)
		var got original
		if err := json.Unmarshal(doc, &got); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if (got.Event.Original != nil) != inEvent || (got.Syslane.Original != nil) != inBase64 {
			t.Fatalf("event.original %v, syslane.original %v in %s", got.Event.Original != nil, got.Syslane.Original != nil, doc)
		}
		if inEvent && *got.Event.Original != string(e.Raw) || inBase64 && !bytes.Equal(*got.Syslane.Original, e.Raw) {
			t.Errorf("the original is not what was received: %s", doc)
		}
	}
	f(message{text: "plain"}, Options{}, false, false)
	f(message{text: "plain"}, Options{Original: true}, true, false)
	f(message{text: "caf\xe9"}, Options{}, false, true)
	f(message{text: "caf\xe9"}, Options{Original: true}, false, true)
	f(message{hostname: "h\xff"}, Options{}, false, true)
	f(message{structured: "[a b=\"\xff\"]"}, Options{}, false, true)
	f(message{msgID: "\xc0"}, Options{}, false, true)
}

func TestStructuredDataKeepsRepeatsAndDots(t *testing.T) {
	f := func(sd, want string) {
		t.Helper()
		got, _ := appendStructuredData(nil, []byte(sd))
		if string(got) != want {
			t.Errorf("%s\ngives %s\nwant  %s", sd, got, want)
		}
		if keys := repeatedKey(got); keys != "" {
			t.Errorf("%s: key %q occurs twice in %s", sd, keys, got)
		}
	}
	f(`[a]`, `{"a":{}}`)
	f(`[a][b]`, `{"a":{},"b":{}}`)
	f(`[a x="1"]`, `{"a":{"x":"1"}}`)
	f(`[origin ip="192.0.2.1" ip="192.0.2.129"]`, `{"origin":{"ip":["192.0.2.1","192.0.2.129"]}}`)
	f(`[a x="1" y="2" x="3" y="4" z="5"]`, `{"a":{"x":["1","3"],"y":["2","4"],"z":"5"}}`)
	f(`[a x="1"][b x="2"][a x="3" y="4"]`, `{"a":{"x":["1","3"],"y":"4"},"b":{"x":"2"}}`)
	f(`[a][a x="1"][a]`, `{"a":{"x":"1"}}`)
	f(`[a.b@1 c.d="1" c="2"]`, `{"a.b@1":{"c.d":"1","c":"2"}}`)
	f(`[a x="\"\\\]\n]"]`, `{"a":{"x":"\"\\]\\n]"}}`)
	f(`[a x=""]`, `{"a":{"x":""}}`)
	f("[a x=\"\xff\"]", `{"a":{"x":"`+"\uFFFD"+`"}}`)
	f("[a \xff=\"1\" \xfe=\"2\" \x01=\"3\" \uFFFD=\"4\" é=\"5\"]", `{"a":{"`+"\uFFFD"+`":["1","2","3","4"],"é":"5"}}`)
	f("[\x00 x=\"1\"][\x01 x=\"2\"]", `{"`+"\uFFFD"+`":{"x":["1","2"]}}`)
	// Parsers do not let broken structured data come here; it does no harm.
	f(`[a x="1"`, `{}`)
	f(`[a x="1" y]`, `{"a":{"x":"1"}}`)
	f(`[]`, `{}`)
	f(`[ x="1"][a ="2"]`, `{"a":{}}`)
	f(`text`, `{}`)
}

func TestDistinctParametersAreWrittenAsGroupedOnesAre(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	keys := []string{"a", "b", "c.d", "x@1", "origin", "é", "\xff", "\x01"}
	values := []string{"", "v", `\"quoted\"`, `back\\slash`, `a\]b`, `C:\dir`, "ünï", "\xff\xfe", "\t"}
	few := 0
	for range 20_000 {
		var sd []byte
		for range 1 + r.IntN(5) {
			sd = append(append(sd, '['), keys[r.IntN(len(keys))]...)
			for range r.IntN(10) {
				sd = fmt.Appendf(sd, ` %s="%s"`, keys[r.IntN(len(keys))], values[r.IntN(len(values))])
			}
			sd = append(sd, ']')
		}
		got, ok, done := appendDistinct([]byte("before"), sd)
		if !done {
			if string(got) != "before" {
				t.Fatalf("%q: %q is left behind", sd, got)
			}
			continue
		}
		few++
		want, wantOK := appendGrouped([]byte("before"), sd)
		if string(got) != string(want) || ok != wantOK {
			t.Fatalf("%q:\n %s %v\n %s %v", sd, got, ok, want, wantOK)
		}
	}
	if few < 500 {
		t.Errorf("%d of the texts had distinct parameters", few)
	}
}

func TestManyParametersAreGroupedAsFewAre(t *testing.T) {
	var sd strings.Builder
	want := map[string]map[string]any{}
	for el := range 8 {
		id := fmt.Sprintf("id%d", el%4)
		if want[id] == nil {
			want[id] = map[string]any{}
		}
		fmt.Fprintf(&sd, "[%s", id)
		for p := range 40 {
			name, value := fmt.Sprintf("p%d", p%30), fmt.Sprintf("%d.%d", el, p)
			fmt.Fprintf(&sd, " %s=%q", name, value)
			values, _ := want[id][name].([]any)
			want[id][name] = append(values, value)
		}
		sd.WriteString("]")
	}
	sd.WriteString("[empty]")
	want["empty"] = map[string]any{}
	doc, _ := appendStructuredData(nil, []byte(sd.String()))
	var got map[string]map[string]any
	if err := json.Unmarshal(doc, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %s", doc)
	}
	if key := repeatedKey(doc); key != "" {
		t.Errorf("key %q occurs twice", key)
	}
}

func TestStringsOfAllKindsBecomeJSON(t *testing.T) {
	f := func(s, want string) {
		t.Helper()
		for pad := range 17 { // at every place within the steps of eight octets
			in := strings.Repeat("x", pad) + s + strings.Repeat("y", 17-pad)
			got, ok := appendString(nil, []byte(in))
			if expect := `"` + in[:pad] + want + in[pad+len(s):] + `"`; string(got) != expect {
				t.Errorf("%q gives %s, want %s", in, got, expect)
			}
			if ok != utf8.ValidString(in) {
				t.Errorf("%q: valid is %v", in, ok)
			}
		}
	}
	f("", "")
	f("\x00\x1f\x7f", `\u0000\u001f\u007f`)
	f("\"\\/", `\"\\/`)
	f("\r\n\t\b", `\r\n\t\u0008`)
	f("é世界🙂\u2028", "é世界🙂\u2028")
	f("\u009b31m\u0085", `\u009b31m\u0085`)
	f("\xff", "\uFFFD")
	f("\xe4\xb8", "\uFFFD\uFFFD")
	f("\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD")
	f("\x1b[31mred\x1b[0m", `\u001b[31mred\u001b[0m`)
	for c := range 128 {
		got, _ := appendString(nil, []byte{byte(c)})
		var back string
		if err := json.Unmarshal(got, &back); err != nil || back != string(rune(c)) {
			t.Errorf("octet %d gives %s: %v", c, got, err)
		}
	}
}

func TestTimesAreRFC3339AndSort(t *testing.T) {
	f := func(ns int64) {
		t.Helper()
		want := time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z")
		if got := string(appendTime(nil, ns)); got != want {
			t.Errorf("%d gives %s, want %s", ns, got, want)
		}
	}
	f(0)
	f(-1)
	f(1)
	f(-1 << 63)
	f(1<<63 - 1)
	for day := time.Date(1899, 12, 28, 23, 59, 59, 999999999, time.UTC); day.Year() < 2105; day = day.AddDate(0, 0, 1) {
		f(day.UnixNano())
	}
}

func TestAssemblyDoesNotAllocate(t *testing.T) {
	e := full.event()
	o := Options{Original: true, Dataset: "syslog", Observer: "collector1"}
	w := Writer{Options: o}
	buf := w.Append(nil, e)
	if n := testing.AllocsPerRun(100, func() { buf = w.Append(buf[:0], e) }); n != 0 {
		t.Errorf("%v allocations a document", n)
	}
}

func TestDocumentsDoNotDependOnThoseBefore(t *testing.T) {
	variants := []func(*message){
		func(*message) {},
		func(m *message) { m.source = "" },
		func(m *message) { m.source = "192.0.2.7:40001" },
		func(m *message) { m.source = "[fe80::1%eth0]:40000" },
		func(m *message) { m.identity = "" },
		func(m *message) { m.source, m.identity = "", "" },
		func(m *message) { m.input = "" },
		func(m *message) { m.input = "udp" },
		func(m *message) { m.format = syslog.Unparsed },
		func(m *message) { m.timestamp = m.timestamp.Add(time.Nanosecond) },
		func(m *message) { m.timestamp = m.timestamp.Add(time.Second) },
		func(m *message) { m.timestamp = time.Unix(0, 1) },
		func(m *message) { m.timestamp = time.Time{} },
		func(m *message) { m.warnings = 0 },
		func(m *message) { m.text = "\xff" },
		func(m *message) { m.procID, m.credentials = "", syslog.Credentials{Known: true, PID: 1} },
	}
	for _, o := range []Options{{}, {Original: true, Dataset: "syslog", Observer: "collector1"}} {
		w := Writer{Options: o}
		for _, before := range variants {
			for _, then := range variants {
				for _, change := range []func(*message){before, then} {
					m := full
					change(&m)
					if got, want := string(w.Append(nil, m.event())), string(AppendDocument(nil, m.event(), o)); got != want {
						t.Fatalf("got  %s\nwant %s", got, want)
					}
				}
			}
		}
	}
}

// repeatedKey returns a key that occurs twice in one object of doc.
func repeatedKey(doc []byte) string {
	d := json.NewDecoder(bytes.NewReader(doc))
	type object struct {
		keys  map[string]bool
		isKey bool
	}
	var open []*object
	for {
		token, err := d.Token()
		if err == io.EOF {
			return ""
		} else if err != nil {
			return err.Error()
		}
		top := func() *object {
			if len(open) == 0 {
				return &object{}
			}
			return open[len(open)-1]
		}
		switch token {
		case json.Delim('{'):
			open = append(open, &object{keys: map[string]bool{}, isKey: true})
			continue
		case json.Delim('['):
			open = append(open, &object{})
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:len(open)-1]
		default:
			if o := top(); o.isKey {
				key := token.(string)
				if o.keys[key] {
					return key
				}
				o.keys[key], o.isKey = true, false
				continue
			}
		}
		if o := top(); o.keys != nil {
			o.isKey = true
		}
	}
}

func FuzzDocument(f *testing.F) {
	f.Add([]byte("web1"), []byte("sshd"), []byte("42"), []byte("-"), []byte(`[a b="c" b="d"][a e="\]"]`), []byte("text"), int64(1), uint8(13), true)
	f.Add([]byte("h\xff"), []byte("\x00"), []byte("007"), []byte("é"), []byte("[a \xff=\"\xfe\" \xfd=\"\"]"), []byte("\u009b\u2028\x7f"), int64(-1<<63), uint8(255), false)
	f.Add([]byte{}, []byte{}, []byte{}, []byte{}, []byte(`[`+strings.Repeat(`a x="1" `, 60)+`]`), []byte{}, int64(1<<63-1), uint8(0), true)
	f.Fuzz(func(t *testing.T, host, app, proc, msgID, sd, text []byte, ts int64, pri uint8, original bool) {
		m := message{hostname: string(host), appName: string(app), procID: string(proc), msgID: string(msgID), structured: string(sd), text: string(text)}
		m.facility, m.severity = syslog.Facility(pri>>3), syslog.Severity(pri&7)
		e := m.event()
		e.Timestamp = ts
		e.Identity, e.Input = m.text, m.hostname
		doc := AppendDocument(nil, e, Options{Original: original, Dataset: m.appName, Observer: m.procID})
		if !json.Valid(doc) || !utf8.Valid(doc) || bytes.ContainsAny(doc, "\n\r\x00\x1b") {
			t.Fatalf("not one line of JSON: %q", doc)
		}
		if key := repeatedKey(doc); key != "" {
			t.Fatalf("key %q occurs twice in %s", key, doc)
		}
		var got struct {
			Message string
			Log     struct {
				Syslog struct {
					Priority                         int
					Hostname, Appname, Procid, Msgid string
				}
			}
			Event   struct{ ID, Original string }
			Syslane struct{ Original string }
		}
		if err := json.Unmarshal(doc, &got); err != nil {
			t.Fatal(err)
		}
		s := got.Log.Syslog
		for _, c := range []struct{ got, in string }{
			{got.Message, m.text}, {s.Hostname, m.hostname}, {s.Appname, m.appName}, {s.Procid, m.procID}, {s.Msgid, m.msgID},
		} {
			if want := strings.Map(func(r rune) rune { return r }, c.in); c.got != want {
				t.Fatalf("%q came back as %q", want, c.got)
			}
		}
		if s.Priority != int(pri) || got.Event.ID != e.ID.String() {
			t.Fatalf("priority %d, id %s", s.Priority, got.Event.ID)
		}
		raw, err := base64.StdEncoding.DecodeString(got.Syslane.Original)
		if err != nil {
			t.Fatal(err)
		}
		if kept := got.Event.Original == string(e.Raw) || bytes.Equal(raw, e.Raw); !kept && (original || !utf8.ValidString(m.text)) {
			t.Fatalf("the original is lost: %s", doc)
		}
	})
}

func BenchmarkDocument(b *testing.B) {
	plainText := full
	plainText.structured = ""
	f := func(name string, m message, o Options) {
		e := m.event()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			w := Writer{Options: o}
			for b.Loop() {
				buf = w.Append(buf[:0], e)
			}
			b.SetBytes(int64(len(buf)))
		})
	}
	o := Options{Dataset: "syslog", Observer: "collector1"}
	f("rfc5424", full, o)
	f("no structured data", plainText, o)
	one := full
	one.structured, one.text = `[origin@32473 ip="10.1.2.3"]`, "Connection closed by authenticating user, preauth, from 10.0.17.12 port 4711 user=root"
	f("one parameter", one, o)
	f("with original", full, Options{Original: true, Dataset: "syslog", Observer: "collector1"})
}

func BenchmarkString(b *testing.B) {
	f := func(name, s string) {
		in := []byte(s)
		b.Run(name+"/ours", func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			var buf []byte
			for b.Loop() {
				buf, _ = appendString(buf[:0], in)
			}
		})
		b.Run(name+"/encoding-json", func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			var buf bytes.Buffer
			enc := json.NewEncoder(&buf)
			enc.SetEscapeHTML(false)
			for b.Loop() {
				buf.Reset()
				_ = enc.Encode(s)
			}
		})
	}
	line := `Failed password for invalid user admin from 203.0.113.9 port 52114 ssh2: connection closed by peer [preauth]`
	f("ascii", line)
	f("quotes", strings.ReplaceAll(line, " ", ` "`))
	f("cyrillic", strings.Repeat("Ошибка проверки пароля ", 5))
}

func TestWhatTheInputKnowsOfALocalSenderIsInTheDocument(t *testing.T) {
	f := func(m message, want ...string) {
		t.Helper()
		doc := string(AppendDocument(nil, m.event(), Options{}))
		if !json.Valid([]byte(doc)) {
			t.Errorf("not JSON: %s", doc)
		}
		for _, w := range want {
			if !strings.Contains(doc, w) {
				t.Errorf("%s lacks %s", doc, w)
			}
		}
	}
	sender := syslog.Credentials{Known: true, PID: 77, UID: 1000, GID: 100}
	f(message{host: "here", appName: "su", procID: "12", credentials: sender},
		`"host":{"name":"here","hostname":"here"}`, `"process":{"name":"su","pid":12}`, `"procid":"12"`,
		`"user":{"id":"1000","group":{"id":"100"}}`, `"sender_pid":"77"`)
	f(message{appName: "su", credentials: sender}, `"process":{"name":"su","pid":77}`)
	f(message{credentials: sender}, `"process":{"pid":77}`)
	f(message{credentials: syslog.Credentials{Known: true}}, `"user":{"id":"0","group":{"id":"0"}}`)
	f(message{host: "here", hostname: "there", path: "/var/log/a \"b\".log"},
		`"host":{"name":"there"`, `},"file":{"path":"/var/log/a \"b\".log"}},"host"`)
}

func TestExtractedFieldsStandBesideTheOriginal(t *testing.T) {
	f := func(o Options, octets, want string) {
		t.Helper()
		e := full.event()
		e.Extracted = syslog.AppendExtracted(nil, []byte("src"), []byte("10.0.0.1"))
		e.Extracted = syslog.AppendExtracted(e.Extracted, []byte("a.b"), []byte(`say "x]"`))
		e.Extracted = syslog.AppendExtracted(e.Extracted, []byte("src"), []byte("10.0.0.2"))
		e.Raw = append(e.Raw, octets...)
		doc := AppendDocument(nil, e, o)
		var got struct{ Syslane map[string]json.RawMessage }
		if err := json.Unmarshal(doc, &got); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
		if fields := string(got.Syslane["fields"]); fields != `{"src":["10.0.0.1","10.0.0.2"],"a.b":"say \"x]\""}` {
			t.Errorf("fields are %s", fields)
		}
		if _, there := got.Syslane["original"]; there != (want == "base64") || strings.Contains(string(doc), `"original":"<`) != (want == "text") {
			t.Errorf("the original is not as wanted, %q, in %s", want, doc)
		}
	}
	f(Options{}, "", "")
	f(Options{Original: true}, "", "text")
	f(Options{Original: true}, "\xff", "base64")
}
