package receive

import (
	"bufio"
	"bytes"
	"io"
	"testing"
)

// A header either names a source, names none, or is refused; it never takes more
// octets than its own.
func FuzzProxyHeader(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 198.51.100.7 192.0.2.1 4321 514\r\n", "PROXY TCP6 2001:db8::7 2001:db8::1 1 2\r\n", "PROXY UNKNOWN\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x01\x10\xe1\x02\x02",
		"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", "\r\n\r\n\x00\r\nQUIT\n\x21\x31\x00\xd8", "PROXY", "<13>a\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReaderSize(bytes.NewReader(append(b, "<13>rest\n"...)), 1024)
		source, err := proxySource(r)
		if err != nil {
			return
		}
		if source.IsValid() && source.Addr().Is4In6() {
			t.Errorf("source %v is not unmapped", source)
		}
		rest, _ := io.ReadAll(r)
		if !bytes.HasSuffix(rest, []byte("<13>rest\n")) && len(rest) >= len("<13>rest\n") {
			t.Errorf("%q left of the stream", rest)
		}
	})
}
