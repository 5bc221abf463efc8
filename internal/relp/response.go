package relp

import (
	"bytes"
	"errors"
	"strconv"
)

// The codes of a response. RELP has no others.
const (
	CodeOK    = 200
	CodeError = 500
)

// ErrResponse is returned for the data of an "rsp" that does not begin with a code.
var ErrResponse = errors.New("bad RELP response: no three-digit code")

// Response is the data of an "rsp" frame:
//
//	CODE [SP TEXT] [LF DATA]
type Response struct {
	Code int
	// Text is for people; at most 80 octets are kept.
	Text []byte
	// Data belongs to the command: for "open" the offers accepted.
	Data []byte
}

// maxText is the most that RELP allows in the text of a response.
const maxText = 80

// ParseResponse reads the data of an "rsp" frame. The result aliases data.
func ParseResponse(data []byte) (Response, error) {
	var r Response
	if len(data) < 3 {
		return r, ErrResponse
	}
	for _, c := range data[:3] {
		if c < '0' || c > '9' {
			return Response{}, ErrResponse
		}
		r.Code = r.Code*10 + int(c-'0')
	}
	line := data[3:]
	if lf := bytes.IndexByte(line, '\n'); lf >= 0 {
		line, r.Data = line[:lf], line[lf+1:]
	}
	if len(line) > 0 {
		if line[0] != ' ' {
			return Response{}, ErrResponse
		}
		r.Text = line[1:min(len(line), 1+maxText)]
	}
	return r, nil
}

// AppendOK appends the answer to a command that succeeded.
func AppendOK(dst []byte, txnr uint32) []byte {
	dst = strconv.AppendUint(dst, uint64(txnr), 10)
	return append(dst, " rsp 6 200 OK\n"...)
}

// AppendResponse appends an answer with a text, cut at 80 octets, and data.
// Control characters in the text become spaces.
func AppendResponse(dst []byte, txnr uint32, code int, text string, data []byte) []byte {
	line := strconv.AppendInt(make([]byte, 0, 4+maxText), int64(code), 10)
	line = append(line, ' ')
	for _, c := range []byte(text[:min(len(text), maxText)]) {
		if c < ' ' {
			c = ' '
		}
		line = append(line, c)
	}
	if len(data) > 0 {
		line = append(append(line, '\n'), data...)
	}
	return AppendFrame(dst, txnr, CmdResponse, line)
}
