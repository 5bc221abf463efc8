package file

import (
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// appendLine appends e as a line, with its end.
func (o *Output) appendLine(dst []byte, e *syslog.Event) []byte {
	switch o.cfg.Format {
	case JSON:
		dst = o.documents.Append(dst, e)
	case Raw:
		dst = appendPlain(dst, e.Raw)
	default:
		dst = appendText(dst, e, o.cfg.Location)
	}
	return append(dst, '\n')
}

// appendText appends e in the form of RSYSLOG_FileFormat.
func appendText(dst []byte, e *syslog.Event, loc *time.Location) []byte {
	dst = time.Unix(0, e.TimeNano()).In(loc).AppendFormat(dst, "2006-01-02T15:04:05.000000-07:00")
	dst = append(dst, ' ')
	switch {
	case !e.Hostname.Empty():
		dst = appendPlain(dst, e.Field(e.Hostname))
	case e.Host != "":
		dst = appendPlain(dst, []byte(e.Host))
	default:
		dst = appendSource(dst, e)
	}
	dst = append(dst, ' ')
	if !e.AppName.Empty() {
		dst = appendPlain(dst, e.Field(e.AppName))
		if !e.ProcID.Empty() {
			dst = append(appendPlain(append(dst, '['), e.Field(e.ProcID)), ']')
		}
		dst = append(dst, ": "...)
	}
	return appendPlain(dst, e.Field(e.Text))
}

// appendPlain appends v with control characters but the tab written as rsyslog
// does: a message must not end a line, nor speak to a terminal.
func appendPlain(dst, v []byte) []byte {
	start := 0
	for i, c := range v {
		if c >= ' ' && c != 0x7f || c == '\t' {
			continue
		}
		dst = append(dst, v[start:i]...)
		dst = append(dst, '#', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		start = i + 1
	}
	return append(dst, v[start:]...)
}
