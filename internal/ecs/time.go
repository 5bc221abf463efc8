package ecs

const nanosPerSecond = 1_000_000_000

// clock appends times. It keeps the text of the second: the times of events that
// follow each other mostly have it in common. The zero clock is ready for use.
type clock struct {
	second int64 // since the Unix epoch
	text   [len("2006-01-02T15:04:05.")]byte
}

// append appends the time ns (nanoseconds since the Unix epoch) in the form of
// RFC 3339, UTC, always with nine digits of fraction, so that the texts sort as the
// times do: 2006-01-02T15:04:05.000000000Z.
func (c *clock) append(dst []byte, ns int64) []byte {
	sec, frac := ns/nanosPerSecond, ns%nanosPerSecond
	if frac < 0 {
		sec, frac = sec-1, frac+nanosPerSecond
	}
	if sec != c.second || c.text[0] == 0 {
		c.set(sec)
	}
	n := len(dst) + len(c.text)
	dst = append(append(dst, c.text[:]...), "000000000Z"...)
	b, f := dst[n:], uint32(frac)
	b[0] = byte('0' + f/100_000_000)
	put2(b[1:], f/1_000_000%100)
	put2(b[3:], f/10_000%100)
	put2(b[5:], f/100%100)
	put2(b[7:], f%100)
	return dst
}

// set puts the text of a second.
func (c *clock) set(sec int64) {
	day, tod := sec/86400, sec%86400
	if tod < 0 {
		day, tod = day-1, tod+86400
	}
	y, m, d := civil(int32(day))
	s, b := uint32(tod), c.text[:]
	copy(b, "2006-01-02T15:04:05.")
	put2(b[0:], y/100)
	put2(b[2:], y%100)
	put2(b[5:], m)
	put2(b[8:], d)
	put2(b[11:], s/3600)
	put2(b[14:], s/60%60)
	put2(b[17:], s%60)
	c.second = sec
}

// appendTime is append of a new clock.
func appendTime(dst []byte, ns int64) []byte {
	var c clock
	return c.append(dst, ns)
}

// civil returns the date of a day counted from 1970-01-01 in the proleptic
// Gregorian calendar, of the years that 64 bits of nanoseconds reach. The year is
// taken to start in March, so that the leap day is its last. The divisions are
// those of Neri and Schneider, Euclidean affine functions and their application to
// calendar algorithms (2023): products and shifts.
func civil(day int32) (year, month, dayOfMonth uint32) {
	const centuries = 4 * 82 // added, so that nothing is negative
	n := 4*(uint32(day)+719468+centuries/4*146097) + 3
	century, inCentury := n/146097, n%146097/4
	product := 2939745 * uint64(4*inCentury+3)
	year = 100*century + uint32(product>>32)
	inYear := uint32(product) / 2939745 / 4
	n = 2141*inYear + 197913
	month, dayOfMonth = n>>16, n&0xffff/2141+1
	if inYear >= 306 { // January and February
		year, month = year+1, month-12
	}
	return year - 100*centuries, month, dayOfMonth
}

const twoDigits = "00010203040506070809" +
	"10111213141516171819" +
	"20212223242526272829" +
	"30313233343536373839" +
	"40414243444546474849" +
	"50515253545556575859" +
	"60616263646566676869" +
	"70717273747576777879" +
	"80818283848586878889" +
	"90919293949596979899"

// put2 puts v, 0 to 99, as two digits.
func put2(b []byte, v uint32) {
	_ = b[1]
	b[0], b[1] = twoDigits[2*v], twoDigits[2*v+1]
}
