package parser

// radware takes the host from the text of Radware's DefensePro, where there is no
// header.
//
//	<109>[Device: DP01 10.200.193.135] M_20000: 2 attacks of type "Intrusions" started
func (d *dialect) radware(p, end int) bool {
	const mark = "[Device: "
	b := d.b[:end]
	if !hasPrefix(b, p, mark) {
		return false
	}
	p += len(mark)
	if start, stop := hostIn(b, p, wordEnd(b, p)); stop > start {
		d.host(start, stop)
	}
	return true
}
