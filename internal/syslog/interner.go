package syslog

// Interner hands out one string for equal octets. Inputs, hosts, paths and TLS
// identities are few; the table is emptied when it holds more than a thousand, so that hostile
// names cannot make it grow. A nil *Interner copies each time. Not safe for
// concurrent use.
type Interner struct {
	m map[string]string
	// last is what was asked for last: mostly the same again.
	last string
}

// String returns b as a string.
func (in *Interner) String(b []byte) string {
	if in == nil || len(b) > 256 {
		return string(b)
	}
	if string(b) == in.last {
		return in.last
	}
	if s, ok := in.m[string(b)]; ok {
		in.last = s
		return s
	}
	if in.m == nil || len(in.m) > 1000 {
		in.m = make(map[string]string)
	}
	s := string(b)
	in.m[s], in.last = s, s
	return s
}
