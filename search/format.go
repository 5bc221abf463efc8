package search

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode"
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
	var d struct {
		Time    time.Time `json:"@timestamp"`
		Message string    `json:"message"`
		Host    struct {
			Name string `json:"name"`
		} `json:"host"`
		Log struct {
			Syslog struct {
				AppName string `json:"appname"`
				ProcID  string `json:"procid"`
			} `json:"syslog"`
		} `json:"log"`
	}
	if err := json.Unmarshal(doc, &d); err != nil {
		return dst, fmt.Errorf("read a found document: %w", err)
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

// appendHarmless appends s with all that does not print escaped, but for tabs.
func appendHarmless(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co):
			dst = append(dst, escape(r)...)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

func escape(r rune) string {
	hex := strconv.FormatInt(int64(r), 16)
	switch {
	case r < 0x100:
		return `\x` + "00"[:2-len(hex)] + hex
	case r < 0x10000:
		return `\u` + "0000"[:4-len(hex)] + hex
	}
	return `\U` + "00000000"[:8-len(hex)] + hex
}
