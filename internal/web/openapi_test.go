package web

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/docs"
	"github.com/syslane/syslane/search"
)

// description is what the tests read of the OpenAPI document.
type description struct {
	Paths map[string]map[string]struct {
		Parameters []struct {
			Name     string
			Required bool
		}
		Responses map[string]struct {
			Content map[string]struct{ Schema schema }
		}
	}
	Components struct{ Schemas map[string]schema }
}

type schema struct {
	Ref        string `json:"$ref"`
	Type       string
	Required   []string
	Properties map[string]schema
	OneOf      []schema
	Items      *schema
}

// fits tells why a value does not fit a schema, "" where it does.
func (d *description) fits(s schema, v any) string {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		there, ok := d.Components.Schemas[name]
		if !ok {
			return "no schema " + name
		}
		return d.fits(there, v)
	}
	for _, one := range s.OneOf {
		if d.fits(one, v) == "" {
			return ""
		}
	}
	if len(s.OneOf) > 0 {
		return "fits none"
	}
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	switch {
	case s.Type == "object" && !isObject, s.Type == "array" && !isList:
		return "is no " + s.Type
	case s.Type == "string":
		if _, ok := v.(string); !ok {
			return "is no string"
		}
	case s.Type == "integer", s.Type == "number":
		if _, ok := v.(float64); !ok {
			return "is no number"
		}
	}
	for _, name := range s.Required {
		if _, ok := object[name]; !ok {
			return "has no " + name
		}
	}
	for name, value := range object {
		if p, ok := s.Properties[name]; ok {
			if why := d.fits(p, value); why != "" {
				return name + ": " + why
			}
		}
	}
	if s.Items != nil {
		for _, item := range list {
			if why := d.fits(*s.Items, item); why != "" {
				return why
			}
		}
	}
	return ""
}

func TestTheDescriptionOfTheAPIIsTrue(t *testing.T) {
	var d description
	if err := json.Unmarshal(docs.OpenAPI, &d); err != nil {
		t.Fatal(err)
	}
	s, url, add := startServer(t)
	for range 5 {
		add("web1", "app", "text", time.Now())
	}
	for _, part := range s.parts {
		if _, ok := d.Paths[search.API+part]["get"]; !ok {
			t.Errorf("%s is served and not described", part)
		}
	}
	for path, methods := range d.Paths {
		operation := methods["get"]
		if !slices.Contains(s.parts, strings.TrimPrefix(path, search.API)) {
			t.Errorf("%s is described and not served", path)
			continue
		}
		var names []string
		target := url + path + "?"
		for _, p := range operation.Parameters {
			names = append(names, p.Name)
			if p.Required {
				target += p.Name + "=host&"
			}
		}
		if len(names) > 0 {
			status, body, _ := get(t, url+path+"?nonsense=1")
			_, list, _ := strings.Cut(body, "there are ")
			list, _, _ = strings.Cut(list, `"`)
			known := strings.Split(list, ", ")
			slices.Sort(known)
			slices.Sort(names)
			if status != 400 || !slices.Equal(known, names) {
				t.Errorf("%s takes %v, and %v are described", path, known, names)
			}
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil || d.fits(schema{Ref: "#/components/schemas/error"}, v) != "" {
				t.Errorf("%s: %s", path, body)
			}
		}
		if path == search.API+"tail" {
			target += "last=2"
		}
		response, err := http.Get(target)
		if err != nil {
			t.Fatal(err)
		}
		media := response.Header.Get("Content-Type")
		content, ok := operation.Responses["200"].Content[media]
		if response.StatusCode != 200 || !ok {
			t.Errorf("%s answers %s in %s", path, response.Status, media)
		}
		decoder := json.NewDecoder(io.LimitReader(response.Body, 1<<20))
		for range 2 { // a tail has no end
			var v any
			if err := decoder.Decode(&v); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if why := d.fits(content.Schema, v); why != "" {
				t.Errorf("%s: %v: %s", path, v, why)
			}
		}
		response.Body.Close()
	}
}
