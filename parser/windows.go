package parser

import "github.com/syslane/syslane/internal/syslog"

// snare reads an event of Windows as Snare, NXLog's to_snare and others write it
// without a syslog header: the host, and behind it fields that are separated by
// tabs, the sixth of them the time.
//
//	WIN01<TAB>MSWinEventLog<TAB>1<TAB>Security<TAB>4711<TAB>Tue Oct 11 22:14:15 2022<TAB>4624<TAB>...
//	<14>Oct 11 22:14:15 WIN01 MSWinEventLog<TAB>1<TAB>Security<TAB>...     (an ordinary header)
func (d *dialect) snare(p int) bool {
	const mark = "MSWinEventLog"
	b := d.b
	end := wordEnd(b, p)
	next := skipSpace(b, end)
	if !hasPrefix(b, next, mark) {
		return false
	}
	d.m.Format = syslog.RFC3164
	d.host(p, end)
	d.m.AppName = span(next, next+len(mark))
	text := skipSpace(b, next+len(mark))
	d.m.Text = textWithoutEnd(b, text)
	for i, fields := text, 0; i < len(b) && fields < 4; i++ {
		if b[i] == '\t' {
			if fields++; fields == 3 {
				d.time(i+1, len(b))
			}
		}
	}
	return true
}
