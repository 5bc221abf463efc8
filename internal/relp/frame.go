// Package relp is the wire format of RELP, the reliable event logging protocol
// that rsyslog speaks, and of the batches that two Syslanes exchange over it
// (docs/LINK.md). It holds no connection: inputs/relp is the server,
// outputs/relp the client.
//
// Both sides send frames:
//
//	TXNR SP COMMAND SP DATALEN [SP DATA] LF
//
//	TXNR     1 to 999999999, counted by the client from 1 and after the last
//	         from 1 again; 0 for hints, which nobody answers
//	COMMAND  1 to 32 letters
//	DATALEN  the number of octets of DATA, at most nine digits; where it is 0
//	         neither the SP nor DATA is there
//
// Each command is answered by a frame "rsp" with the same TXNR (ParseResponse).
// A frame that breaks the grammar cannot be skipped, since nothing tells where
// the next begins: the connection is closed.
package relp

import (
	"strconv"
)

// Limits of the protocol.
const (
	// MaxTxnr is the greatest transaction number; the next is 1.
	MaxTxnr = 999_999_999
	// MaxCommand is the greatest length of a command in octets.
	MaxCommand = 32
	// MaxData is the greatest DATALEN that the grammar can express.
	MaxData = 999_999_999
)

// The commands that Syslane knows.
const (
	CmdOpen        = "open"
	CmdClose       = "close"
	CmdSyslog      = "syslog"
	CmdBatch       = "batch"
	CmdResponse    = "rsp"
	CmdServerClose = "serverclose"
)

// FrameError says which part of a frame breaks the grammar. The connection that
// it came from cannot be used any more.
type FrameError string

// The ways in which a frame can be bad. Their texts are values of metric labels.
const (
	ErrTxnr     FrameError = "txnr"
	ErrCommand  FrameError = "command"
	ErrDataLen  FrameError = "datalen"
	ErrTrailer  FrameError = "trailer"
	ErrOversize FrameError = "oversize"
)

func (e FrameError) Error() string { return "bad RELP frame: " + string(e) }

// header is the part of a frame before its data.
type header struct {
	txnr    uint32
	command []byte
	dataLen int
}

// parseHeader reads a header off the front of b. n is its length with the SP
// before the data (without it where DATALEN is 0); n is 0 where b does not yet
// hold all of it.
func parseHeader(b []byte) (h header, n int, err error) {
	txnr, n, err := parseNumber(b, ErrTxnr)
	if n == 0 || err != nil {
		return h, 0, err
	}
	if b[n] != ' ' {
		return h, 0, ErrTxnr
	}
	start := n + 1
	for n = start; ; n++ {
		if n-start > MaxCommand {
			return h, 0, ErrCommand
		}
		if n == len(b) {
			return h, 0, nil
		}
		if c := b[n] | 0x20; c < 'a' || c > 'z' {
			break
		}
	}
	if b[n] != ' ' || n == start {
		return h, 0, ErrCommand
	}
	h.txnr, h.command = uint32(txnr), b[start:n:n]
	dataLen, w, err := parseNumber(b[n+1:], ErrDataLen)
	if w == 0 || err != nil {
		return h, 0, err
	}
	n += 1 + w
	h.dataLen = dataLen
	switch {
	case b[n] == ' ':
		// librelp takes "0 LF" for no data, but never writes it.
		return h, n + 1, nil
	case dataLen == 0:
		return h, n, nil
	}
	return h, 0, ErrDataLen
}

// parseNumber reads one to nine digits and tells how many; 0 where b ends before
// an octet that is no digit.
func parseNumber(b []byte, bad FrameError) (v, n int, err error) {
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		if n == 9 {
			return 0, 0, bad
		}
		v = v*10 + int(b[n]-'0')
		n++
	}
	if n == len(b) {
		return 0, 0, nil
	}
	if n == 0 {
		return 0, 0, bad
	}
	return v, n, nil
}

// AppendFrame appends a frame to dst.
func AppendFrame(dst []byte, txnr uint32, command string, data []byte) []byte {
	dst = appendHeader(dst, txnr, command, len(data))
	dst = append(dst, data...)
	return append(dst, '\n')
}

func appendHeader(dst []byte, txnr uint32, command string, dataLen int) []byte {
	dst = strconv.AppendUint(dst, uint64(txnr), 10)
	dst = append(dst, ' ')
	dst = append(dst, command...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(dataLen), 10)
	if dataLen > 0 {
		dst = append(dst, ' ')
	}
	return dst
}

// NextTxnr returns the transaction number that follows txnr.
func NextTxnr(txnr uint32) uint32 {
	if txnr >= MaxTxnr {
		return 1
	}
	return txnr + 1
}
