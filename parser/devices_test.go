package parser

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// deviceMessage is a message of testdata/devices with the fields that it should have.
type deviceMessage struct {
	where string // file and line
	want  map[string]string
}

// devicesReceived is when the messages of testdata/devices arrived.
var devicesReceived = time.Date(2022, 10, 12, 0, 0, 0, 0, time.UTC)

// readDevices reads testdata/devices: blocks of "key value" lines, of which
// sender and message begin one. A key that is absent stands for an empty field.
// Values with octets that do not show are quoted as in Go.
func readDevices(t testing.TB) []deviceMessage {
	t.Helper()
	files, err := filepath.Glob("testdata/devices/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []deviceMessage
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(data))
		for n := 1; lines.Scan(); n++ {
			line := lines.Text()
			if line == "" || line[0] == '#' {
				continue
			}
			key, value, _ := strings.Cut(line, " ")
			value = strings.TrimLeft(value, " ")
			if strings.HasPrefix(value, `"`) {
				if value, err = strconv.Unquote(value); err != nil {
					t.Fatalf("%s:%d: %v", file, n, err)
				}
			}
			if key == "sender" {
				all = append(all, deviceMessage{where: fmt.Sprintf("%s:%d", file, n), want: map[string]string{}})
			}
			all[len(all)-1].want[key] = value
		}
	}
	return all
}

// fields names what has been found in m as testdata/devices does.
func fields(m *syslog.Message) map[string]string {
	got := map[string]string{"format": m.Format.String()}
	if m.Warnings&syslog.WarnNoPriority != 0 {
		got["severity"] = m.Severity.String()
	} else {
		got["priority"] = m.Facility.String() + "." + m.Severity.String()
	}
	if m.Timestamp != syslog.NoTimestamp {
		got["time"] = m.Time().Format(time.RFC3339Nano)
	}
	for key, span := range map[string]syslog.Span{
		"host": m.Hostname, "app": m.AppName, "pid": m.ProcID, "msgid": m.MsgID, "data": m.StructuredData, "text": m.Text,
	} {
		if !span.Empty() {
			got[key] = string(m.Field(span))
		}
	}
	return got
}

func TestMessagesOfDevicesAreUnderstood(t *testing.T) {
	senders := map[string]int{}
	all := readDevices(t)
	for _, d := range all {
		senders[d.want["sender"]]++
		m := syslog.Message{Raw: []byte(d.want["message"])}
		Parse(&m, &Options{Received: devicesReceived, Location: time.UTC})
		got := fields(&m)
		for _, key := range []string{"format", "priority", "severity", "time", "host", "app", "pid", "msgid", "data", "text"} {
			if got[key] != d.want[key] {
				t.Errorf("%s: %s\n%s is %q, want %q", d.where, d.want["message"], key, got[key], d.want[key])
			}
		}
		if string(m.Raw) != d.want["message"] {
			t.Errorf("%s: the octets were modified", d.where)
		}
	}
	if len(all) < 300 || len(senders) < 40 {
		t.Errorf("%d messages of %d kinds of senders, want at least 300 of 40", len(all), len(senders))
	}
}

func TestParseDoesNotAllocate(t *testing.T) {
	o := &Options{Received: devicesReceived, Location: time.UTC}
	for _, d := range readDevices(t) {
		m := syslog.Message{Raw: []byte(d.want["message"])}
		if n := testing.AllocsPerRun(10, func() { Parse(&m, o) }); n != 0 {
			t.Errorf("%s: %v allocations for %s", d.where, n, d.want["message"])
		}
	}
}

// A message that is cut, or whose octets are changed, must not disturb the parser.
func TestDamagedMessagesAreKept(t *testing.T) {
	o := &Options{Received: devicesReceived, Location: time.UTC}
	for _, d := range readDevices(t) {
		raw := []byte(d.want["message"])
		for n := range raw {
			check(t, raw[:n], o)
		}
		for n := range raw {
			damaged := bytes.Clone(raw)
			damaged[n] ^= 0x20
			check(t, damaged, o)
		}
	}
}

// check parses raw and tests what must hold of every message.
func check(t *testing.T, raw []byte, o *Options) syslog.Message {
	t.Helper()
	m := syslog.Message{Raw: raw, Warnings: syslog.WarnTruncated}
	Parse(&m, o)
	for _, s := range []syslog.Span{m.Hostname, m.AppName, m.ProcID, m.MsgID, m.StructuredData, m.Text} {
		if s.Start > s.End || int(s.End) > len(raw) {
			t.Fatalf("span %v lies outside of %q", s, raw)
		}
	}
	if m.Severity > syslog.Debug || m.Facility > syslog.Local7 {
		t.Fatalf("priority %d.%d of %q", m.Facility, m.Severity, raw)
	}
	if m.Warnings&syslog.WarnTruncated == 0 {
		t.Fatalf("the input's warning is gone from %q", raw)
	}
	if m.Format == syslog.Unparsed && (!m.Hostname.Empty() || !m.AppName.Empty() || m.Timestamp != syslog.NoTimestamp) {
		t.Fatalf("fields of an unparsed message %q", raw)
	}
	return m
}

// BenchmarkDevices is a message of testdata/devices after the other.
func BenchmarkDevices(b *testing.B) {
	var messages []syslog.Message
	for _, d := range readDevices(b) {
		messages = append(messages, syslog.Message{Raw: []byte(d.want["message"])})
	}
	o := &Options{Received: devicesReceived, Location: time.UTC}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Parse(&messages[i%len(messages)], o)
	}
}

// A Message that is used again keeps nothing of the one before, whatever fields it has.
func TestParseSetsEveryField(t *testing.T) {
	o := &Options{Received: devicesReceived, Location: time.UTC}
	used := syslog.Message{Raw: []byte(seeds5424[2])}
	Parse(&used, o)
	used.Format, used.MsgID = 77, syslog.Span{Start: 3, End: 4}
	used.ProcID = used.MsgID
	v := reflect.ValueOf(used)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Warnings" {
			t.Fatalf("the test does not set %s", name)
		}
	}
	for _, raw := range []string{"", "text", "<34>Oct 11 22:14:15 web1 su: text", seeds5424[0], seeds5424[3], "<13>1 - - - - - -"} {
		again, fresh := used, syslog.Message{Raw: []byte(raw)}
		again.Raw, again.Warnings = fresh.Raw, 0
		Parse(&again, o)
		Parse(&fresh, o)
		if !reflect.DeepEqual(again, fresh) {
			t.Errorf("%q: got %+v, want %+v", raw, again, fresh)
		}
	}
}
