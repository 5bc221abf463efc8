package hostile

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io/fs"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// names are what hosts and programs call themselves who mean harm to paths, templates,
// shells and spreadsheets.
var names = []string{
	"..", ".", "../../etc/passwd", "/etc/cron.d/x", "a/../../../b", "~root", "-rf", "con\\..\\x", "%2e%2e%2f",
	"{host}", "{app}/{app}", "{{.Host}}", "%HOSTNAME%", "${HOME}", "$(id)", "`id`", "${jndi:ldap://x.example/a}", ";id", "|id", "'\"",
	"=1+2", "+1", "-1+2", "@SUM(A1)", "=HYPERLINK(\"http://x.example\")",
}

// texts are what they write to terminals and spreadsheets.
var texts = []string{
	"\x1b[2J\x1b[31mred", "\x1b]0;title\a", "\x1b]8;;http://x.example\x1b\\link", "\u009b31m", "\u202eevil\u2066", "a\u200bb\u2028c",
	"line\nend", "carriage\rreturn", "\x00\x08\x7f", "=1+2", "\t=1+2", "@SUM(A1)", "a,\"b\"\n=1", "{{.Message}} {host} %n %s",
}

// Fields of messages lead to no other file than theirs, and do nothing to who reads them.
func TestFieldsOfMessagesReachNoPathTerminalOrSpreadsheet(t *testing.T) {
	outer, listen := t.TempDir(), proc.FreeAddr(t)
	logs := filepath.Join(outer, "a", "logs")
	node := syslane.Start(t, "collector", fmt.Sprintf(`
[[input]]
type = "tcp"
listen = %q
[[output]]
type = "file"
name = "files"
path = "%s/{host}/{app}.log"
`, listen, logs))
	var frames bytes.Buffer
	sent := 0
	send := func(message string) {
		fmt.Fprintf(&frames, "%d %s", len(message), message)
		sent++
	}
	for i, name := range names {
		send(fmt.Sprintf("<13>1 2026-01-01T00:00:00Z %s %s - - - %s", name, names[(i+1)%len(names)], texts[i%len(texts)]))
		send(fmt.Sprintf("<13>Jan  1 00:00:00 %s %s: %s", name, name, texts[(i+3)%len(texts)]))
	}
	for _, text := range texts {
		send("<13>1 2026-01-01T00:00:00Z h a - - - " + text)
		send(text)
	}
	syslane.Send(t, listen, frames.Bytes())
	node.WaitFor(t, patience, float64(sent), "syslane_log_stored_messages_total")
	node.WaitUntilDrained(t, patience)

	files := 0
	err := filepath.WalkDir(outer, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".syslane") {
			return err
		}
		files++
		below, err := filepath.Rel(logs, path)
		if err != nil || strings.HasPrefix(below, "..") || strings.Count(below, "/") != 1 {
			t.Errorf("a message is in %s, %v", path, err)
		}
		return nil
	})
	if err != nil || files == 0 {
		t.Errorf("%d files, %v", files, err)
	}
	t.Logf("%d messages are in %d files, all of them HOST/APP.log below the folder", sent, files)

	search := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(syslane.Binary(t), append([]string{"search", "--server", "http://" + node.HTTP, "--limit", "0"}, args...)...).Output()
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		for _, r := range string(out) {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || strings.ContainsRune("\u202e\u2066\u200b\u2028", r) {
				t.Errorf("%v prints %q", args, r)
			}
		}
		return string(out)
	}
	for _, args := range [][]string{{}, {"--json"}} {
		if n := strings.Count(search(args...), "\n"); n != sent {
			t.Errorf("%v: %d lines of %d messages", args, n, sent)
		}
	}
	cells := 0
	for _, args := range [][]string{{"--format", "csv"}, {"--format", "csv", "| count by host, app"}, {"--format", "csv", "| top 1000 message"}} {
		records, err := csv.NewReader(strings.NewReader(search(args...))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if len(records) < 10 {
			t.Errorf("%v: %d rows", args, len(records))
		}
		for _, record := range records[1:] { // below the names of the columns
			for _, cell := range record {
				cells++
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("%v: the cell %q is a formula", args, cell)
				}
			}
		}
	}
	rows := search("| count by host, app")
	t.Logf("no octet of %d messages did more to a terminal than print, in text, JSON and %d rows; no cell of %d is a formula", sent, strings.Count(rows, "\n"), cells)
	node.Balance(t)
	node.Shutdown(t)
}

// Who guesses tokens is told nothing, and gets nothing.
func TestGuessedTokensGetNothing(t *testing.T) {
	const token = "a-token-of-the-reader-0123456789"
	node := syslane.Start(t, "collector", fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n[[http.client]]\nname = \"reader\"\ntoken = %q\nrole = \"read\"\n", proc.FreeAddr(t), token))
	paths := []string{"/api/v1/search?q=a", "/api/v1/tail?q=a", "/api/v1/status?q=a", "/metrics?q=a", "/loki/api/v1/labels?q=a"}
	guesses := []string{"", "Bearer", "Bearer ", "Bearer " + token[:len(token)-1], "Bearer " + token + "x", "Bearer " + strings.ToUpper(token), "Basic " + token, token, "Bearer \"" + token + "\"", "Bearer " + strings.Repeat("a", 1<<12)}
	statuses := map[int]int{}
	began := time.Now()
	for _, path := range paths {
		for _, guess := range guesses {
			statuses[ask(t, node, path, guess)]++
		}
		statuses[ask(t, node, path+"&token="+token, "")]++
	}
	t.Logf("%d guesses were answered %v, in %v", len(paths)*(len(guesses)+1), statuses, time.Since(began).Round(time.Millisecond))
	if len(statuses) != 1 || statuses[401] == 0 {
		t.Errorf("guesses were answered %v, want 401 alone", statuses)
	}
	if status := ask(t, node, paths[0], "Bearer "+token); status != 200 {
		t.Errorf("the token is answered %d", status)
	}
	if status := ask(t, node, "/metrics", "Bearer "+token); status != 403 {
		t.Errorf("a reader who asks for metrics is answered %d, want 403", status)
	}
}

// ask sends a request with a header Authorization and returns the status of the answer.
func ask(t *testing.T, node *syslane.Node, path, authorization string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+node.HTTP+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
