package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/collector"
	"github.com/syslane/syslane/internal/deadletter"
	"github.com/syslane/syslane/internal/node"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/relay"
)

// newDeadLetter makes a state folder in which the output "es" has refused the
// messages, and returns the ids of their events.
func newDeadLetter(t *testing.T, messages ...string) (state string, ids []string) {
	t.Helper()
	state = t.TempDir()
	return state, fillDeadLetter(t, state, "es", messages...)
}

// fillDeadLetter makes the dead letter of an output in a state folder, with messages.
func fillDeadLetter(t *testing.T, state, output string, messages ...string) (ids []string) {
	t.Helper()
	if err := os.MkdirAll(state, 0o750); err != nil {
		t.Fatal(err)
	}
	s, err := deadletter.Open(deadletter.Config{Dir: node.DeadLetterDir(state), Output: output})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, m := range messages {
		e := syslog.Event{ID: syslog.MakeID(time.Now(), [4]byte{1}, uint32(i))}
		e.Raw, e.Timestamp, e.Text = []byte(m), syslog.NoTimestamp, syslog.Span{End: uint32(len(m))}
		ids = append(ids, e.ID.String())
		entry := deadletter.Entry{Time: time.Now(), Output: output, Position: uint64(i + 1), Event: e.AppendTo(nil), Status: 400, Reason: "document_parsing_exception: no"}
		if err := s.Append([]deadletter.Entry{entry}); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

func TestDeadLettersAreListedAndShown(t *testing.T) {
	state, _ := newDeadLetter(t, "one", "two \x1b[31m")
	f := func(want string, args ...string) {
		t.Helper()
		got, err := syslane(t, append(append([]string{"deadletter"}, args...), "--dir", state)...)
		if err != nil || !strings.Contains(got, want) || strings.Contains(got, "\x1b") {
			t.Errorf("%q printed\n%s\nwithout %q, and returned %v", args, got, want, err)
		}
	}
	f("es      2 ", "list")
	f(`"output":"es","messages":2`, "list", "--json")
	f("document_parsing_exception: no\n  one\n", "show", "es")
	f(`"original":"one"`, "show", "es", "--json")
	if got, err := syslane(t, "deadletter", "show", "es", "--limit", "1", "--dir", state); err != nil || strings.Contains(got, "two") {
		t.Errorf("show --limit 1 printed %q, %v", got, err)
	}
	if _, err := syslane(t, "deadletter", "show", "other", "--dir", state); err == nil || !strings.Contains(err.Error(), "deadletter list") {
		t.Errorf("show of an output that is not there returned %v", err)
	}
	if got, err := syslane(t, "deadletter", "list", "--dir", newStoppedLog(t, 1)); err != nil || !strings.Contains(got, "no messages") {
		t.Errorf("list of nothing printed %q, %v", got, err)
	}
	none := t.TempDir()
	if got, err := syslane(t, "deadletter", "list", "--dir", none); err == nil || got != "" || !strings.Contains(err.Error(), none+" is not the state folder") {
		t.Errorf("list in a folder of something else printed %q, %v", got, err)
	}
}

func TestReplayedMessagesAreGoneAndThoseRefusedAgainStay(t *testing.T) {
	state, ids := newDeadLetter(t, "one", "two", "three")
	refuse := ids[1]
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "_bulk") {
			io.WriteString(w, "{}")
			return
		}
		body, _ := io.ReadAll(r.Body)
		var items []string
		failed := false
		for line := range strings.Lines(string(body)) {
			var action struct {
				Create struct {
					ID string `json:"_id"`
				}
			}
			if json.Unmarshal([]byte(line), &action); action.Create.ID == "" {
				continue
			}
			if action.Create.ID == refuse {
				failed = true
				items = append(items, `{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"still not"}}}`)
				continue
			}
			got = append(got, action.Create.ID)
			items = append(items, `{"create":{"status":201}}`)
		}
		fmt.Fprintf(w, `{"errors":%v,"items":[%s]}`, failed, strings.Join(items, ","))
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "collector.toml")
	text := fmt.Sprintf("state = %q\n[[output]]\ntype = \"elasticsearch\"\nname = \"es\"\nhosts = [%q]\nmanage_template = false\n", state, server.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := syslane(t, "deadletter", "replay", "es", "--config", file)
	if err != exitStatus(1) || !strings.Contains(out, "es: 2 messages taken, 1 refused again") {
		t.Fatalf("replay printed %q and returned %v", out, err)
	}
	if fmt.Sprint(got) != fmt.Sprint([]string{ids[0], ids[2]}) {
		t.Errorf("the server got %q of %q", got, ids)
	}
	if out, err := syslane(t, "deadletter", "show", "es", "--dir", state); err != nil || !strings.Contains(out, "still not\n  two") || strings.Contains(out, "one") {
		t.Errorf("show printed %q, %v", out, err)
	}
	refuse = ""
	if out, err := syslane(t, "deadletter", "replay", "es", "--config", file); err != nil || !strings.Contains(out, "1 messages taken, 0 refused") {
		t.Errorf("the second replay printed %q and returned %v", out, err)
	}
}

// Both roles of a machine have an output of one name, and no configuration a state key.
func TestTheDeadLetterIsThatOfTheRoleOrIsToBeNamed(t *testing.T) {
	const output = "files-of-both"
	home := t.TempDir()
	t.Setenv("XDG_STATE_HOME", home)
	states := map[string]string{}
	for _, role := range []string{collector.Name, relay.Name} {
		states[role] = filepath.Join(home, "syslane", role)
		fillDeadLetter(t, states[role], output, "of the "+role)
	}
	replay := func(name, more string, args ...string) (printed, written string, err error) {
		t.Helper()
		folder := t.TempDir()
		path := filepath.Join(folder, "all.log")
		text := fmt.Sprintf("[[output]]\ntype = \"file\"\nname = %q\npath = %q\n%s", output, path, more)
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		printed, err = syslane(t, append([]string{"deadletter", "replay", output, "--config", filepath.Join(folder, name)}, args...)...)
		octets, _ := os.ReadFile(path)
		return printed, string(octets), err
	}
	refused := func(printed string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "--dir "+states[collector.Name]) || !strings.Contains(err.Error(), "--dir "+states[relay.Name]) {
			t.Errorf("it printed %q and returned %v", printed, err)
		}
	}
	before := content(t, home)
	printed, _, err := replay("mine.toml", "")
	refused(printed, err)
	printed, err = syslane(t, "deadletter", "show", output)
	refused(printed, err)
	if after := content(t, home); !slices.Equal(after, before) {
		t.Errorf("there is\n%q after, and was\n%q", after, before)
	}
	if printed, err := syslane(t, "deadletter", "show", output, "--dir", states[relay.Name]); err != nil || !strings.Contains(printed, "of the relay") {
		t.Errorf("show --dir printed %q and returned %v", printed, err)
	}

	alert := "[[alert]]\nname = \"a\"\nquery = \"x\"\ncondition = \"count > 1\"\nwindow = \"1m\"\nnotify = [\"n\"]\n" +
		"[[notify]]\nname = \"n\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:9/\"\n"
	for _, row := range []struct {
		name, more string
		args       []string
		want       string
	}{
		{"relay.toml", "", nil, relay.Name},
		{"collector.toml", "", nil, collector.Name},
		{"mine.toml", alert, nil, collector.Name},
		{"mine.toml", "", []string{"--dir", states[relay.Name]}, relay.Name},
	} {
		for role, state := range states {
			if err := os.RemoveAll(node.DeadLetterDir(state)); err != nil {
				t.Fatal(err)
			}
			fillDeadLetter(t, state, output, "of the "+role)
		}
		printed, written, err := replay(row.name, row.more, row.args...)
		if err != nil || !strings.Contains(printed, "1 messages taken") || !strings.Contains(written, "of the "+row.want) || strings.Count(written, "of the") != 1 {
			t.Errorf("%s %q: it printed %q, wrote %q and returned %v", row.name, row.args, printed, written, err)
		}
	}
	// That of the other role is none where this one has none.
	if err := os.RemoveAll(node.DeadLetterDir(states[relay.Name])); err != nil {
		t.Fatal(err)
	}
	if printed, written, err := replay("relay.toml", ""); err == nil || !strings.Contains(err.Error(), "--dir") || written != "" {
		t.Errorf("it printed %q, wrote %q and returned %v", printed, written, err)
	}
}

