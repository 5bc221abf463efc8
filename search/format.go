package search

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// textTime is how the text form writes times; ParseTime reads it.
const textTime = "2006-01-02 15:04:05.000"

// AppendText appends an ECS document as one line for a terminal, without a line
// end: "time host app[pid]: message", the time in loc. Nothing in the document
// can do more to a terminal than print: control and format characters, among
// them line ends, escape sequences and those that turn the writing direction,
// stand as \n, \x1b, \u202e and so on.
func AppendText(dst, doc []byte, loc *time.Location) ([]byte, error) {
	d, err := readDocument(doc)
	if err != nil {
		return dst, err
	}
	dst = d.Time.In(loc).AppendFormat(dst, textTime)
	dst = appendHarmless(append(dst, ' '), d.Host.Name)
	if d.Log.Syslog.AppName != "" || d.Log.Syslog.ProcID != "" {
		dst = appendHarmless(append(dst, ' '), d.Log.Syslog.AppName)
		if d.Log.Syslog.ProcID != "" {
			dst = append(appendHarmless(append(dst, '['), d.Log.Syslog.ProcID), ']')
		}
	}
	return appendHarmless(append(dst, ": "...), d.Message), nil
}

// document is what the text forms show of an ECS document.
type document struct {
	Time    time.Time `json:"@timestamp"`
	Message string    `json:"message"`
	Host    struct {
		Name string `json:"name"`
	} `json:"host"`
	Log struct {
		Level  string `json:"level"`
		Syslog struct {
			AppName  string `json:"appname"`
			ProcID   string `json:"procid"`
			Facility struct {
				Name string `json:"name"`
			} `json:"facility"`
		} `json:"syslog"`
	} `json:"log"`
}

func readDocument(doc []byte) (d document, err error) {
	if err := json.Unmarshal(doc, &d); err != nil {
		return d, fmt.Errorf("read a found document: %w", err)
	}
	return d, nil
}

// AppendHarmless appends a text that can do no more to a terminal than print, as
// AppendText does.
func AppendHarmless(dst []byte, s string) []byte { return appendHarmless(dst, s) }

// Level returns the severity of an ECS document.
func Level(doc []byte) string {
	d, err := readDocument(doc)
	if err != nil {
		return ""
	}
	return d.Log.Level
}

// Message returns the message of an ECS document.
func Message(doc []byte) (string, error) {
	d, err := readDocument(doc)
	return d.Message, err
}

// DocumentColumns are the columns that Cells takes out of whole documents.
var DocumentColumns = []string{atTimestamp, "host", "app", "procid", "facility", "severity", "message"}

// Cells returns the values of the columns of a row; of DocumentColumns where columns is
// nil and doc a whole document. others tells a row that says what was left out.
func Cells(doc []byte, columns []string) (cells []string, others bool, err error) {
	if columns == nil {
		d, err := readDocument(doc)
		return []string{d.Time.UTC().Format(rowTime), d.Host.Name, d.Log.Syslog.AppName, d.Log.Syslog.ProcID,
			d.Log.Syslog.Facility.Name, d.Log.Level, d.Message}, false, err
	}
	var row map[string]json.RawMessage
	if err := json.Unmarshal(doc, &row); err != nil {
		return nil, false, fmt.Errorf("read a row: %w", err)
	}
	others = bytes.HasPrefix(doc, othersPrefix)
	for i, name := range columns {
		text := ""
		value := row[name]
		switch {
		case others && name == fieldColumn && value == nil, value == nil && !(others && i == 0):
		case others && (i == 0 && name != fieldColumn || i == 1 && columns[0] == fieldColumn):
			text = "(others)"
			if row["groups"] != nil {
				text = "(" + string(row["groups"]) + " others)"
			}
		case value[0] == '"':
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, false, fmt.Errorf("read a row: %w", err)
			}
		default:
			text = string(value)
		}
		cells = append(cells, text)
	}
	return cells, others, nil
}

// AppendJSON appends an ECS document for a terminal: the same JSON, with what
// AppendText escapes as \u001b and so on. JSON itself demands that of the
// controls below the blank only.
func AppendJSON(dst, doc []byte) []byte {
	for len(doc) > 0 {
		r, n := utf8.DecodeRune(doc)
		if harmless(r) {
			dst = append(dst, doc[:n]...)
		} else {
			for _, unit := range utf16.AppendRune(nil, r) {
				dst = append(dst, `\u`...)
				dst = append(dst, hex4(unit)...)
			}
		}
		doc = doc[n:]
	}
	return dst
}

func hex4(u uint16) string {
	hex := strconv.FormatUint(uint64(u), 16)
	return "0000"[:4-len(hex)] + hex
}

// harmless tells whether r prints, and does nothing else.
func harmless(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r != 0x7f
	}
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}

// appendHarmless appends s with all that does not print escaped, but for tabs.
func appendHarmless(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r != '\t' && !harmless(r):
			dst = append(dst, escape(r)...)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

func escape(r rune) string {
	switch {
	case r < 0x100:
		return `\x` + hex4(uint16(r))[2:]
	case r < 0x10000:
		return `\u` + hex4(uint16(r))
	}
	return `\U` + hex4(uint16(r>>16)) + hex4(uint16(r))
}
