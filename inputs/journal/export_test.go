package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// kv is a field as a test has it.
type kv struct{ name, value string }

// export writes an entry as systemd-journal-upload does: values with control
// characters in the binary form.
func export(fields ...kv) string {
	var b strings.Builder
	for _, f := range fields {
		if strings.ContainsFunc(f.value, func(r rune) bool { return r < ' ' && r != '\t' || r == '\uFFFD' }) {
			fmt.Fprintf(&b, "%s\n%s%s\n", f.name, binary.LittleEndian.AppendUint64(nil, uint64(len(f.value))), f.value)
		} else {
			fmt.Fprintf(&b, "%s=%s\n", f.name, f.value)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

// readAll returns the fields of all entries, and how the stream ended.
func readAll(src io.Reader, cfg Config) (entries [][]kv, err error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	r, e := newReader(src), newEntry(&cfg)
	for {
		if err := r.next(e); err != nil {
			if err == io.EOF {
				err = nil
			}
			return entries, err
		}
		var fields []kv
		for _, f := range e.fields {
			fields = append(fields, kv{string(f.name.Of(e.data)), string(f.value.Of(e.data))})
		}
		entries = append(entries, fields)
	}
}

// sample is an entry as systemd-journal-upload 252 sent it, with a field in the
// binary form.
const sample = "__CURSOR=s=ebd4d1b9b1b94a61a6c4b0d7a3a8e2d1;i=1a2;b=1bd5ac1a4a494d4c9d0b4ec19f9ba1de;m=4f1c7d6;t=62d0bfe2a1b40;x=8a6b1b2d3c4e5f60\n" +
	"__REALTIME_TIMESTAMP=1738424400100160\n__MONOTONIC_TIMESTAMP=82955222\n_BOOT_ID=1bd5ac1a4a494d4c9d0b4ec19f9ba1de\n" +
	"_TRANSPORT=stdout\nPRIORITY=6\nSYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=app\n_PID=812\n_COMM=app\n_HOSTNAME=web1\n" +
	"MESSAGE\n\x0c\x00\x00\x00\x00\x00\x00\x00first\nsecond\n\n"

func TestEntriesAreReadHoweverTheStreamIsSplit(t *testing.T) {
	stream := "\n" + sample + "\n\n" + export(kv{"MESSAGE", "plain"}, kv{"MESSAGE", "again"}, kv{"DATA", "\x00\xff\n"}, kv{"EMPTY", ""}, kv{"EQUALS", "a=b=c"}) +
		export(kv{"LONG", strings.Repeat("x", readBuffer+77)}, kv{"BINARY", strings.Repeat("\n", readBuffer+99)}, kv{"AFTER", "1"})
	want := [][]kv{
		{{"__CURSOR", "s=ebd4d1b9b1b94a61a6c4b0d7a3a8e2d1;i=1a2;b=1bd5ac1a4a494d4c9d0b4ec19f9ba1de;m=4f1c7d6;t=62d0bfe2a1b40;x=8a6b1b2d3c4e5f60"},
			{"__REALTIME_TIMESTAMP", "1738424400100160"}, {"__MONOTONIC_TIMESTAMP", "82955222"}, {"_BOOT_ID", "1bd5ac1a4a494d4c9d0b4ec19f9ba1de"},
			{"_TRANSPORT", "stdout"}, {"PRIORITY", "6"}, {"SYSLOG_FACILITY", "3"}, {"SYSLOG_IDENTIFIER", "app"}, {"_PID", "812"}, {"_COMM", "app"},
			{"_HOSTNAME", "web1"}, {"MESSAGE", "first\nsecond"}},
		{{"MESSAGE", "plain"}, {"MESSAGE", "again"}, {"DATA", "\x00\xff\n"}, {"EMPTY", ""}, {"EQUALS", "a=b=c"}},
		{{"LONG", strings.Repeat("x", readBuffer+77)}, {"BINARY", strings.Repeat("\n", readBuffer+99)}, {"AFTER", "1"}},
	}
	for name, src := range map[string]io.Reader{
		"whole":              strings.NewReader(stream),
		"octet by octet":     iotest.OneByteReader(strings.NewReader(stream)),
		"by halves":          iotest.HalfReader(strings.NewReader(stream)),
		"with its end early": iotest.DataErrReader(strings.NewReader(stream)),
	} {
		got, err := readAll(src, Config{Name: "t", MaxFieldSize: 128 << 10})
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, %.300q", name, err, fmt.Sprint(got))
		}
	}
}

func TestWhatIsNotTheFormatIsRefused(t *testing.T) {
	f := func(name, stream string, entries int, want string) {
		t.Helper()
		got, err := readAll(strings.NewReader(stream), Config{Name: "t"})
		if len(got) != entries {
			t.Errorf("%s: %d entries were read, want %d", name, len(got), entries)
		}
		var format *formatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	good := "MESSAGE=x\n\n"
	f("a line of text", good+"hello, world\n\n", 1, `at octet 11: "hello, world" is neither`)
	f("lower case before binary", "message\n\x01\x00\x00\x00\x00\x00\x00\x00x\n\n", 0, "neither NAME=value")
	f("binary octets", good+"\x00\x01\x02", 1, "at octet 11: octet 0x00 in the name")
	f("JSON", "{\"MESSAGE\":\"x\"}\n", 0, "neither NAME=value")
	f("an endless name", strings.Repeat("A", 1000), 0, "more than 256 octets")
	f("an impossible length", "DATA\n\xff\xff\xff\xff\xff\xff\xff\xff", 0, "a field of 18446744073709551615 octets")
	f("no line feed after binary", "DATA\n\x01\x00\x00\x00\x00\x00\x00\x00xyz\n\n", 0, "octet 0x79 in place of the line feed")
}

func TestAStreamThatEndsWithinAnEntryIsToldFromAWholeOne(t *testing.T) {
	whole := export(kv{"MESSAGE", "x"}, kv{"DATA", "\x00\xff"})
	for cut := 1; cut < len(whole); cut++ {
		got, err := readAll(strings.NewReader(sample+whole[:cut]), Config{Name: "t"})
		if len(got) != 1 || !errors.Is(err, errWithinEntry) {
			t.Errorf("cut at %d: %d entries, %v", cut, len(got), err)
		}
	}
	broken := errors.New("connection reset")
	if _, err := readAll(io.MultiReader(strings.NewReader(sample), iotest.ErrReader(broken)), Config{Name: "t"}); !errors.Is(err, broken) {
		t.Errorf("the error of the connection came out as %v", err)
	}
}

func TestAnEntryThatNeverEndsIsRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a gigabyte")
	}
	endless := func(pattern string) io.Reader { return &pump{pattern: []byte(pattern)} }
	f := func(name string, src io.Reader) {
		t.Helper()
		if _, err := readAll(src, Config{Name: "t"}); !errors.Is(err, errEntryTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f("fields for ever", endless("A="+strings.Repeat("x", 4000)+"\n"))
	f("a line for ever", io.MultiReader(strings.NewReader("A="), endless(strings.Repeat("x", 4000))))
}

// pump gives a pattern again and again.
type pump struct {
	pattern []byte
	at      int
}

func (p *pump) Read(b []byte) (n int, err error) {
	for n < len(b) {
		k := copy(b[n:], p.pattern[p.at:])
		n, p.at = n+k, (p.at+k)%len(p.pattern)
	}
	return n, nil
}

func FuzzExportFormat(f *testing.F) {
	f.Add([]byte(sample))
	f.Add([]byte(export(kv{"MESSAGE", "a"}, kv{"B", "\x00\xff"}, kv{"", "no name"}, kv{"odd name]", "\xff"})))
	f.Add([]byte("A=1\nB\n\x02\x00\x00\x00\x00\x00\x00\x00\n\n\n\n\nC=3\n\n"))
	f.Add([]byte("PRIORITY=9\nSYSLOG_FACILITY=24\n_SOURCE_REALTIME_TIMESTAMP=99999999999999999999\n__CURSOR=s=;i=;b=;t=\nMESSAGE=\n\n"))
	cfg := Config{Name: "t", MaxMessageSize: minMessageSize, MaxFieldSize: 300, MaxFields: 8}
	f.Fuzz(func(t *testing.T, stream []byte) {
		whole, err := readAll(bytes.NewReader(stream), cfg)
		split, splitErr := readAll(iotest.OneByteReader(bytes.NewReader(stream)), cfg)
		if fmt.Sprint(whole) != fmt.Sprint(split) || fmt.Sprint(err) != fmt.Sprint(splitErr) {
			t.Fatalf("whole: %q %v\nsplit: %q %v", whole, err, split, splitErr)
		}
		c := cfg
		if err := c.setDefaults(); err != nil {
			t.Fatal(err)
		}
		r, e := newReader(bytes.NewReader(stream)), newEntry(&c)
		js := journals{known: make(map[journalID]*journal)}
		for r.next(e) == nil {
			if n := len(e.data); n > c.MaxMessageSize || len(e.fields) > c.MaxFields+int(roles) {
				t.Fatalf("%d octets and %d fields are kept", n, len(e.fields))
			}
			if v, ok := e.value(cursor); ok {
				js.place(v)
			}
			checkMessage(t, e)
		}
	})
}
