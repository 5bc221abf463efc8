package parser

import (
	"bytes"
	"fmt"
	"sync"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"

	"github.com/syslane/syslane/internal/syslog"
)

// Charset turns messages of one character set into UTF-8. It serves many
// goroutines at once.
//
// No octet gets lost by it: a message is converted only if encoding the result
// again gives exactly the octets that were received, and such a message carries
// syslog.WarnConverted; any other stays as it came.
type Charset struct {
	name   string
	coding encoding.Encoding
	coders sync.Pool // of *coder
}

// coder is what one conversion needs.
type coder struct {
	decoder *encoding.Decoder
	encoder *encoding.Encoder
	again   []byte
}

// NewCharset returns the character set that IANA or the WHATWG know by name:
// "latin1" and "iso-8859-1", "windows-1252", "gbk", "gb18030", "big5", "shift_jis",
// "euc-kr", "koi8-r" and others. It must contain ASCII as it is, which UTF-16
// and ISO-2022 do not: with those a header could not be told from text.
func NewCharset(name string) (*Charset, error) {
	coding, err := ianaindex.IANA.Encoding(name)
	if err != nil || coding == nil {
		if coding, err = htmlindex.Get(name); err != nil {
			return nil, fmt.Errorf("charset %q is unknown: use a name of IANA such as ISO-8859-1, windows-1252 or GBK", name)
		}
	}
	if !containsASCII(coding) {
		return nil, fmt.Errorf("charset %q does not contain ASCII as it is, so that no header can be found: let the sender use UTF-8", name)
	}
	c := &Charset{name: name, coding: coding}
	c.coders.New = func() any {
		return &coder{decoder: coding.NewDecoder(), encoder: coding.NewEncoder()}
	}
	return c, nil
}

// containsASCII tells whether the octets of ASCII stand for themselves in coding,
// and for nothing else.
func containsASCII(coding encoding.Encoding) bool {
	const header = "<13>1 - [a]:"
	if decoded, err := coding.NewDecoder().String(header); err != nil || decoded != header {
		return false
	}
	for _, sample := range []string{"é", "я", "世", "あ", "한"} {
		if encoded, err := coding.NewEncoder().String(sample); err == nil && isASCII(encoded) {
			return false
		}
	}
	return true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// String returns the name that the character set was asked for by.
func (c *Charset) String() string { return c.name }

// Convert turns m.Raw into UTF-8 before Parse, if it is none yet and all of it
// is text of the character set. The result is appended to dst, of which m.Raw
// then is the end; the grown dst is returned. Octets that were UTF-8 already stay
// as they are, so that senders may change over one by one. A few octets of another
// set can be UTF-8 by chance; such a message stays too.
func (c *Charset) Convert(m *syslog.Message, dst []byte) []byte {
	if utf8.Valid(m.Raw) {
		return dst
	}
	k := c.coders.Get().(*coder)
	defer c.coders.Put(k)
	start := len(dst)
	k.decoder.Reset()
	out, _, err := transform.Append(k.decoder, dst, m.Raw)
	if err != nil {
		return dst
	}
	k.encoder.Reset()
	k.again, _, err = transform.Append(k.encoder, k.again[:0], out[start:])
	if err != nil || !bytes.Equal(k.again, m.Raw) {
		return dst
	}
	m.Raw = out[start:len(out):len(out)]
	m.Warnings |= syslog.WarnConverted
	return out
}

// Original returns the octets that Convert found in a message, and false where
// raw is not what it made.
func (c *Charset) Original(raw []byte) ([]byte, bool) {
	out, err := c.coding.NewEncoder().Bytes(raw)
	return out, err == nil
}
