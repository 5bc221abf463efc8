package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// schema is what of a JSON schema leads to keys.
type schema struct {
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	OneOf      []schema          `json:"oneOf"`
	AnyOf      []schema          `json:"anyOf"`
	AllOf      []schema          `json:"allOf"`
}

// keys calls f with the path of each key.
func (s schema) keys(path string, f func(path, key string)) {
	for key, inner := range s.Properties {
		f(path+key, key)
		inner.keys(path+key+".", f)
	}
	if s.Items != nil {
		s.Items.keys(path, f)
	}
	for _, list := range [][]schema{s.OneOf, s.AnyOf, s.AllOf} {
		for _, inner := range list {
			inner.keys(path, f)
		}
	}
}

func TestEachKeyOfTheConfigurationStandsInTheManual(t *testing.T) {
	text, err := os.ReadFile("../etc/syslane.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	code, words := regexp.MustCompile("(?s)```.*?```|`[^`]*`"), regexp.MustCompile(`[a-z0-9_]+`)
	said := map[string]bool{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range code.FindAll(text, -1) {
			for _, word := range words.FindAllString(string(span), -1) {
				said[word] = true
			}
		}
	}
	n, missing := 0, map[string]bool{}
	root.keys("", func(path, key string) {
		n++
		if !said[key] && !missing[path] {
			missing[path] = true
			t.Errorf("%s stands nowhere here", path)
		}
	})
	if n < 300 {
		t.Errorf("the schema has only %d keys", n)
	}
}
