package journal

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

// parsed is the message of an entry as the pipeline sees it.
func parsed(t testing.TB, cfg Config, fields ...kv) (syslog.Message, *entry) {
	t.Helper()
	if err := cfg.setDefaults(); err != nil {
		t.Fatal(err)
	}
	e := newEntry(&cfg)
	if err := newReader(strings.NewReader(export(fields...))).next(e); err != nil {
		t.Fatal(err)
	}
	m := syslog.Message{Raw: appendMessage(nil, e)}
	parser.Parse(&m, &parser.Options{Received: time.UnixMicro(1738424400100160)})
	return m, e
}

// fieldsOf takes the fields of an entry back out of its message, sorted.
func fieldsOf(t testing.TB, m *syslog.Message) []kv {
	t.Helper()
	var fields []kv
	decode := func(v []byte) string {
		b, err := base64.StdEncoding.DecodeString(string(v))
		if err != nil {
			t.Fatalf("base64 %q: %v", v, err)
		}
		return string(b)
	}
	if len(m.Field(m.Text)) > 0 {
		fields = append(fields, kv{"MESSAGE", string(m.Field(m.Text))})
	}
	syslog.EachElement(m.Field(m.StructuredData), func(el syslog.Element) bool {
		name := ""
		el.EachParam(func(p syslog.Param) bool {
			v := p.AppendValue(nil)
			switch string(el.ID) + " " + string(p.Name) {
			case idField + " name":
				name = string(v)
			case idField + " value":
				fields = append(fields, kv{name, string(v)})
			case idField + " base64":
				fields = append(fields, kv{name, decode(v)})
			default:
				switch string(el.ID) {
				case idText:
					fields = append(fields, kv{string(p.Name), string(v)})
				case idBinary:
					fields = append(fields, kv{string(p.Name), decode(v)})
				}
			}
			return true
		})
		return true
	})
	return sorted(fields)
}

func sorted(fields []kv) []kv {
	slices.SortStableFunc(fields, func(a, b kv) int { return strings.Compare(a.name, b.name) })
	return fields
}

// checkMessage fails where the message of e is no RFC 5424, or the fields that
// were kept cannot be taken out of it again.
func checkMessage(t testing.TB, e *entry) {
	t.Helper()
	var want []kv
	for _, f := range e.fields {
		want = append(want, kv{string(f.name.Of(e.data)), string(f.value.Of(e.data))})
	}
	// A byte order mark before the text is the parser's to take away.
	if i := e.first[message]; i >= 0 && strings.HasPrefix(want[i].value, "\xEF\xBB\xBF") {
		if want[i].value = want[i].value[3:]; want[i].value == "" {
			want = slices.Delete(want, i, i+1)
		}
	}
	m := syslog.Message{Raw: appendMessage(nil, e)}
	parser.Parse(&m, nil)
	if m.Format != syslog.RFC5424 || m.Warnings&(syslog.WarnStructuredData|syslog.WarnNoPriority) != 0 {
		t.Fatalf("format %v, warnings %v of %q", m.Format, m.Warnings.Names(nil), m.Raw)
	}
	if got := fieldsOf(t, &m); !equalByName(got, sorted(want)) {
		t.Fatalf("the fields came back as\n%q, want\n%q, from\n%q", got, want, m.Raw)
	}
}

// equalByName compares fields that are sorted by name. Values of one name that
// differ in form, text and binary, have no order between them.
func equalByName(a, b []kv) bool {
	byValue := func(x, y kv) int {
		return strings.Compare(x.name+"="+x.value, y.name+"="+y.value)
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, byValue)
	slices.SortFunc(b, byValue)
	return slices.Equal(a, b)
}

