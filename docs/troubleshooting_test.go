package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// eachSource calls f with every file of the program's code, without tests.
func eachSource(t *testing.T, f func(path string, source []byte)) {
	t.Helper()
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{"e2e", "bench", "packaging", ".git", "bin", "dist", "testdata"}, d.Name()) {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err == nil {
			f(path, source)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// ofPeers are the functions by which inputs log what goes wrong with a peer, a file or
// a socket, at the level Warn, each with the place of the message among three arguments.
var ofPeers = map[string]int{"Warn": 0, "refuse": 1}

// literal returns a string that stands as such in the source.
func literal(e ast.Expr) (string, bool) {
	text, ok := e.(*ast.BasicLit)
	if !ok || text.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(text.Value)
	return s, err == nil
}

// warnings returns the messages that a file logs as warnings and errors.
func warnings(t *testing.T, path string, source []byte) (list []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		msg, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if at, ok := ofPeers[msg.Sel.Name]; ok && len(call.Args) == 3 {
			if s, ok := literal(call.Args[at]); ok {
				list = append(list, s)
			}
			return true
		}
		if msg.Sel.Name != "Msg" || len(call.Args) != 1 {
			return true
		}
		text, ok := literal(call.Args[0])
		if !ok {
			return true
		}
		// logger.Warn().Err(err).Str(…).Msg(…): the level is somewhere in the chain.
		for at := msg.X; ; {
			inner, ok := at.(*ast.CallExpr)
			if !ok {
				return true
			}
			selector, ok := inner.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if (selector.Sel.Name == "Warn" || selector.Sel.Name == "Error") && len(inner.Args) == 0 {
				list = append(list, text)
				return true
			}
			at = selector.X
		}
	})
	return list
}

var firstCell = regexp.MustCompile("(?m)^\\| `([^|]+)` \\|")

func TestTroubleshootingHasEveryWarningAndNothingThatIsNotSaid(t *testing.T) {
	text, err := os.ReadFile("TROUBLESHOOTING.md")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../etc/prometheus/syslane.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	for _, m := range firstCell.FindAllSubmatch(text, -1) {
		documented[string(m[1])] = false
	}
	var code strings.Builder
	found := 0
	eachSource(t, func(path string, source []byte) {
		code.Write(source)
		for _, w := range warnings(t, path, source) {
			found++
			if _, ok := documented[w]; !ok {
				t.Errorf("%s logs %q: say in docs/TROUBLESHOOTING.md what to do about it", path, w)
			}
		}
	})
	if found < 50 {
		t.Errorf("only %d warnings were found in the code", found)
	}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllSubmatch(rules, -1) {
		if _, ok := documented[string(m[1])]; !ok {
			t.Errorf("docs/TROUBLESHOOTING.md does not say what to do about the alert %s", m[1])
		}
	}
	// What the system says is not in our code.
	system := []string{"permission denied", "address already in use"}
	for d := range documented {
		if !strings.Contains(code.String(), d) && !strings.Contains(string(rules), d) && !slices.Contains(system, d) &&
			!strings.Contains(code.String(), strings.ReplaceAll(d, `"`, `\"`)) {
			t.Errorf("docs/TROUBLESHOOTING.md explains %q, which nothing says", d)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#: ]*)(#[^)]*)?\)`)

// anchor is how GitHub names a heading.
func anchor(heading string) string {
	heading = strings.ToLower(strings.TrimSpace(strings.TrimLeft(heading, "#")))
	heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(heading, "")
	return "#" + strings.ReplaceAll(heading, " ", "-")
}

func TestLinksOfTheDocumentationLeadSomewhere(t *testing.T) {
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			target := file
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(file), m[1])
			}
			there, err := os.ReadFile(target)
			if info, statErr := os.Stat(target); statErr == nil && info.IsDir() {
				continue
			}
			if err != nil {
				t.Errorf("%s leads to %s: %v", file, m[1], err)
				continue
			}
			if m[2] == "" {
				continue
			}
			ok := false
			for line := range strings.Lines(string(there)) {
				ok = ok || strings.HasPrefix(line, "#") && anchor(line) == m[2]
			}
			if !ok {
				t.Errorf("%s leads to %s%s, and there is no such heading", file, m[1], m[2])
			}
		}
	}
}
