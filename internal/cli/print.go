package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/syslane/syslane/search"
)

// formats are the values of --format.
var formats = []string{"text", "json", "csv", "raw"}

// colours of severities in a terminal; what is not there is not coloured.
var colours = map[string]string{
	"emerg": "\x1b[1;31m", "alert": "\x1b[1;31m", "crit": "\x1b[1;31m", "err": "\x1b[31m",
	"warning": "\x1b[33m", "notice": "\x1b[36m", "debug": "\x1b[2m",
}

const colourEnd = "\x1b[0m"

// maxAligned is how many rows are held back so that their columns stand in line.
const maxAligned = 1000

// printer writes events and rows in one of the formats.
type printer struct {
	out    *bufio.Writer
	format string
	// columns are those of the rows; nil for whole events.
	columns []string
	// colour tells that severities are shown by colours, terminal that what is
	// printed must do nothing to one.
	colour, terminal bool

	rows    [][]string // text: held back, to be aligned
	line    []byte
	begun   bool
	flushed time.Time
}

// newPrinter returns a printer of the results of a query, which may be wrong: the
// search will say so.
func newPrinter(out io.Writer, format, query string) (*printer, error) {
	if !slices.Contains(formats, format) {
		return nil, fmt.Errorf("--format %q is none of %s", format, strings.Join(formats, ", "))
	}
	p := &printer{out: bufio.NewWriterSize(out, 64<<10), format: format}
	if f, ok := out.(*os.File); ok {
		p.terminal = term.IsTerminal(int(f.Fd()))
		p.colour = p.terminal && os.Getenv("NO_COLOR") == ""
	}
	if q, err := search.Parse(query); err == nil {
		p.columns = q.Columns()
	}
	if format == "raw" && p.columns != nil {
		return nil, fmt.Errorf("--format raw prints messages, and this query gives rows; use text, json or csv")
	}
	return p, nil
}

func (p *printer) print(doc []byte) (err error) {
	switch {
	case p.format == "json":
		p.line = search.AppendJSON(p.line[:0], doc)
	case p.format == "csv":
		err = p.csvLine(doc)
	case p.format == "raw":
		var text string
		text, err = search.Message(doc)
		p.line = append(p.line[:0], text...)
		if p.terminal {
			p.line = search.AppendHarmless(p.line[:0], text)
		}
	case p.columns != nil:
		return p.printRow(doc)
	default:
		p.line, err = search.AppendText(p.line[:0], doc, time.Local)
		if colour := colours[p.level(doc)]; colour != "" && err == nil {
			p.line = append(append([]byte(colour), p.line...), colourEnd...)
		}
	}
	if err != nil {
		return err
	}
	_, err = p.out.Write(append(p.line, '\n'))
	// A rare event should not wait for the next.
	if now := time.Now(); err == nil && now.Sub(p.flushed) > 100*time.Millisecond {
		p.flushed = now
		err = p.flush()
	}
	if err != nil {
		return fmt.Errorf("print results: %w", err)
	}
	return nil
}

func (p *printer) level(doc []byte) string {
	if !p.colour {
		return ""
	}
	return search.Level(doc)
}

// csvLine makes a line of RFC 4180 of a row, behind that of the columns where there was
// none yet. What a spreadsheet would take for a formula gets an apostrophe in front.
func (p *printer) csvLine(doc []byte) error {
	cells, _, err := search.Cells(doc, p.columns)
	if err != nil {
		return err
	}
	p.line = p.line[:0]
	if !p.begun {
		p.begun = true
		head := p.columns
		if head == nil {
			head = search.DocumentColumns
		}
		p.line = append(appendCSV(p.line, head), '\n')
	}
	for i, c := range cells {
		c = string(search.AppendHarmless(nil, c))
		if c != "" && strings.ContainsRune("=+-@\t", rune(c[0])) {
			c = "'" + c
		}
		if strings.ContainsAny(c, separators) {
			c = behindSeparator.ReplaceAllString(c, "$1'$2")
		}
		cells[i] = c
	}
	p.line = appendCSV(p.line, cells)
	return nil
}

// separators are where spreadsheets part cells beside the comma, or instead of it where
// that is the decimal sign.
const separators = ";\t"

// behindSeparator is where a formula would begin if it were parted there. The quotes of
// RFC 4180 do not keep it from that: behind a comma that parts nothing they are text.
var behindSeparator = regexp.MustCompile(`([;\t])("*[=+\-@])`)

// appendCSV appends a line of RFC 4180, without its end. Cells with any separator are
// quoted, so that columns stay what they are where several are looked for.
func appendCSV(dst []byte, cells []string) []byte {
	for i, c := range cells {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !strings.ContainsAny(c, `",`+separators) && !strings.HasPrefix(c, " ") {
			dst = append(dst, c...)
			continue
		}
		dst = append(dst, '"')
		dst = append(dst, strings.ReplaceAll(c, `"`, `""`)...)
		dst = append(dst, '"')
	}
	return dst
}

func (p *printer) printRow(doc []byte) error {
	cells, _, err := search.Cells(doc, p.columns)
	if err != nil {
		return err
	}
	for i, c := range cells {
		if cells[i] = string(search.AppendHarmless(nil, c)); c == "" {
			cells[i] = "-"
		}
	}
	if p.rows = append(p.rows, cells); len(p.rows) == maxAligned {
		return p.align()
	}
	return nil
}

// align prints the rows that were held back, their columns in line.
func (p *printer) align() error {
	if len(p.rows) == 0 {
		return nil
	}
	rows := p.rows
	if !p.begun {
		p.begun = true
		rows = append([][]string{p.columns}, rows...)
	}
	widths := make([]int, len(p.columns))
	for _, row := range rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	for _, row := range rows {
		p.line = p.line[:0]
		for i, c := range row {
			p.line = append(p.line, c...)
			if i < len(row)-1 {
				p.line = append(p.line, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c)+2)...)
			}
		}
		if _, err := p.out.Write(append(p.line, '\n')); err != nil {
			return fmt.Errorf("print results: %w", err)
		}
	}
	p.rows = p.rows[:0]
	return nil
}

// flush prints what was held back.
func (p *printer) flush() error {
	if err := p.align(); err != nil {
		return err
	}
	return p.out.Flush()
}
