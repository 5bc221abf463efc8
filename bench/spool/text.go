package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// text makes RFC 5424 messages that are numbered and otherwise like real ones.
type text struct {
	what  string
	lines []string
}

// newText takes the texts from files of RFC 3164 lines without priority, or
// generates some thousand.
func newText(files string) (*text, error) {
	t := &text{what: "generated texts"}
	if files == "" {
		rng := rand.New(rand.NewPCG(1, 2))
		verbs := []string{"authentication failure", "session opened", "session closed", "connection reset by peer",
			"check pass; user unknown", "reverse mapping checking failed", "lease renewed", "link became ready"}
		users := []string{"root", "backup", "www-data", "postgres", "admin", "guest", "oracle", "test"}
		for range 4000 {
			t.lines = append(t.lines, fmt.Sprintf("%s for user %s from %d.%d.%d.%d port %d; uid=%d session=%016x took %d ms",
				verbs[rng.IntN(len(verbs))], users[rng.IntN(len(users))], rng.IntN(224), rng.IntN(256), rng.IntN(256),
				rng.IntN(256), rng.IntN(65536), rng.IntN(2000), rng.Uint64(), rng.IntN(5000)))
		}
		return t, nil
	}
	t.what = "texts of real logs (" + files + "), numbered,"
	for _, name := range strings.Split(files, ",") {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		for sc := bufio.NewScanner(f); sc.Scan(); {
			if line := sc.Text(); len(line) > 16 {
				t.lines = append(t.lines, line[16:]) // after the time
			}
		}
	}
	if len(t.lines) == 0 {
		return nil, fmt.Errorf("there are no lines in %s", files)
	}
	return t, nil
}

var start = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// appendMessage appends message n.
func (t *text) appendMessage(dst []byte, n int) []byte {
	rng := uint64(n) * 0x9e3779b97f4a7c15
	dst = fmt.Appendf(dst, "<%d>1 ", 8*(rng>>60)+rng>>50&7)
	dst = start.Add(time.Duration(n)*731*time.Microsecond+time.Duration(rng>>44)).AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	return fmt.Appendf(dst, " host-%d.example.net app-%d %d - - %d %s", rng>>33%200, rng>>25%20, rng>>20%30000+1, n, t.lines[n%len(t.lines)])
}

func (t *text) average() float64 {
	n := 0
	var b []byte
	for i := range len(t.lines) {
		b = t.appendMessage(b[:0], i)
		n += len(b)
	}
	return float64(n) / float64(len(t.lines))
}
