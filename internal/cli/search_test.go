package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/web"
	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

// searchLog makes a log with events a, b and c, an hour, 30 and 10 minutes old,
// and returns its folder.
func searchLog(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	l, err := spool.Open(spool.Config{Dir: dir, Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	for i, age := range []time.Duration{time.Hour, 30 * time.Minute, 10 * time.Minute} {
		text := []byte("event " + string(rune('a'+i)) + " \x1b[31m")
		e := syslog.Event{Message: syslog.Message{Raw: text, Text: syslog.Span{End: uint32(len(text))}, Timestamp: time.Now().Add(-age).UnixNano()}}
		if _, err := l.Append(context.Background(), spool.Batch{Records: syslog.AppendRecord(nil, &e), Count: 1, MinTime: e.Timestamp, MaxTime: e.Timestamp}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runSearch returns the letters of the events in the order of printing, what is
// said of errors, and the exit status.
func runSearch(args ...string) (events, output, problems string, status int) {
	var out, errs bytes.Buffer
	cmd := newSearchCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(context.Background())
	var code exitStatus
	if errors.As(err, &code) {
		status = int(code)
	} else if err != nil {
		status = -1
		fmt.Fprint(&errs, err)
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if _, rest, ok := strings.Cut(line, "event "); ok {
			events += rest[:1]
		}
	}
	return events, out.String(), errs.String(), status
}

func TestSearchPrintsNewestAtTheBottom(t *testing.T) {
	dir := searchLog(t)
	local, err := search.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	token := config.NewSecret("s3cret")
	server, err := web.New(web.Config{Listen: "127.0.0.1:0", Token: token, Searcher: local})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	defer func() { cancel(); <-done }()
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, where := range [][]string{{"--dir", dir}, {"--server", "http://" + server.Addr().String(), "--token-file", tokenFile}} {
		f := func(want string, wantStatus int, args ...string) {
			t.Helper()
			got, out, problems, status := runSearch(append(append([]string{}, where...), args...)...)
			if got != want || status != wantStatus {
				t.Errorf("%v: %q status %d, want %q %d\n%s", args, got, status, want, wantStatus, problems)
			}
			if strings.ContainsAny(out, "\x1b") {
				t.Errorf("%v: an escape sequence reaches the terminal: %q", args, out)
			}
		}
		f("abc", 0)
		f("abc", 0, "event")
		f("bc", 0, "-n", "2")
		f("cb", 0, "-n", "2", "--reverse")
		f("abc", 0, "-n", "0")
		f("cba", 0, "-n", "0", "-r")
		f("c", 0, "--since", "15m", "event")
		f("a", 0, "--until", "45m")
		f("b", 0, "event", "b")
		f("abc", 0, "--json", "event")
		f("", 1, "nothing")
		f("", 2, "(")
		f("", 2, "--since", "whenever")
		f("", 2, "--limit", "-1")
		f("", 2, "--limit", "many")
		f("", 2, "-x")
	}
}

func TestSearchErrorsPointAtTheQuery(t *testing.T) {
	dir := searchLog(t)
	_, _, problems, _ := runSearch("--dir", dir, "a hst:b")
	if !strings.Contains(problems, "did you mean \"host\"") || !strings.HasSuffix(problems, "\n  a hst:b\n    ^\n") {
		t.Error(problems)
	}
	if _, _, problems, status := runSearch("--server", "http://127.0.0.1:1", "x"); status != 2 || !strings.Contains(problems, "is a collector running there?") {
		t.Error(problems)
	}
	if _, _, problems, status := runSearch("--dir", filepath.Join(dir, "none"), "x"); status != 2 || problems == "" {
		t.Error(problems)
	}
	if _, _, problems, status := runSearch("--dir", dir, "--server", "http://x", "x"); status != 2 || problems == "" {
		t.Error(status, problems)
	}
}
