package elasticsearch

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
)

// mapped lists the paths that a template maps, with their types.
func mapped(t *testing.T, template []byte) map[string]string {
	t.Helper()
	var body struct {
		Template struct {
			Mappings struct {
				Dynamic    any
				Properties map[string]any
			}
		}
	}
	if err := json.Unmarshal(template, &body); err != nil {
		t.Fatal(err)
	}
	if body.Template.Mappings.Dynamic != false {
		t.Errorf("dynamic is %v", body.Template.Mappings.Dynamic)
	}
	paths := map[string]string{}
	var walk func(path string, properties map[string]any)
	walk = func(path string, properties map[string]any) {
		for key, v := range properties {
			f := v.(map[string]any)
			if inner, ok := f["properties"].(map[string]any); ok {
				walk(path+key+".", inner)
			} else {
				paths[path+key] = f["type"].(string)
			}
		}
	}
	walk("", body.Template.Mappings.Properties)
	return paths
}

// documentPaths lists the paths of the values in a document; structured data and
// extracted fields are one value each.
func documentPaths(into map[string]bool, path string, v any) {
	object, ok := v.(map[string]any)
	if !ok || path == "log.syslog.structured_data" || path == "syslane.fields" {
		into[path] = true
		return
	}
	for key, inner := range object {
		documentPaths(into, strings.TrimPrefix(path+"."+key, "."), inner)
	}
}

func TestTemplateMapsEveryFieldOfADocumentAndNoOther(t *testing.T) {
	e := newEvent(1, "text")
	e.Identity, e.Warnings, e.Timestamp = "web1", syslog.WarnTruncated, 1
	e.Path, e.Credentials = "/var/log/app.log", syslog.Credentials{Known: true, PID: 1, UID: 2, GID: 3}
	e.Extracted = syslog.AppendExtracted(nil, []byte("k"), []byte("v"))
	at := uint32(len(e.Raw))
	e.Raw = append(e.Raw, `ID [a b="c"]`...)
	e.MsgID, e.StructuredData = syslog.Span{Start: at, End: at + 2}, syslog.Span{Start: at + 3, End: at + 12}
	paths := map[string]bool{}
	add := func(e *syslog.Event) {
		var doc any
		if err := json.Unmarshal(ecs.AppendDocument(nil, e, ecs.Options{Original: true, Dataset: "d", Observer: "o"}), &doc); err != nil {
			t.Fatal(err)
		}
		documentPaths(paths, "", doc)
	}
	add(e)
	e.Raw = append(e.Raw, 0xff) // syslane.original
	add(e)
	for _, flavor := range []string{FlavorElasticsearch, FlavorOpenSearch} {
		cfg := DefaultConfig()
		_, body := Template(&cfg, Server{Flavor: flavor})
		fields := mapped(t, body)
		for path := range paths {
			if fields[path] == "" {
				t.Errorf("%s: field %s is not mapped", flavor, path)
			}
		}
		for path := range fields {
			if !paths[path] && !strings.HasPrefix(path, "data_stream.") {
				t.Errorf("%s: field %s is mapped and no document has it", flavor, path)
			}
		}
	}
}

func TestTemplateAppliesToItsTargetOnly(t *testing.T) {
	f := func(change func(*Config), name, pattern string, stream bool) {
		t.Helper()
		cfg := DefaultConfig()
		change(&cfg)
		got, body := Template(&cfg, Server{Flavor: FlavorElasticsearch})
		var template struct {
			IndexPatterns []string `json:"index_patterns"`
			DataStream    any      `json:"data_stream"`
			Version       int
		}
		if err := json.Unmarshal(body, &template); err != nil {
			t.Fatal(err)
		}
		if got != name || len(template.IndexPatterns) != 1 || template.IndexPatterns[0] != pattern || (template.DataStream != nil) != stream || template.Version != TemplateVersion {
			t.Errorf("template %s: %+v", got, template)
		}
	}
	f(func(*Config) {}, "syslane-logs-syslog-default", "logs-syslog-default", true)
	f(func(c *Config) { c.DataStream.Namespace = "dmz" }, "syslane-logs-syslog-dmz", "logs-syslog-dmz", true)
	f(func(c *Config) { c.Mode = ModeIndex }, "syslane-syslog", "syslog-*.*.*", false)
	f(func(c *Config) { c.Mode, c.Index = ModeIndex, "all" }, "syslane-all", "all", false)
	f(func(c *Config) { c.Mode, c.Index = ModeIndex, "a-%Y%m%d-b" }, "syslane-a--b", "a-*-b", false)
}

func TestTemplateIsInstalledWhereThereIsNoneOrAnOlderOne(t *testing.T) {
	const name = "syslane-logs-syslog-default"
	f := func(there string, manage, want bool) {
		t.Helper()
		s := newBulkServer(t)
		if there != "" {
			s.templates[name] = json.RawMessage(there)
		}
		cfg := testConfig(s.url)
		cfg.ManageTemplate = manage
		deliver(t, newOutput(t, cfg), newBatch(1, nil), 1)
		if got := string(s.templates[name]) != there; got != want {
			t.Errorf("with %q there: installed %v, want %v", there, got, want)
		}
	}
	f("", true, true)
	f("", false, false)
	f(`{"version":0}`, true, true)
	f(`{}`, true, true)
	f(fmt.Sprintf(`{"version":%d}`, TemplateVersion), true, false)
	f(`{"version":99}`, true, false)
}

