package cli

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/influxdata/go-syslog/v3/rfc5424"
	"github.com/spf13/cobra"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
)

// maxParseLine bounds a line of input; what is longer is cut and flagged.
const maxParseLine = 1 << 20

func newParseCommand() *cobra.Command {
	var (
		p    parseLines
		zone string
	)
	cmd := &cobra.Command{
		Use:   "parse [--json] [--strict] [--zone ZONE] [FILE]",
		Short: "Show how messages are understood",
		Long: `Show the header fields of messages, as inputs understand them: one message a line,
from FILE or the standard input.

In the table, what does not print is escaped (\x1b, \n), and a backslash doubled.
With --json each message is one JSON object a line, with these keys:

  facility, severity            by name ("auth", "crit"); also facility_code and
                                severity_code, as numbers
  timestamp                     RFC 3339, in UTC
  hostname, appname, procid, msgid
  structured_data               [{"id": ..., "params": [{"name": ..., "value": ...}]}]
  message                       the text behind the header
  format                        rfc5424, rfc3164, or unparsed
  warnings                      what was not as it should be

A field that the message does not have is null. Of a line that is not UTF-8, the
octets are in raw_base64.

--strict says where a line departs from RFC 5424, by the grammar of
influxdata/go-syslog: the position counts octets from 0. In JSON the keys are
strict_position and strict_error, absent where the line is as it should be.

Stamps without a zone are read in --zone, a name such as Europe/Berlin or an offset
such as +02:00; without it in the zone of this host. Of stamps without a year, the
year is the latest that does not put them more than 31 days after now.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			location, err := parseZone(zone)
			if err != nil {
				return err
			}
			p.options = parser.Options{Received: time.Now(), Location: location, MaxSkew: -1}
			in := cmd.InOrStdin()
			if len(args) == 1 && args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				in = file
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			if err := p.run(in, out); err != nil {
				return err
			}
			return out.Flush()
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&p.json, "json", false, "one JSON object a line instead of a table")
	flags.BoolVar(&p.strict, "strict", false, "say where a line departs from RFC 5424")
	flags.StringVar(&zone, "zone", "", "zone of stamps that name none: a name, an offset, or UTC (default: that of this host)")
	return cmd
}

// parseZone reads a name of the time zone database or an offset from UTC.
func parseZone(s string) (*time.Location, error) {
	if s == "" {
		return time.Local, nil
	}
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Location(), nil
		}
	}
	location, err := time.LoadLocation(s)
	if err != nil {
		return nil, fmt.Errorf("--zone %q: neither a time zone such as Europe/Berlin nor an offset such as +02:00", s)
	}
	return location, nil
}

// parseLines is what the command was asked to do.
type parseLines struct {
	options      parser.Options
	json, strict bool
}

// run shows each line of in.
func (p *parseLines) run(in io.Reader, out *bufio.Writer) error {
	lines := bufio.NewReaderSize(in, 64<<10)
	var line, shown []byte
	for n := 1; ; n++ {
		var cut bool
		var err error
		line, cut, err = readLine(lines, line[:0])
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read line %d: %w", n, err)
		}
		m := syslog.Message{Raw: bytes.TrimSuffix(line, []byte("\r"))}
		if cut {
			m.Warnings = syslog.WarnTruncated
		}
		parser.Parse(&m, &p.options)
		if p.json {
			shown = p.appendJSON(shown[:0], &m)
		} else {
			shown = p.appendTable(shown[:0], &m, n)
		}
		if _, err := out.Write(shown); err != nil {
			return err
		}
		if lines.Buffered() == 0 {
			// Who types or pipes line by line sees each at once.
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

// readLine appends the next line without its line feed to line, no more than
// maxParseLine octets of it, and tells whether it was cut.
func readLine(r *bufio.Reader, line []byte) (_ []byte, cut bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		whole := err == nil
		if whole {
			part = part[:len(part)-1]
		}
		if room := maxParseLine - len(line); len(part) > room {
			part, cut = part[:room], true
		}
		line = append(line, part...)
		if whole || !errors.Is(err, bufio.ErrBufferFull) {
			return line, cut, err
		}
	}
}

// departure is where a line departs from RFC 5424; what is "" where it does not.
type departure struct {
	position int
	what     string
}

var columnSuffix = regexp.MustCompile(` \[col (\d+)\]$`)

// strictly reads line by the reference grammar.
func strictly(line []byte) departure {
	machine := rfc5424.NewMachine()
	_, err := machine.Parse(line)
	if err == nil {
		// Behind a carriage return the machine starts again, and forgets.
		if err = machine.(interface{ Err() error }).Err(); err == nil {
			return departure{}
		}
	}
	what := err.Error()
	at := columnSuffix.FindStringSubmatchIndex(what)
	if at == nil {
		return departure{position: len(line), what: what}
	}
	position, err := strconv.Atoi(what[at[2]:at[3]])
	if err != nil {
		return departure{position: len(line), what: what}
	}
	return departure{position: position, what: what[:at[0]]}
}

// appendTable appends the fields of m, a line each, under the number of the line.
func (p *parseLines) appendTable(dst []byte, m *syslog.Message, n int) []byte {
	row := func(name string, value []byte) {
		dst = fmt.Appendf(dst, "  %-16s", name)
		dst = appendVisible(dst, value)
		dst = append(dst, '\n')
	}
	field := func(name string, s syslog.Span) {
		if !s.Empty() {
			row(name, m.Field(s))
		}
	}
	dst = fmt.Appendf(dst, "line %d: %v\n", n, m.Format)
	row("facility", []byte(m.Facility.String()))
	row("severity", []byte(m.Severity.String()))
	if m.Timestamp != syslog.NoTimestamp {
		row("timestamp", m.Time().AppendFormat(nil, time.RFC3339Nano))
	}
	field("hostname", m.Hostname)
	field("appname", m.AppName)
	field("procid", m.ProcID)
	field("msgid", m.MsgID)
	syslog.EachElement(m.Field(m.StructuredData), func(e syslog.Element) bool {
		row("structured data", e.ID)
		e.EachParam(func(param syslog.Param) bool {
			row("  "+string(appendVisible(nil, param.Name)), param.AppendValue(nil))
			return true
		})
		return true
	})
	row("message", m.Field(m.Text))
	for _, w := range m.Warnings.Names(nil) {
		row("warning", []byte(w))
	}
	if p.strict {
		if d := strictly(m.Raw); d.what != "" {
			row("strict", fmt.Appendf(nil, "departs from RFC 5424 at octet %d: %s", d.position, d.what))
		} else {
			row("strict", []byte("is as RFC 5424 wants it"))
		}
	}
	return append(dst, '\n')
}

// appendJSON appends m as one line of JSON.
func (p *parseLines) appendJSON(dst []byte, m *syslog.Message) []byte {
	text := func(key, value string) {
		dst = append(append(append(dst, '"'), key...), `":`...)
		dst = appendJSONString(dst, []byte(value))
		dst = append(dst, ',')
	}
	field := func(key string, s syslog.Span) {
		if !s.Empty() {
			text(key, string(m.Field(s)))
			return
		}
		dst = fmt.Appendf(dst, `"%s":null,`, key)
	}
	dst = append(dst, '{')
	text("facility", m.Facility.String())
	text("severity", m.Severity.String())
	dst = fmt.Appendf(dst, `"facility_code":%d,"severity_code":%d,`, m.Facility, m.Severity)
	if m.Timestamp != syslog.NoTimestamp {
		text("timestamp", m.Time().Format(time.RFC3339Nano))
	} else {
		dst = append(dst, `"timestamp":null,`...)
	}
	field("hostname", m.Hostname)
	field("appname", m.AppName)
	field("procid", m.ProcID)
	field("msgid", m.MsgID)
	dst = appendJSONElements(append(dst, `"structured_data":[`...), m.Field(m.StructuredData))
	dst = append(dst, `],`...)
	text("message", string(m.Field(m.Text)))
	text("format", m.Format.String())
	dst = append(dst, `"warnings":[`...)
	for i, w := range m.Warnings.Names(nil) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, []byte(w))
	}
	dst = append(dst, ']')
	if p.strict {
		if d := strictly(m.Raw); d.what != "" {
			dst = fmt.Appendf(dst, `,"strict_position":%d,"strict_error":`, d.position)
			dst = appendJSONString(dst, []byte(d.what))
		}
	}
	if !utf8.Valid(m.Raw) {
		dst = append(dst, `,"raw_base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, m.Raw)
		dst = append(dst, '"')
	}
	return append(dst, '}', '\n')
}

// appendJSONElements appends the elements of structured data, in order and with
// repeats, separated by commas.
func appendJSONElements(dst, data []byte) []byte {
	elements := 0
	syslog.EachElement(data, func(e syslog.Element) bool {
		if elements++; elements > 1 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(append(dst, `{"id":`...), e.ID)
		dst = append(dst, `,"params":[`...)
		params := 0
		e.EachParam(func(param syslog.Param) bool {
			if params++; params > 1 {
				dst = append(dst, ',')
			}
			dst = appendJSONString(append(dst, `{"name":`...), param.Name)
			dst = appendJSONString(append(dst, `,"value":`...), param.AppendValue(nil))
			dst = append(dst, '}')
			return true
		})
		dst = append(dst, `]}`...)
		return true
	})
	return dst
}

// appendJSONString appends s as a JSON string that also a terminal may show:
// whatever does not print is escaped. Octets that are not UTF-8 become U+FFFD.
func appendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r > 0xFFFF:
			r -= 0x10000
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		s = s[n:]
	}
	return append(dst, '"')
}

// appendVisible appends s with all that does not print, and backslashes, as
// escapes of Go: nothing in a message can do more to a terminal than print.
func appendVisible(dst, s []byte) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRune(s)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\x%02x`, s[0])
		case r == '\\':
			dst = append(dst, `\\`...)
		case unicode.IsPrint(r):
			dst = append(dst, s[:n]...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r < 0x100:
			dst = fmt.Appendf(dst, `\x%02x`, r)
		default:
			dst = fmt.Appendf(dst, `\u{%x}`, r)
		}
		s = s[n:]
	}
	return dst
}
