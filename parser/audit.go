package parser

// audit takes what the header lacks from a record of the Linux audit daemon.
//
//	type=SYSCALL msg=audit(1665526455.243:24287): arch=c000003e syscall=2 success=no
//	node=web1 type=USER_LOGIN msg=audit(1665526455.243:24288): pid=1 uid=0
func (d *dialect) audit(p, end int) bool {
	b := d.b
	if hasPrefix(b[:end], p, "node=") {
		stop := wordEnd(b[:end], p)
		d.host(p+5, stop)
		p = skipSpace(b[:end], stop)
	}
	if !hasPrefix(b[:end], p, "type=") {
		return false
	}
	p = skipSpace(b[:end], wordEnd(b[:end], p))
	const mark = "msg=audit("
	if !hasPrefix(b[:end], p, mark) {
		return false
	}
	start := p + len(mark)
	stop := start
	for stop < end && b[stop] != ':' && b[stop] != ')' {
		stop++
	}
	d.time(start, stop)
	return true
}