func TestAnEntryBecomesAMessageOfRFC5424(t *testing.T) {
	m, _ := parsed(t, Config{Name: "t"},
		kv{"__CURSOR", "s=1;i=2"}, kv{"__REALTIME_TIMESTAMP", "1738424400100160"}, kv{"_SOURCE_REALTIME_TIMESTAMP", "1738424400099001"},
		kv{"PRIORITY", "3"}, kv{"SYSLOG_FACILITY", "4"}, kv{"_HOSTNAME", "web1"}, kv{"SYSLOG_IDENTIFIER", "sshd"}, kv{"_COMM", "sshd-session"},
		kv{"_PID", "812"}, kv{"SYSLOG_PID", "811"}, kv{"MESSAGE_ID", "8d45620c1a4348dbb17410da57c60c66"},
		kv{"MESSAGE", "Failed \"password\" for [root]\n\tfrom 192.0.2.7"})
	want := `<35>1 2025-02-01T15:40:00.099001Z web1 sshd 812 8d45620c1a4348dbb17410da57c60c66 [journal@32473 __CURSOR="s=1;i=2"` +
		` __REALTIME_TIMESTAMP="1738424400100160" _SOURCE_REALTIME_TIMESTAMP="1738424400099001" PRIORITY="3" SYSLOG_FACILITY="4"` +
		` _HOSTNAME="web1" SYSLOG_IDENTIFIER="sshd" _COMM="sshd-session" _PID="812" SYSLOG_PID="811" MESSAGE_ID="8d45620c1a4348dbb17410da57c60c66"]` +
		" Failed \"password\" for [root]\n\tfrom 192.0.2.7"
	if string(m.Raw) != want {
		t.Errorf("the message is\n%q, want\n%q", m.Raw, want)
	}
	if m.Warnings != 0 {
		t.Errorf("warnings %v", m.Warnings.Names(nil))
	}
	if got := time.Unix(0, m.Timestamp).UTC().Format(time.RFC3339Nano); got != "2025-02-01T15:40:00.099001Z" {
		t.Errorf("the time is %s", got)
	}
}

func TestPriorityFollowsTheRulesOfJournald(t *testing.T) {
	f := func(want string, fields ...kv) {
		t.Helper()
		m, _ := parsed(t, Config{Name: "t"}, append(fields, kv{"MESSAGE", "x"})...)
		if got := fmt.Sprintf("%v.%v", m.Facility, m.Severity); got != want {
			t.Errorf("%v: %s, want %s", fields, got, want)
		}
	}
	f("user.info")
	f("user.warning", kv{"PRIORITY", "4"})
	f("user.info", kv{"PRIORITY", "8"})
	f("user.info", kv{"PRIORITY", "warning"})
	f("user.info", kv{"PRIORITY", ""})
	f("daemon.emerg", kv{"PRIORITY", "0"}, kv{"SYSLOG_FACILITY", "3"})
	f("local7.info", kv{"SYSLOG_FACILITY", "23"})
	f("user.info", kv{"SYSLOG_FACILITY", "24"})
	f("kern.info", kv{"_TRANSPORT", "kernel"})
	f("daemon.info", kv{"_TRANSPORT", "kernel"}, kv{"SYSLOG_FACILITY", "3"})
	f("user.info", kv{"_TRANSPORT", "stdout"})
}

func TestHeaderFieldsFallBack(t *testing.T) {
	f := func(want string, fields ...kv) {
		t.Helper()
		m, _ := parsed(t, Config{Name: "t"}, append(fields, kv{"MESSAGE", "x"})...)
		got := fmt.Sprintf("%s %s %s %s", m.Field(m.Hostname), m.Field(m.AppName), m.Field(m.ProcID), m.Field(m.MsgID))
		if got != want {
			t.Errorf("%v: %q, want %q", fields, got, want)
		}
	}
	f("   ")
	f("h c 7 ", kv{"_HOSTNAME", "h"}, kv{"_COMM", "c"}, kv{"SYSLOG_PID", "7"})
	f(" c 8 ", kv{"SYSLOG_IDENTIFIER", ""}, kv{"_COMM", "c"}, kv{"_PID", "8"}, kv{"SYSLOG_PID", "7"})
	f(" a_b_c  ", kv{"SYSLOG_IDENTIFIER", "a b\nc"})
	f(" "+strings.Repeat("i", 48)+"  ", kv{"SYSLOG_IDENTIFIER", strings.Repeat("i", 60)})
}