func TestTemplateIsPrintedAsTheConfigurationHasIt(t *testing.T) {
	f := func(config, want string, args ...string) {
		t.Helper()
		args = append([]string{"elasticsearch", "template"}, args...)
		if config != "" {
			file := filepath.Join(t.TempDir(), "collector.toml")
			if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, "--config", file)
		}
		out, err := syslane(t, args...)
		if err != nil {
			out = err.Error()
		}
		if !strings.Contains(out, want) {
			t.Errorf("%q printed\n%s\nwithout %q", args, out, want)
		}
	}
	f("", "PUT /_index_template/syslane-logs-syslog-default\n{")
	f("", `"flat_object"`, "--flavor", "opensearch")
	f("", "want \"elasticsearch\"", "--flavor", "other")
	one := "[[output]]\ntype = \"elasticsearch\"\nretention = \"30d\"\ndata_stream = { dataset = \"a\" }\n"
	f(one, `"data_retention": "30d"`)
	f(one, "PUT /_ilm/policy/syslane-logs-a-default\n{", "--server-version", "8.10.4")
	f(one, "PUT /_plugins/_ism/policies/syslane-logs-a-default\n{", "--flavor", "opensearch")
	f(one+one, "say --output NAME")
	f(one+one, "logs-a-default", "--output", "elasticsearch-2")
	f("", "has no output", "--config", "/dev/null")
}
