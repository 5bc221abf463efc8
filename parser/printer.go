package parser

import "bytes"

// printer takes the time from the text of HP's printers and scanners, which send
// neither time nor host in a header.
//
//	<134> printer: Device Administrator Password modified; time="2022-Oct-11 10:14 PM (UTC-07:00)" user="admin"
func (d *dialect) printer(p, end int) bool {
	const mark = `; time="`
	i := bytes.Index(d.b[p:end], []byte(mark))
	if i < 0 {
		return false
	}
	start := p + i + len(mark)
	stop := bytes.IndexByte(d.b[start:end], '"')
	if stop < 0 {
		return false
	}
	d.time(start, start+stop)
	return true
}