func TestATimeThatNoneCanReadIsNotMadeUp(t *testing.T) {
	f := func(want string, fields ...kv) {
		t.Helper()
		m, _ := parsed(t, Config{Name: "t"}, append(fields, kv{"MESSAGE", "x"})...)
		if got := strings.Fields(string(m.Raw))[1]; got != want {
			t.Errorf("%v: %s, want %s", fields, got, want)
		}
	}
	f("-")
	f("-", kv{"__REALTIME_TIMESTAMP", "0"})
	f("-", kv{"__REALTIME_TIMESTAMP", "18446744073709551615"})
	f("-", kv{"__REALTIME_TIMESTAMP", "yesterday"})
	f("1970-01-01T00:00:00.000001Z", kv{"__REALTIME_TIMESTAMP", "1"})
	f("1970-01-01T00:00:00.000007Z", kv{"_SOURCE_REALTIME_TIMESTAMP", "never"}, kv{"__REALTIME_TIMESTAMP", "7"})
}

func TestNothingOfAnEntryIsLostOrAltered(t *testing.T) {
	long := "A_NAME_THAT_IS_LONGER_THAN_AN_SD_NAME_MAY_BE"
	f := func(name string, fields ...kv) {
		t.Helper()
		m, e := parsed(t, Config{Name: "t"}, fields...)
		checkMessage(t, e)
		if got := fieldsOf(t, &m); !equalByName(got, fields) {
			t.Errorf("%s: came back as %q", name, got)
		}
	}
	f("quotes, brackets and backslashes", kv{"A", `"\]`}, kv{"B", `\"`}, kv{"C", `[x y="z"]`}, kv{"MESSAGE", `["\]`})
	f("control characters", kv{"A", "a\nb\r\x00\x1b[31m\x7f\t"}, kv{"MESSAGE", "line 1\nline 2\n\x00\x1b[0m\n"})
	f("octets that are no UTF-8", kv{"A", "\xff\xfe"}, kv{"MESSAGE", "\xc3\x28 latin \xe9"}, kv{"MESSAGE", "second \xff"})
	f("characters beyond ASCII", kv{"A", "Grüße, 世界 🚀"}, kv{"MESSAGE", "Grüße"})
	f("repeats in their order", kv{"A", "1"}, kv{"A", "2"}, kv{"A", "1"}, kv{"MESSAGE", "x"}, kv{"MESSAGE", "y"})
	f("an empty message", kv{"MESSAGE", ""}, kv{"A", ""})
	f("no message", kv{"A", "1"})
	f("spaces around the message", kv{"MESSAGE", "  x  "})
	f("a message that looks like structured data", kv{"MESSAGE", `[a@1 b="c"] d`})
	f("long names", kv{long, "1"}, kv{long + "2", "\xff"}, kv{long, "3"}, kv{strings.Repeat("A", 32), "4"})
	f("names that journald would not take", kv{"", "1"}, kv{"lower case", "2"}, kv{`a]"`, "3"})
}

func TestWhatIsTooLongIsCutAndSaidSo(t *testing.T) {
	cut := func(m *syslog.Message) string {
		var got []string
		syslog.EachElement(m.Field(m.StructuredData), func(el syslog.Element) bool {
			if string(el.ID) == idCut {
				el.EachParam(func(p syslog.Param) bool {
					got = append(got, fmt.Sprintf("%s=%s", p.Name, p.Value))
					return true
				})
			}
			return true
		})
		return strings.Join(got, " ")
	}
	f := func(name string, cfg Config, wantCut string, lost uint64, want []kv, fields ...kv) {
		t.Helper()
		cfg.Name = "t"
		m, e := parsed(t, cfg, fields...)
		if got := cut(&m); got != wantCut || e.lost != lost || !e.truncated() {
			t.Errorf("%s: cut %q and lost %d octets, want %q and %d", name, got, e.lost, wantCut, lost)
		}
		if got := fieldsOf(t, &m); !equalByName(got, want) {
			t.Errorf("%s: kept %.300q, want %.300q", name, got, want)
		}
	}
	xs := func(n int) string { return strings.Repeat("x", n) }
	f("a long field", Config{MaxFieldSize: 10}, "A=14", 4, []kv{{"A", xs(10)}, {"MESSAGE", "m"}}, kv{"A", xs(14)}, kv{"MESSAGE", "m"})
	f("a long message", Config{MaxFieldSize: 10}, "MESSAGE=100000", 99990, []kv{{"MESSAGE", xs(10)}}, kv{"MESSAGE", xs(100000)})
	f("not within a character", Config{MaxFieldSize: 5}, "A=8", 4, []kv{{"A", "世x"}}, kv{"A", "世x世x"})
	f("many fields", Config{MaxFields: 2}, "fields=2", 2, []kv{{"A", "1"}, {"B", "2"}, {"PRIORITY", "3"}, {"MESSAGE", "m"}},
		kv{"A", "1"}, kv{"B", "2"}, kv{"C", "3"}, kv{"PRIORITY", "3"}, kv{"D", "4"}, kv{"MESSAGE", "m"})
	// Half of the room is left to what is in the header, though it comes last.
	f("many long fields", Config{MaxMessageSize: 4096, MaxFieldSize: 1500}, "B=1500 fields=1", 2454,
		[]kv{{"A", xs(1500)}, {"B", xs(546)}, {"MESSAGE", xs(1500)}},
		kv{"A", xs(1500)}, kv{"B", xs(1500)}, kv{"C", xs(1500)}, kv{"MESSAGE", xs(1500)})
}