func TestFieldTypesThatAServerLacksAreReplaced(t *testing.T) {
	s := newBulkServer(t)
	var puts []string
	s.other = func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut {
			writeError(w, 404, "resource_not_found_exception", "none")
			return
		}
		body, _ := io.ReadAll(r.Body)
		puts = append(puts, string(body))
		for _, kind := range []string{"match_only_text", "constant_keyword", "flattened"} {
			if strings.Contains(string(body), `"`+kind+`"`) {
				w.WriteHeader(400)
				fmt.Fprintf(w, `{"error":{"type":"illegal_argument_exception","reason":"invalid","caused_by":{"type":"illegal_argument_exception","reason":"invalid","caused_by":{"type":"mapper_parsing_exception","reason":"The mapper type [%s] declared on field [x] does not exist."}}}}`, kind)
				return
			}
		}
		io.WriteString(w, `{"acknowledged":true}`)
	}
	deliver(t, newOutput(t, testConfig(s.url)), newBatch(1, nil), 1)
	if len(puts) != 4 {
		t.Fatalf("%d attempts", len(puts))
	}
	fields := mapped(t, []byte(puts[3]))
	if fields["message"] != "text" || fields["log.syslog.structured_data"] != "object" || fields["data_stream.type"] != "keyword" {
		t.Errorf("fields %v", fields)
	}
}

func TestTemplateThatCannotBeInstalledHolds(t *testing.T) {
	f := func(status int, held bool) {
		t.Helper()
		s := newBulkServer(t)
		s.other = func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut {
				writeError(w, status, "some_exception", "because")
			} else {
				writeError(w, 404, "resource_not_found_exception", "none")
			}
		}
		err := newOutput(t, testConfig(s.url)).Write(t.Context(), newBatch(1, nil))
		if (err != nil) != held || held && (!strings.Contains(err.Error(), "because") || !strings.Contains(err.Error(), "manage_template")) {
			t.Errorf("status %d: %v", status, err)
		}
		if held == (s.count() == 1) {
			t.Errorf("status %d: %d documents", status, s.count())
		}
	}
	f(400, true)
	f(401, true)
	f(429, true)
	f(503, true)
	f(403, false) // somebody else has to install it, and says so by manage_template
}

func TestServerIsKnownByWhatItSaysOfItself(t *testing.T) {
	f := func(flavor string, status int, info, want string, requireDataStream bool) {
		t.Helper()
		s := newBulkServer(t)
		s.other = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Del("X-Elastic-Product")
			w.WriteHeader(status)
			io.WriteString(w, info)
		}
		cfg := testConfig(s.url)
		cfg.ManageTemplate, cfg.Flavor = false, flavor
		o := newOutput(t, cfg)
		got, err := o.identify(t.Context())
		if err != nil || got.Flavor != want {
			t.Errorf("%s: %+v, %v", info, got, err)
		}
		s.request = func(_ int, _ *bulkRequest, w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Del("X-Elastic-Product") // as OpenSearch has none
			return false
		}
		deliver(t, o, newBatch(1, nil), 1)
		if strings.Contains(s.requests[0].query, "require_data_stream=true") != requireDataStream {
			t.Errorf("%s: query %s", info, s.requests[0].query)
		}
	}
	f(FlavorAuto, 200, `{"version":{"number":"8.12.2"}}`, FlavorElasticsearch, false)
	f(FlavorAuto, 200, `{"version":{"number":"8.13.0"}}`, FlavorElasticsearch, true)
	f(FlavorAuto, 200, `{"version":{"number":"9.0.0"}}`, FlavorElasticsearch, true)
	f(FlavorAuto, 200, `{"version":{"distribution":"opensearch","number":"2.19.1"}}`, FlavorOpenSearch, false)
	f(FlavorOpenSearch, 200, `{"version":{"number":"7.10.2"}}`, FlavorOpenSearch, false)
	f(FlavorAuto, 403, `{"error":"no permission"}`, FlavorElasticsearch, false)
	f(FlavorAuto, 405, ``, FlavorElasticsearch, false)
}

func TestServerThatComesBackEmptyGetsItsTemplateAgain(t *testing.T) {
	s := newBulkServer(t)
	var broken atomic.Bool
	s.answer = func(int, []byte, http.ResponseWriter) bool {
		if broken.Load() {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	o := newOutput(t, testConfig(s.url))
	deliver(t, o, newBatch(1, nil), 1)
	s.mu.Lock()
	clear(s.templates)
	s.mu.Unlock()
	broken.Store(true)
	b := newBatch(1, nil)
	b.First++
	if err := o.Write(t.Context(), b); err == nil {
		t.Fatal("Write returned nil")
	}
	broken.Store(false)
	deliver(t, o, b, 1)
	if len(s.templates) != 1 {
		t.Error("the template is not there")
	}
}
