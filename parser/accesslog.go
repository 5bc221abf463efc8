package parser

// accessLog takes the time from a line of a web server's access log, in the
// Common Log Format, where there is no header.
//
//	192.0.2.1 - alice [11/Oct/2022:22:14:15 +0200] "GET / HTTP/1.1" 200 612
func (d *dialect) accessLog(p, end int) bool {
	b := d.b[:end]
	for range 3 {
		next := wordEnd(b, p)
		if next == p || next-p > 255 {
			return false
		}
		p = skipSpace(b, next)
	}
	if at(b, p) != '[' {
		return false
	}
	var s stamp
	stop := s.parse(b, p+1)
	if stop == 0 || !hasPrefix(b, stop, "] \"") {
		return false
	}
	d.time(p+1, stop)
	return true
}
