package ecs

const nanosPerSecond = 1_000_000_000

// appendTime appends the time ns (nanoseconds since the Unix epoch) in the form
// of RFC 3339, UTC, always with nine digits of fraction, so that the texts sort
// as the times do: 2006-01-02T15:04:05.000000000Z.
func appendTime(dst []byte, ns int64) []byte {
	sec, frac := ns/nanosPerSecond, ns%nanosPerSecond
	if frac < 0 {
		sec, frac = sec-1, frac+nanosPerSecond
	}
	day, tod := sec/86400, sec%86400
	if tod < 0 {
		day, tod = day-1, tod+86400
	}
	y, m, d := civil(day)
	dst = append2(dst, y/100)
	dst = append2(dst, y%100)
	dst = append2(append(dst, '-'), m)
	dst = append2(append(dst, '-'), d)
	dst = append2(append(dst, 'T'), int(tod)/3600)
	dst = append2(append(dst, ':'), int(tod)/60%60)
	dst = append2(append(dst, ':'), int(tod)%60)
	f := int(frac)
	dst = append(dst, '.', byte('0'+f/100_000_000))
	dst = append2(dst, f/1_000_000%100)
	dst = append2(dst, f/10_000%100)
	dst = append2(dst, f/100%100)
	dst = append2(dst, f%100)
	return append(dst, 'Z')
}

// civil returns the date of a day counted from 1970-01-01 in the proleptic
// Gregorian calendar. The year is taken to start in March, so that the leap day
// is its last, and to lie in a 400-year era of 146,097 days.
func civil(day int64) (year, month, dayOfMonth int) {
	z := day + 719468 // days since 0000-03-01
	era := z / 146097
	if z < 0 {
		era = (z - 146096) / 146097
	}
	doe := int(z - era*146097)                             // [0, 146096]
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365 // [0, 399]
	doy := doe - (365*yoe + yoe/4 - yoe/100)               // [0, 365]
	mp := (5*doy + 2) / 153                                // [0, 11], 0 = March
	year, month, dayOfMonth = yoe+int(era)*400, mp+3, doy-(153*mp+2)/5+1
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, dayOfMonth
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

// append2 appends v, 0 to 99, as two digits.
func append2(dst []byte, v int) []byte { return append(dst, twoDigits[2*v], twoDigits[2*v+1]) }
