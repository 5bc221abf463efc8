package elasticsearch

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// dig returns what is at a path of keys and indices in JSON, written as JSON.
func dig(t *testing.T, body []byte, path string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for key := range strings.SplitSeq(path, "/") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(at) {
				return ""
			}
			v = at[i]
		default:
			return ""
		}
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRetentionIsAskedForAsTheServerHasIt(t *testing.T) {
	f := func(mode string, s Server, paths []string, wanted map[string]string) {
		t.Helper()
		cfg := DefaultConfig()
		cfg.Mode, cfg.Retention = mode, 30*24*time.Hour
		requests := Requests(&cfg, s)
		var got []string
		for _, r := range requests {
			got = append(got, r.Path)
		}
		if !slices.Equal(got, paths) {
			t.Errorf("%s, %+v: requests %q, want %q", mode, s, got, paths)
			return
		}
		for path, want := range wanted {
			r := requests[len(requests)-1]
			if strings.HasPrefix(path, "policy/") {
				r = requests[0]
			}
			if got := dig(t, r.Body, path); got != want {
				t.Errorf("%s, %+v: %s is %s, want %s", mode, s, path, got, want)
			}
		}
	}
	const stream, days = "syslane-logs-syslog-default", "syslane-syslog"
	for _, version := range []string{"", "8.14.0", "9.1.0"} {
		f(ModeDataStream, Server{FlavorElasticsearch, version}, []string{"/_index_template/" + stream}, map[string]string{
			"template/lifecycle/data_retention": `"30d"`, "template/settings/index/lifecycle": "null", "_meta/retention": `"30d"`,
		})
	}
	f(ModeDataStream, Server{FlavorElasticsearch, "8.10.4"}, []string{"/_ilm/policy/" + stream, "/_index_template/" + stream}, map[string]string{
		"policy/phases/delete/min_age":       `"30d"`,
		"policy/phases/hot/actions/rollover": `{"max_age":"1d","max_primary_shard_size":"50gb"}`,
		"template/settings/index/lifecycle":  `{"name":"syslane-logs-syslog-default"}`, "template/lifecycle": "null",
	})
	f(ModeIndex, Server{FlavorElasticsearch, "8.19.0"}, []string{"/_ilm/policy/" + days, "/_index_template/" + days}, map[string]string{
		"policy/phases/hot/actions":         `{}`, // days roll by their names
		"template/settings/index/lifecycle": `{"name":"syslane-syslog"}`,
	})
	f(ModeDataStream, Server{FlavorOpenSearch, "2.19.1"}, []string{"/_plugins/_ism/policies/" + stream, "/_index_template/" + stream}, map[string]string{
		"policy/ism_template/0/index_patterns":                                               `["logs-syslog-default"]`,
		"policy/states/0/actions/0/rollover/min_primary_shard_size":                          `"50gb"`,
		"policy/states/0/transitions/0/conditions/min_index_age":                             `"30d"`,
		"policy/states/1/actions/0":                                                          `{"delete":{}}`,
		"template/lifecycle":                                                                 "null",
		"template/mappings/properties/log/properties/syslog/properties/structured_data/type": `"flat_object"`,
	})
	cfg := DefaultConfig()
	if r := Requests(&cfg, Server{Flavor: FlavorElasticsearch}); len(r) != 1 || strings.Contains(string(r[0].Body), "lifecycle") {
		t.Errorf("without retention the requests are %s", r)
	}
}

func TestRetentionThatChangesIsInstalledAgain(t *testing.T) {
	s := newBulkServer(t)
	var puts []string
	template := ""
	s.other = func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case r.Method == http.MethodPut:
			puts = append(puts, r.URL.Path)
			if strings.HasPrefix(r.URL.Path, "/_index_template/") {
				template = string(body)
			}
			io.WriteString(w, `{"acknowledged":true}`)
		case template != "" && strings.HasPrefix(r.URL.Path, "/_index_template/"):
			fmt.Fprintf(w, `{"index_templates":[{"index_template":%s}]}`, template)
		default:
			writeError(w, 404, "resource_not_found_exception", "none")
		}
	}
	f := func(retention time.Duration, want ...string) {
		t.Helper()
		puts = nil
		cfg := testConfig(s.url)
		cfg.Retention = retention
		if err := newOutput(t, cfg).Write(t.Context(), newBatch(1, nil)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(puts, want) {
			t.Errorf("retention %s: %q, want %q", retention, puts, want)
		}
	}
	name := testConfig(s.url).DataStream.Name()
	install, apply := "/_index_template/syslane-"+name, "/_data_stream/"+name+"/_lifecycle"
	f(0, install)
	f(0)
	f(24*time.Hour, install, apply)
	f(24 * time.Hour)
	f(30*time.Hour, install, apply)
}

// A server for tests, or an old one, may have no lifecycles: documents pass.
func TestServerWithoutLifecyclesHoldsNothingUp(t *testing.T) {
	for _, flavor := range []string{FlavorElasticsearch, FlavorOpenSearch} {
		s := newBulkServer(t)
		s.other = func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.Contains(r.URL.Path, "lifecycle"), strings.Contains(r.URL.Path, "_ism"):
				writeError(w, 400, "illegal_argument_exception", "no handler found for uri")
			case r.Method == http.MethodPut:
				io.WriteString(w, `{"acknowledged":true}`)
			default:
				writeError(w, 404, "resource_not_found_exception", "none")
			}
		}
		cfg := testConfig(s.url)
		cfg.Flavor, cfg.Retention = flavor, 24*time.Hour
		if err := newOutput(t, cfg).Write(t.Context(), newBatch(3, nil)); err != nil || s.count() != 3 {
			t.Errorf("%s: %d documents, %v", flavor, s.count(), err)
		}
	}
}
