package relp

// stamp is the time in the header of a message, as far as it tells messages apart.
type stamp struct {
	// value differs where times do; 0 where there is no fraction of a second of
	// at least three digits that mean something.
	value uint64
	// fine says that the fraction tells microseconds apart.
	fine bool
}

// stampOf reads the timestamp of RFC 3339 behind PRI, in the header of RFC 5424
// or where RFC 3164 has its own, as rsyslog's templates write it.
func stampOf(data []byte) (s stamp) {
	const layout = "dddd-dd-ddTdd:dd:dd."
	if len(data) == 0 || data[0] != '<' {
		return s
	}
	i := 1
	for i < len(data) && i < 5 && data[i] != '>' {
		i++
	}
	if i++; i+2 <= len(data) && data[i] == '1' && data[i+1] == ' ' {
		i += 2
	}
	if len(data) < i+len(layout) {
		return s
	}
	value := uint64(0)
	for j, want := range []byte(layout) {
		got := data[i+j]
		switch {
		case want != 'd' && got != want, want == 'd' && !isDigit(got):
			return s
		case want == 'd' && j >= 2: // not the century, for the sum to fit
			value = 10*value + uint64(got-'0')
		}
	}
	digits := 0 // up to the last that is not 0: clocks of milliseconds are filled up
	fraction := data[i+len(layout):]
	for j := range 6 {
		value *= 10
		if j < len(fraction) && isDigit(fraction[j]) {
			value += uint64(fraction[j] - '0')
			if fraction[j] != '0' {
				digits = j + 1
			}
		} else {
			fraction = fraction[:min(j, len(fraction))]
		}
	}
	if digits > 0 && len(fraction) >= 3 {
		s = stamp{value: value, fine: digits > 3 && len(fraction) >= 6}
	}
	return s
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
