package interop

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Cells of the table.
const (
	sent    = "✓"
	notSent = "—"
	wrong   = "✗"
)

// row is a line of the table: a program, how it is told to send, and what was
// found.
type row struct {
	program, way string
	form         form
	input        string
	clock        clock
	found        findings
}

func (r row) String() string { return fmt.Sprintf("%s, %s, %s", r.program, r.way, r.form.name) }

// key is the part of a line of the table that names the row.
func (r row) key() string {
	cells := []string{r.program, r.way, r.form.name}
	if r.input != "" {
		cells = append(cells, r.input)
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

func (r row) line() string {
	f := r.found
	return r.key() + " " + strings.Join([]string{f.host, f.app, f.pid, f.priority, f.time, f.msgID, f.data, f.message}, " | ") + " |"
}

// findings are the cells that say how the fields were understood.
type findings struct{ host, app, pid, priority, time, msgID, data, message string }

// add joins the findings of one message with those of the ones before.
func (f *findings) add(other findings) {
	join := func(all *string, one string) {
		if *all != one && *all != "" {
			one = wrong
		}
		*all = one
	}
	join(&f.host, other.host)
	join(&f.app, other.app)
	join(&f.pid, other.pid)
	join(&f.priority, other.priority)
	join(&f.time, other.time)
	join(&f.msgID, other.msgID)
	join(&f.data, other.data)
	join(&f.message, other.message)
}

// Where in the document the findings stand.
const (
	path          = "../../docs/INTEROP.md"
	fieldsHead    = " Host | App | PID | Facility, severity | Time | MSGID | SD | Message |\n"
	receivedHead  = "| Program | How it sends | Form | Input |" + fieldsHead
	sentHead      = "| Program | How Syslane sends | Form |" + fieldsHead
	versionsBegin = "<!-- versions: go test ./e2e/interop -update -->\n"
	versionsEnd   = "<!-- end of versions -->\n"
)

// table is all that was found.
type table struct {
	// name says which of the tables of the document it is, head is its first line.
	name, head string
	rows       []row
	// versions are the programs that were there.
	versions []string
}

func (tb *table) begin() string {
	return fmt.Sprintf("<!-- table %s: go test ./e2e/interop -update -->\n", tb.name)
}
func (tb *table) end() string { return fmt.Sprintf("<!-- end of table %s -->\n", tb.name) }

func (tb *table) text() string {
	var b strings.Builder
	b.WriteString(tb.head + strings.Repeat("|---", strings.Count(tb.head, "|")-1) + "|\n")
	for _, r := range tb.rows {
		b.WriteString(r.line() + "\n")
	}
	return b.String()
}

// check compares what was found with the document, which must have just these
// rows where all programs were there. Versions differ from machine to machine and
// are not compared.
func (tb *table) check(t *testing.T, complete bool) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	was, err := between(doc, tb.begin(), tb.end())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if !complete {
			t.Fatalf("%s stays as it is: not every row was found, or a test failed", path)
		}
		doc = strings.Replace(doc, tb.begin()+was, tb.begin()+tb.text(), 1)
		if len(tb.versions) > 0 {
			versions, err := between(doc, versionsBegin, versionsEnd)
			if err != nil {
				t.Fatal(err)
			}
			doc = strings.Replace(doc, versionsBegin+versions, versionsBegin+strings.Join(tb.versions, " · ")+"\n", 1)
		}
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	lines := strings.Split(was, "\n")
	for _, r := range tb.rows {
		if !slices.Contains(lines, r.line()) {
			at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, r.key()) })
			said := "has no such row"
			if at >= 0 {
				said = "says " + lines[at]
			}
			t.Errorf("found %s\n%s %s", r.line(), path, said)
		}
	}
	if complete && !t.Failed() && was != tb.text() {
		t.Errorf("%s has rows that no test shows, or another order; -update writes it anew", path)
	}
}

func between(text, begin, end string) (string, error) {
	_, rest, ok := strings.Cut(text, begin)
	if ok {
		if inside, _, ok := strings.Cut(rest, end); ok {
			return inside, nil
		}
	}
	return "", fmt.Errorf("%s has no lines %q and %q", path, begin, end)
}

// version notes what a program says of its version: the first line.
func (tb *table) version(t *testing.T, command ...string) {
	t.Helper()
	// Some say it on standard error, and some exit with 1 after it.
	out, _ := exec.Command(command[0], command[1:]...).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	line, _, _ = strings.Cut(line, " compiled with")
	if line = strings.TrimSpace(line); line != "" {
		tb.versions = append(tb.versions, line)
	}
}
