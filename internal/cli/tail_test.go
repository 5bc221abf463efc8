package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/web"
	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

// lines is what a command prints while it runs.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// until waits for a text.
func (l *lines) until(t *testing.T, text string) {
	t.Helper()
	for range 3000 {
		if strings.Contains(l.String(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q does not come; there is\n%s", text, l.String())
}

func openTestLog(t *testing.T, dir string) (*spool.Log, func(text string)) {
	t.Helper()
	l, err := spool.Open(spool.Config{Dir: dir, Sync: spool.SyncOS, MinFree: -1, KeepDelivered: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, func(text string) {
		t.Helper()
		e := syslog.Event{Message: syslog.Message{Raw: []byte(text), Text: syslog.Span{End: uint32(len(text))}, Timestamp: time.Now().UnixNano()}}
		e.Severity = syslog.Error
		b := spool.Batch{Records: syslog.AppendRecord(nil, &e), Count: 1, MinTime: e.Timestamp, MaxTime: e.Timestamp}
		if _, err := l.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
}

// runTail runs the command until the test stops it, and returns what it prints.
func runTail(t *testing.T, args ...string) (out *lines, stop func() error) {
	t.Helper()
	out = &lines{}
	cmd := newTailCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(out)
	cmd.SetErr(out)
	cmd.SetArgs(args)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- cmd.ExecuteContext(ctx) }()
	return out, func() error { cancel(); return <-done }
}

func TestTailGoesOnAfterALostConnectionWithoutGapOrRepetition(t *testing.T) {
	log, add := openTestLog(t, t.TempDir())
	serve := func(listen string) (address string, stop func()) {
		var server *web.Server
		var err error
		for range 500 { // the port may still be in use
			if server, err = web.New(web.Config{Listen: listen, Searcher: search.NewLocal(log.View())}); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- server.Run(ctx) }()
		return server.Addr().String(), func() { cancel(); <-done }
	}
	address, stopServer := serve("127.0.0.1:0")
	add("message 0.")
	out, stop := runTail(t, "--server", "http://"+address, "message")
	out.until(t, "message 0.")
	n := 1
	for round := range 3 {
		for range 20 {
			add(fmt.Sprintf("message %d.", n))
			add("another")
			n++
		}
		if round == 1 {
			out.until(t, fmt.Sprintf("message %d.", n-1))
		}
		stopServer()
		add(fmt.Sprintf("message %d.", n))
		n++
		_, stopServer = serve(address)
	}
	out.until(t, fmt.Sprintf("message %d.", n-1))
	if err := stop(); err != nil {
		t.Error(err)
	}
	stopServer()
	text := out.String()
	at := -1
	for i := range n {
		line := fmt.Sprintf("message %d.", i)
		next := strings.Index(text, line)
		if strings.Count(text, line) != 1 || next < at {
			t.Errorf("%s stands there %d times, at %d behind %d", line, strings.Count(text, line), next, at)
		}
		at = next
	}
	if strings.Contains(text, "another") || !strings.Contains(text, "trying again") || !strings.Contains(text, "connected again") {
		t.Error(text)
	}
}

func TestTailFollowsAFolderBesideItsWriter(t *testing.T) {
	dir := t.TempDir()
	_, add := openTestLog(t, dir)
	for i := range 5 {
		add(fmt.Sprintf("old %d", i))
	}
	out, stop := runTail(t, "--dir", dir, "-n", "2", "--format", "raw")
	out.until(t, "old 3\nold 4\n")
	add("new \x1b[31m")
	out.until(t, "new ")
	if err := stop(); err != nil || strings.Contains(out.String(), "old 2") {
		t.Error(out, err)
	}
	for _, args := range [][]string{{"--dir", dir, "hst:a"}, {"--dir", dir, "| count"}, {"--dir", dir, "-n", "-1"}, {"--format", "xml"},
		{"--server", "http://127.0.0.1:1"}} {
		var status exitStatus
		out, stop := runTail(t, args...)
		out.until(t, "syslane: ")
		if err := stop(); !errors.As(err, &status) || status != statusSearchFailed {
			t.Error(args, err)
		}
	}
}

func TestFormatsDoNoHarm(t *testing.T) {
	dir := t.TempDir()
	log, add := openTestLog(t, dir)
	add("=HYPERLINK(\"http://x\") \x1b[2J, \u202e line\nend")
	log.Close()
	f := func(want string, args ...string) {
		t.Helper()
		_, out, problems, status := runSearch(append([]string{"--dir", dir}, args...)...)
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("%v: %q does not hold %q, status %d\n%s", args, out, want, status, problems)
		}
		if strings.ContainsAny(out, "\x1b\u202e") {
			t.Errorf("%v: %q", args, out)
		}
	}
	f("@timestamp,host,app,procid,facility,severity,message\n", "--format", "csv")
	f(`,err,"'=HYPERLINK(""http://x"") \x1b[2J, \u202e line\nend"`+"\n", "--format", "csv")
	f("severity,count\nerr,1\n", "--format", "csv", "| count by severity")
	f("severity  count\nerr       1\n", "| count by severity")
	f("host     app  count\nunknown  -    1\n", "| count by host, app")
	f(`{"severity":"err","count":1}`+"\n", "--format", "json", "| count by severity")
	if _, out, problems, status := runSearch("--dir", dir, "--format", "raw", "| count"); status != 2 {
		t.Error(out, problems, status)
	}
}

// Spreadsheets part cells at the comma, at the semicolon where the comma is the decimal
// sign, at a tab, or at all of them.
func TestNoCellIsAFormulaWhereverASpreadsheetPartsThem(t *testing.T) {
	texts := []string{`x;=HYPERLINK("http://x";"y")`, `x;"=1+1&";`, `x;""=1`, "x\t+1", "x\t\"@a\t", "=1;-1", ";=1", "\t=1", `";=1"`, "x;,=1", "x, =1", "a;b"}
	dir := t.TempDir()
	log, add := openTestLog(t, dir)
	for _, text := range texts {
		add(text)
	}
	log.Close()
	for _, query := range []string{"", "| top 100 message"} {
		_, out, problems, status := runSearch("--dir", dir, "--format", "csv", query)
		if status != 0 {
			t.Fatal(problems)
		}
		columns := 0
		for _, comma := range []rune{',', ';', '\t'} {
			_, rows, _ := strings.Cut(out, "\n") // behind the names of the columns
			r := csv.NewReader(strings.NewReader(rows))
			r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
			records, err := r.ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			for _, record := range records {
				if columns == 0 {
					columns = len(record)
				}
				if comma == ',' && len(record) != columns {
					t.Errorf("%q has %d cells, want %d", record, len(record), columns)
				}
				for _, cell := range record {
					if cell = strings.TrimLeft(cell, `"`); cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
						t.Errorf("parted at %q there is the formula %q of\n%s", comma, cell, out)
					}
				}
			}
		}
		if !strings.Contains(out, `"a;b"`) || !strings.Contains(out, `"x, =1"`) {
			t.Errorf("a cell with a separator is not quoted:\n%s", out)
		}
	}
}

func TestStatsTellWhatANodeDoes(t *testing.T) {
	began := time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)
	status := node.Status{Version: "v1", Role: "collector", Started: began, Time: began.Add(time.Hour),
		Log:       node.LogStatus{Retained: 7, Octets: 4096, Segments: 1},
		Inputs:    []node.InputStatus{{Name: "udp", Counts: map[string]uint64{"received_messages": 9, "stored_messages": 7, "dropped_messages": 2}}},
		Outputs:   []node.OutputStatus{{Name: "es\x1b", Delivered: 5, Retained: 2, Error: "refused"}},
		Unclaimed: []node.UnclaimedStatus{{Name: "old\x1b", Retained: 3}}}
	server, err := web.New(web.Config{Listen: "127.0.0.1:0", Status: func() any { return status }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	defer func() { cancel(); <-done }()
	var out bytes.Buffer
	cmd := newStatsCommand()
	cmd.SetOut(&out)
	cmd.SetArgs([]string{"--server", "http://" + server.Addr().String()})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"collector v1", "up 1h0m0s", "7 messages", "9 received", "2 dropped", `es\x1b`, "5 delivered", "2 to deliver", "DOWN: refused", `old\x1b`, "not in the configuration", "3 kept for it"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
