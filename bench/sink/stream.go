package sink

import (
	"bytes"
	"net"
)

// readBuffer is what one read of a connection may bring.
const readBuffer = 1 << 20

// Stream takes plain syslog over TCP: octet counting where a connection begins with
// a digit, else LF.
func Stream(addr string, numbers *Numbers) (Sink, error) {
	s := &server{}
	s.tally.numbers = numbers
	return s, s.listen(addr, func(c net.Conn) {
		buf := make([]byte, readBuffer)
		var f framing
		kept := 0 // octets of a message that is not whole
		for {
			n, err := c.Read(buf[kept:])
			if err != nil {
				return
			}
			have := kept + n
			messages, used := f.count(buf[:have])
			numbers.look(buf[:used])
			s.tally.add(messages, n)
			kept = copy(buf, buf[used:have])
		}
	})
}

// framing counts the messages of a stream.
type framing struct{ octetCounting, known bool }

// count returns how many whole messages b begins with, and their octets.
func (f *framing) count(b []byte) (messages, used int) {
	if !f.known && len(b) > 0 {
		f.known, f.octetCounting = true, b[0] >= '1' && b[0] <= '9'
	}
	if !f.octetCounting {
		return bytes.Count(b, []byte{'\n'}), bytes.LastIndexByte(b, '\n') + 1
	}
	for {
		length, i := 0, used
		for i < len(b) && b[i] >= '0' && b[i] <= '9' {
			length = 10*length + int(b[i]-'0')
			i++
		}
		if i+1+length > len(b) || i == used {
			return messages, used
		}
		used = i + 1 + length
		messages++
	}
}
