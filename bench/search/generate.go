package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/parser"
	"github.com/syslane/syslane/spool"
)

// start is the time of the first message; those after it come 30 ms apart, so that
// 20 million are a week.
var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

const interval = 30 * time.Millisecond

// needle is a word that one message in a million has.
const needle = "xyzzy4711"

// growing makes messages out of the lines of real logs: hosts, times and numbers of
// their own, and the programs and texts of the lines.
type growing struct {
	lines [][]byte // from the program on
	rng   *rand.Rand
	hosts []string
}

func newGrowing(files string) (*growing, error) {
	g := &growing{rng: rand.New(rand.NewPCG(1, 2))}
	for _, name := range strings.Split(files, ",") {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(text) {
			line = bytes.TrimSpace(line)
			if len(line) < 17 {
				continue
			}
			if _, rest, ok := bytes.Cut(line[16:], []byte(" ")); ok {
				g.lines = append(g.lines, rest)
			}
		}
	}
	if len(g.lines) == 0 {
		return nil, fmt.Errorf("there are no lines in %s", files)
	}
	for i := range 200 {
		g.hosts = append(g.hosts, fmt.Sprintf("%s%03d.example.net", []string{"web", "db", "mail", "gw"}[i%4], i))
	}
	return g, nil
}

// append appends message n as an RFC 5424 line. Numbers of four digits and more, and
// the last of those of an address, are drawn anew.
func (g *growing) append(dst []byte, n int) []byte {
	u := g.rng.Float64()
	host := g.hosts[int(u*u*float64(len(g.hosts)))]
	line := g.lines[g.rng.IntN(len(g.lines))]
	at := start.Add(time.Duration(n)*interval + time.Duration(g.rng.IntN(int(interval))))
	tag, text, _ := bytes.Cut(line, []byte(": "))
	app, pid, _ := bytes.Cut(tag, []byte("["))
	severity := []int{3, 4, 5, 6, 6, 6, 6, 6}[g.rng.IntN(8)]
	dst = fmt.Appendf(dst, "<%d>1 %s %s %s ", 80+severity, at.Format("2006-01-02T15:04:05.000000Z"), host, bytes.ReplaceAll(app, []byte(" "), []byte("_")))
	if pid = bytes.TrimSuffix(pid, []byte("]")); len(pid) > 0 {
		dst = fmt.Appendf(dst, "%d", 1000+g.rng.IntN(30000))
	} else {
		dst = append(dst, '-')
	}
	dst = append(dst, " - - "...)
	digits := 0
	for i, c := range text {
		if c < '0' || c > '9' {
			dst, digits = append(dst, c), 0
			continue
		}
		digits++
		ends := i+1 == len(text) || text[i+1] < '0' || text[i+1] > '9'
		if digits > 3 || ends && digits > 1 {
			c = byte('0' + g.rng.IntN(10))
		}
		dst = append(dst, c)
	}
	if n%1_000_000 == 777_777 {
		dst = append(dst, " "+needle...)
	}
	return dst
}

func generate(dir, files string, messages, journal int) error {
	g, err := newGrowing(files)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	log, err := spool.Open(spool.Config{
		Dir: filepath.Join(dir, "log"), KeepDelivered: true, Sync: spool.SyncOS, Recompress: spool.RecompressAlways,
		Summarize: new(skipdata.Summarizer).Append,
	})
	if err != nil {
		return err
	}
	defer log.Close()
	plain, err := os.Create(filepath.Join(dir, "plain.log"))
	if err != nil {
		return err
	}
	defer plain.Close()
	text := bufio.NewWriterSize(plain, 1<<20)
	export, err := os.Create(filepath.Join(dir, "journal.export"))
	if err != nil {
		return err
	}
	defer export.Close()
	entries := bufio.NewWriterSize(export, 1<<20)
	var line []byte
	var batch spool.Batch
	began := time.Now()
	for n := range messages {
		line = g.append(line[:0], n)
		text.Write(line)
		text.WriteByte('\n')
		received := start.Add(time.Duration(n)*interval + interval)
		e := syslog.Event{ID: syslog.MakeID(received, [4]byte{1, 2, 3, 4}, uint32(n)), Input: "tcp"}
		e.Raw = line
		parser.Parse(&e.Message, &parser.Options{Received: received})
		if n >= messages-journal {
			writeEntry(entries, &e)
		}
		if batch.Count == 0 {
			batch.MinTime, batch.MaxTime = e.TimeNano(), e.TimeNano()
		}
		batch.MinTime, batch.MaxTime = min(batch.MinTime, e.TimeNano()), max(batch.MaxTime, e.TimeNano())
		batch.Records = syslog.AppendRecord(batch.Records, &e)
		batch.Count++
		if len(batch.Records) > 200<<10 || n == messages-1 {
			if _, err := log.Append(context.Background(), batch); err != nil {
				return err
			}
			batch = spool.Batch{Records: batch.Records[:0]}
		}
	}
	if err := errors.Join(text.Flush(), entries.Flush()); err != nil {
		return err
	}
	fmt.Printf("%d messages appended in %s\n", messages, time.Since(began).Round(time.Second))
	for {
		s := log.Stats()
		if s.IndexedSegments >= uint64(s.Segments-1) {
			break
		}
		time.Sleep(time.Second)
	}
	fmt.Printf("rewritten and indexed after %s\n", time.Since(began).Round(time.Second))
	return nil
}

// writeEntry writes an entry of the journal's export format.
func writeEntry(w *bufio.Writer, e *syslog.Event) {
	micros := e.TimeNano() / 1000
	fmt.Fprintf(w, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\n", micros, micros-start.UnixMicro()+1)
	fmt.Fprintf(w, "_HOSTNAME=%s\nPRIORITY=%d\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=%s\n", e.Field(e.Hostname), e.Severity, e.Facility, e.Field(e.AppName))
	if !e.ProcID.Empty() {
		fmt.Fprintf(w, "SYSLOG_PID=%s\n", e.Field(e.ProcID))
	}
	fmt.Fprintf(w, "MESSAGE=%s\n\n", bytes.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, e.Field(e.Text)))
}
