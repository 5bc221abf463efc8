// Package load makes messages and sends them faster than any receiver takes them:
// all octets are made before the clock starts, and sending is system calls only.
package load

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// Mark stands before the number of a message, in its text. The number has Digits
// digits.
const (
	Mark   = "seq="
	Digits = 9
)

// Messages are numbered messages of RFC 5424, as hosts send them: 180 to 300 octets
// where the texts are generated.
type Messages struct {
	// What says where the texts are from.
	What string
	// lines are the messages one after the other, each ended by LF.
	lines []byte
	// ends are where each message ends in lines, behind its LF.
	ends []int
	// texts are those of the messages, and first is the number of the first; for Next.
	texts []string
	first int
}

// NewMessages makes count messages. Their texts are the lines of files, separated
// by commas, in their order; with "" they are generated.
func NewMessages(count int, files string) (*Messages, error) {
	m := &Messages{What: "generated texts", texts: generatedTexts()}
	if files != "" {
		m.What = "texts of " + files
		var err error
		if m.texts, err = readTexts(files); err != nil {
			return nil, err
		}
	}
	return m.Next(count), nil
}

// Next makes the count messages that follow these: each has a number and a time of its
// own.
func (m *Messages) Next(count int) *Messages {
	next := &Messages{What: m.What, ends: make([]int, 0, count), texts: m.texts, first: m.first + len(m.ends)}
	for n := next.first; n < next.first+count; n++ {
		next.lines = append(appendMessage(next.lines, n, m.texts[n%len(m.texts)]), '\n')
		next.ends = append(next.ends, len(next.lines))
	}
	return next
}

// Sized makes count messages of so many octets each, or as few as a header has. Their
// texts are generated ones, one after the other.
func Sized(count, octets int) *Messages {
	m := &Messages{What: fmt.Sprintf("generated texts of %d octets", octets), ends: make([]int, 0, count)}
	texts := generatedTexts()
	for n := range count {
		start := len(m.lines)
		m.lines = appendMessage(m.lines, n, texts[n%len(texts)])
		for more := n + 1; len(m.lines)-start < octets; more++ {
			m.lines = append(append(m.lines, ' '), texts[more%len(texts)]...)
		}
		header := start + bytes.Index(m.lines[start:], []byte(Mark)) + len(Mark) + Digits
		m.lines = append(m.lines[:max(start+octets, header)], '\n')
		m.ends = append(m.ends, len(m.lines))
	}
	return m
}

// Count is how many there are.
func (m *Messages) Count() int { return len(m.ends) }

// Range returns the messages from first to before end, each ended by LF.
func (m *Messages) Range(first, end int) []byte { return m.lines[m.start(first):m.start(end)] }

// At returns message n without its LF.
func (m *Messages) At(n int) []byte { return m.lines[m.start(n) : m.ends[n]-1] }

func (m *Messages) start(n int) int {
	if n == 0 {
		return 0
	}
	return m.ends[n-1]
}

// Octets is the mean length of a message without its LF.
func (m *Messages) Octets() float64 { return float64(len(m.lines))/float64(len(m.ends)) - 1 }

// Of returns messages 0 to before count alone.
func (m *Messages) Of(count int) *Messages {
	count = min(count, m.Count())
	return &Messages{What: m.What, lines: m.Range(0, count), ends: m.ends[:count]}
}

// One returns message n alone.
func (m *Messages) One(n int) *Messages {
	line := m.Range(n, n+1)
	return &Messages{What: m.What, lines: line, ends: []int{len(line)}}
}

var firstTime = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// appendMessage appends message n. Hosts, programs and the rest vary as those of a
// site of some hundred hosts do.
func appendMessage(dst []byte, n int, text string) []byte {
	r := uint64(n) * 0x9e3779b97f4a7c15
	dst = fmt.Appendf(dst, "<%d>1 ", 8*(r>>60)+r>>50&7)
	dst = firstTime.Add(time.Duration(n)*731*time.Microsecond).AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	dst = fmt.Appendf(dst, " host-%d.example.net app-%d %d ID%d ", r>>33%200, r>>25%20, r>>20%30000+1, r>>15%40)
	if n%4 == 0 {
		dst = fmt.Appendf(dst, `[origin@32473 ip="10.%d.%d.%d"]`, r>>8&255, r>>16&255, r>>24&255)
	} else {
		dst = append(dst, '-')
	}
	return fmt.Appendf(dst, " %s%0*d %s", Mark, Digits, n, text)
}

// generatedTexts are some thousand, without pattern to their order. They compress as
// logs of sshd and of Linux hosts do, for compression is much of the work.
func generatedTexts() (texts []string) {
	rng := rand.New(rand.NewPCG(1, 2))
	verbs := []string{"authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost", "session opened by (uid=0) for rhost",
		"Connection closed by authenticating user, preauth, from", "check pass; user unknown, reported by rhost",
		"reverse mapping checking getaddrinfo failed - POSSIBLE BREAK-IN ATTEMPT! from", "Received disconnect: 11: Bye Bye, preauth, from",
		"lease of address renewed for client", "error: connection reset by peer while reading from"}
	users := []string{"root", "backup", "www-data", "postgres", "admin", "guest", "oracle", "test"}
	networks := []string{"218.188.2", "60.30.224", "10.0.17", "192.168.4"}
	for range 4000 {
		t := fmt.Sprintf("%s %s.%d port %d user=%s", verbs[rng.IntN(len(verbs))], networks[rng.IntN(len(networks))],
			rng.IntN(256), 1024+rng.IntN(64512), users[rng.IntN(len(users))])
		if rng.IntN(2) == 0 {
			t += fmt.Sprintf(" service=sshd method=keyboard-interactive/pam took=%d ms", rng.IntN(5000))
		}
		texts = append(texts, t)
	}
	return texts
}

// minLine is the shortest line of a file that is taken for a log line: shorter ones
// have no text behind their time.
const minLine = 24

func readTexts(files string) (texts []string, err error) {
	for _, name := range strings.Split(files, ",") {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if line := strings.ToValidUTF8(lines.Text(), "?"); len(line) >= minLine {
				texts = append(texts, line)
			}
		}
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("there are no log lines in %s", files)
	}
	return texts, nil
}
