package chaos

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// message is a numbered message of an agent.
type message struct {
	agent  string
	number int64
	sent   time.Time
}

// text is what is logged: who, which, when, and a filler with a checksum over all
// of it, so that a message that was harmed on the way is known.
func (m message) text() string {
	body := fmt.Sprintf("chaos %s %d %d %s", m.agent, m.number, m.sent.UnixNano(), strings.Repeat("x", int(m.number%89)))
	return fmt.Sprintf("%s %08x", body, crc32.ChecksumIEEE([]byte(body)))
}

// parseText reads a text back.
func parseText(text string) (m message, err error) {
	at := strings.LastIndexByte(text, ' ')
	fields := strings.Split(text, " ")
	if at < 0 || len(fields) != 6 || fields[0] != "chaos" {
		return m, fmt.Errorf("foreign message %.200q", text)
	}
	if want := fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text[:at]))); text[at+1:] != want {
		return m, fmt.Errorf("message was harmed: %.200q", text)
	}
	m.agent = fields[1]
	if m.number, err = strconv.ParseInt(fields[2], 10, 64); err != nil {
		return m, err
	}
	nano, err := strconv.ParseInt(fields[3], 10, 64)
	m.sent = time.Unix(0, nano)
	return m, err
}

// appendSyslog appends the message in the form of RFC 5424, with LF.
func appendSyslog(dst []byte, m message) []byte {
	return fmt.Appendf(dst, "<134>1 %s %s chaos %d - - %s\n", m.sent.UTC().Format("2006-01-02T15:04:05.000000Z07:00"), m.agent, m.number, m.text())
}

// appendJournal appends the message in the journal export format.
func appendJournal(dst []byte, m message) []byte {
	micro := m.sent.UnixMicro()
	return fmt.Appendf(dst, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0f3a5b0c1d2e4f60718293a4b5c6d7e8\n_MACHINE_ID=1f3a5b0c1d2e4f60718293a4b5c6d7e8\n"+
		"_HOSTNAME=%s\nSYSLOG_IDENTIFIER=chaos\n_PID=%d\nPRIORITY=6\nMESSAGE=%s\n\n", micro, micro, m.agent, m.number+1, m.text())
}
