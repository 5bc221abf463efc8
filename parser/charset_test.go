package parser

import (
	"bytes"
	"strings"
	"testing"

	"github.com/syslane/syslane/internal/syslog"
)

func TestCharsetsAreConvertedSoThatTheyCanBeUndone(t *testing.T) {
	f := func(charset, raw, want string) {
		t.Helper()
		c, err := NewCharset(charset)
		if err != nil {
			t.Fatal(err)
		}
		m := syslog.Message{Raw: []byte(raw), Warnings: syslog.WarnTruncated}
		before := []byte("earlier")
		buffer := c.Convert(&m, before)
		if string(m.Raw) != want {
			t.Errorf("%s: %q became %q, want %q", charset, raw, m.Raw, want)
		}
		if !bytes.HasPrefix(buffer, before) {
			t.Errorf("%s: the buffer begins with %q", charset, buffer)
		}
		Parse(&m, nil)
		if converted := m.Warnings&syslog.WarnConverted != 0; converted != (raw != want) {
			t.Errorf("%s: %q is flagged %v", charset, raw, converted)
		} else if converted {
			if original, ok := c.Original(m.Raw); !ok || string(original) != raw {
				t.Errorf("%s: %q is undone to %q", charset, raw, original)
			}
		}
		if m.Warnings&syslog.WarnTruncated == 0 {
			t.Errorf("%s: the input's warning is gone", charset)
		}
	}
	f("latin1", "<13>Oct 11 22:14:15 h a: Gr\xfc\xdfe", "<13>Oct 11 22:14:15 h a: Grüße")
	f("ISO-8859-15", "<13>\xa4", "<13>€")
	f("windows-1252", "<13>\x80 \x93x\x94", "<13>€ “x”")
	f("GBK", "<13>\xcf\xb5\xcd\xb3\xc8\xd5\xd6\xbe", "<13>系统日志")
	f("gb18030", "<13>\x81\x30\x81\x30", "<13>\u0080")
	f("big5", "<13>\xa8t\xb2\xce", "<13>系統")
	f("shift_jis", "<13>\x83V\x83X\x83e\x83\x80", "<13>システム")
	f("euc-kr", "<13>\xbd\xc3\xbd\xba\xc5\xdb", "<13>시스템")
	f("koi8-r", "<13>\xd3\xc9\xd3\xd4\xc5\xcd\xc1", "<13>система")
	// What is UTF-8 already stays, and so does what could not be undone.
	f("GBK", "<13>text", "<13>text")
	f("GBK", "<13>系统", "<13>系统")
	f("GBK", "<13>\xcf\xb5\xcd\xb3", "<13>ϵͳ") // 系统, but UTF-8 as well
	f("GBK", "<13>\xcf\xb5\xff\xff", "<13>\xcf\xb5\xff\xff")
	f("GBK", "<13>\xcf", "<13>\xcf")
}

func TestCharsetsThatHideHeadersAreRefused(t *testing.T) {
	f := func(charset, want string) {
		t.Helper()
		if _, err := NewCharset(charset); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", charset, err, want)
		}
	}
	f("utf-16le", "ASCII")
	f("utf-16", "ASCII")
	f("iso-2022-jp", "ASCII")
	f("no-such-set", "unknown")
	f("", "unknown")
	f("replacement", "ASCII")
}

// Whatever the octets, a conversion can be undone.
func FuzzCharsetConversionCanBeUndone(f *testing.F) {
	f.Add([]byte("<13>Oct 11 22:14:15 h a: \xcf\xb5\xcd\xb3"))
	f.Add([]byte("\x83V\xff\x00\xfe"))
	var all []*Charset
	for _, name := range []string{"latin1", "windows-1252", "gbk", "gb18030", "big5", "shift_jis", "euc-jp", "euc-kr"} {
		c, err := NewCharset(name)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, c)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, c := range all {
			m := syslog.Message{Raw: bytes.Clone(raw)}
			c.Convert(&m, nil)
			if m.Warnings&syslog.WarnConverted == 0 {
				if !bytes.Equal(m.Raw, raw) {
					t.Fatalf("%v: %q was changed", c, raw)
				}
				continue
			}
			if original, ok := c.Original(m.Raw); !ok || !bytes.Equal(original, raw) {
				t.Fatalf("%v: %q is undone to %q", c, raw, original)
			}
		}
	})
}