func TestAMessageFitsIntoABatchHoweverItsOctetsAreEscaped(t *testing.T) {
	cfg := Config{Name: "t", MaxMessageSize: maxMessageSizeLimit, MaxFieldSize: maxMessageSizeLimit / 2, MaxFields: maxFieldsLimit}
	for _, c := range []string{`\`, "\xff", "\n"} {
		var fields []kv
		for i := range 40 {
			fields = append(fields, kv{"F" + strconv.Itoa(i), strings.Repeat(c, 100<<10)})
		}
		m, e := parsed(t, cfg, append(fields, kv{"MESSAGE", strings.Repeat(c, maxMessageSizeLimit/2)})...)
		checkMessage(t, e)
		if n := len(m.Raw); n > 15<<20 {
			t.Errorf("%q: the message has %d octets", c, n)
		}
	}
}

func BenchmarkEntries(b *testing.B) {
	one := export(kv{"__CURSOR", "s=ebd4d1b9b1b94a61a6c4b0d7a3a8e2d1;i=1a2;b=1bd5ac1a4a494d4c9d0b4ec19f9ba1de;m=4f1c7d6;t=62d0bfe2a1b40;x=8a6b1b2d3c4e5f60"},
		kv{"__REALTIME_TIMESTAMP", "1738424400100160"}, kv{"__MONOTONIC_TIMESTAMP", "82955222"}, kv{"_BOOT_ID", "1bd5ac1a4a494d4c9d0b4ec19f9ba1de"},
		kv{"_TRANSPORT", "stdout"}, kv{"PRIORITY", "6"}, kv{"SYSLOG_FACILITY", "3"}, kv{"SYSLOG_IDENTIFIER", "app"}, kv{"_PID", "812"},
		kv{"_UID", "0"}, kv{"_GID", "0"}, kv{"_COMM", "app"}, kv{"_EXE", "/usr/bin/app"}, kv{"_CMDLINE", "/usr/bin/app --serve"},
		kv{"_SYSTEMD_CGROUP", "/system.slice/app.service"}, kv{"_SYSTEMD_UNIT", "app.service"}, kv{"_MACHINE_ID", "3b1d0b6f6f9c4f21a7d7a5a4c5a0e1f2"},
		kv{"_HOSTNAME", "web1"}, kv{"MESSAGE", strings.Repeat("request served ", 8)})
	cfg := Config{Name: "b"}
	if err := cfg.setDefaults(); err != nil {
		b.Fatal(err)
	}
	r, e := newReader(&pump{pattern: []byte(one)}), newEntry(&cfg)
	js := journals{known: make(map[journalID]*journal)}
	var dst []byte
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	for b.Loop() {
		if err := r.next(e); err != nil {
			b.Fatal(err)
		}
		v, _ := e.value(cursor)
		js.place(v)
		dst = appendMessage(dst[:0], e)
	}
}
