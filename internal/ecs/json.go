package ecs

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// Eight octets are looked at in one step. The constants repeat an octet eight
// times over.
const (
	swarOnes  = 0x0101010101010101
	swarHighs = 0x8080808080808080
	swarQuote = '"' * swarOnes
	swarBack  = '\\' * swarOnes
	swarSpace = ' ' * swarOnes
)

// special sets the high bit of each octet of w that cannot stand in a JSON
// string as it is, or that needs a closer look: controls, DEL, quote, backslash
// and all that is not ASCII. Octets above the lowest one marked may be marked
// wrongly (a borrow or carry ran into them); the lowest never is.
func special(w uint64) uint64 {
	// The high bit of an octet is set in w itself if it is none of ASCII, in the sum
	// if it is DEL, and in the differences if it is below space, the quote, or the
	// backslash: what else they set it in is none of ASCII.
	return (w | (w + swarOnes) | (w - swarSpace) | (w ^ swarQuote - swarOnes) | (w ^ swarBack - swarOnes)) & swarHighs
}

// plain tells for each octet whether it can stand in a JSON string as it is.
var plain = func() (t [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// allPlain reports whether s can stand in a JSON string as it is.
func allPlain(s []byte) bool {
	n := len(s)
	if n < 8 {
		for _, c := range s {
			if !plain[c] {
				return false
			}
		}
		return true
	}
	// The last eight octets are looked at whatever of them was seen already.
	marked := special(binary.LittleEndian.Uint64(s[n-8:]))
	for ; n >= 16; n -= 16 {
		marked |= special(binary.LittleEndian.Uint64(s)) | special(binary.LittleEndian.Uint64(s[8:]))
		s = s[16:]
	}
	if n >= 8 {
		marked |= special(binary.LittleEndian.Uint64(s))
	}
	return marked == 0
}

// appendString appends s as a JSON string with its quotes; see appendEscaped.
func appendString(dst, s []byte) ([]byte, bool) {
	if allPlain(s) {
		return append(append(append(dst, '"'), s...), '"'), true
	}
	dst, ok := appendEscaped(append(dst, '"'), s)
	return append(dst, '"'), ok
}

// AppendString appends s as a JSON string as documents have it: octets that are not
// UTF-8 become U+FFFD each.
func AppendString(dst, s []byte) []byte {
	dst, _ = appendString(dst, s)
	return dst
}

// appendEscaped appends s as the inside of a JSON string (RFC 8259 §7). Octets
// that are not UTF-8 become U+FFFD each, and ok is false then. Beyond what JSON
// asks, DEL and the C1 controls are escaped, so that no document can steer a
// terminal on which it is printed.
func appendEscaped(dst, s []byte) (_ []byte, ok bool) {
	ok = true
	clean := 0 // s[clean:i] can be copied as it is
	for i := 0; i < len(s); {
		for len(s)-i >= 16 && special(binary.LittleEndian.Uint64(s[i:]))|special(binary.LittleEndian.Uint64(s[i+8:])) == 0 {
			i += 16
		}
		for len(s)-i >= 8 {
			if m := special(binary.LittleEndian.Uint64(s[i:])); m != 0 {
				i += bits.TrailingZeros64(m) / 8
				break
			}
			i += 8
		}
		for i < len(s) && plain[s[i]] { // fewer than eight octets are left
			i++
		}
		for i < len(s) && s[i] >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(s[i:])
			switch {
			case r == utf8.RuneError && n == 1:
				ok = false
				dst = append(append(dst, s[clean:i]...), "\uFFFD"...)
				clean = i + 1
			case r < 0xa0:
				dst = append(append(dst, s[clean:i]...), '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
				clean = i + n
			}
			i += n
		}
		if i < len(s) && s[i] < utf8.RuneSelf && !plain[s[i]] {
			dst = appendEscape(append(dst, s[clean:i]...), s[i])
			i++
			clean = i
		}
	}
	return append(dst, s[clean:]...), ok
}

const hexDigits = "0123456789abcdef"

// appendEscape appends the escape sequence of an ASCII octet.
func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
