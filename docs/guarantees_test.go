package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every promise names a test that is there.
func TestEveryPromiseNamesATest(t *testing.T) {
	there := map[string]bool{}
	declaration := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range declaration.FindAllSubmatch(source, -1) {
			there[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, atLeast := range map[string]int{"GUARANTEES.md": 30, "SECURITY.md": 15} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(text, -1)
		if len(named) < atLeast {
			t.Errorf("%s names only %d tests", file, len(named))
		}
		for _, m := range named {
			if !there[string(m[1])] {
				t.Errorf("%s names %s, which is not there", file, m[1])
			}
		}
	}
}
