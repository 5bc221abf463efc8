package etc

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/syslane/syslane/outputs/elasticsearch"
)

// savedObject is a line of what Kibana and OpenSearch Dashboards import.
type savedObject struct {
	ID, Type   string
	Attributes map[string]any
	References []struct{ ID, Type, Name string }
}

func savedObjects(t *testing.T) []savedObject {
	t.Helper()
	text, err := os.ReadFile("dashboards/logs.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var objects []savedObject
	for line := range bytes.Lines(text) {
		var o savedObject
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		objects = append(objects, o)
	}
	return objects
}

// walk calls f for every value with its key, also in the texts that are JSON
// themselves (visState, panelsJSON, searchSourceJSON).
func walk(t *testing.T, key string, v any, f func(key string, v any)) {
	t.Helper()
	f(key, v)
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			walk(t, k, inner, f)
		}
	case []any:
		for _, inner := range v {
			walk(t, key, inner, f)
		}
	case string:
		if !strings.HasSuffix(key, "JSON") && key != "visState" {
			return
		}
		var inner any
		if err := json.Unmarshal([]byte(v), &inner); err != nil {
			t.Errorf("%s: %v in %s", key, err, v)
			return
		}
		walk(t, key+" inside", inner, f)
	}
}

func TestReferencesOfSavedObjectsResolve(t *testing.T) {
	objects := savedObjects(t)
	there := map[string]int{}
	kinds := map[string]int{}
	for _, o := range objects {
		there[o.Type+"/"+o.ID]++
		kinds[o.Type]++
	}
	for _, o := range objects {
		names := map[string]bool{}
		for _, r := range o.References {
			names[r.Name] = true
			if there[r.Type+"/"+r.ID] != 1 {
				t.Errorf("%s %s refers to %s %s, of which there are %d", o.Type, o.ID, r.Type, r.ID, there[r.Type+"/"+r.ID])
			}
		}
		used := map[string]bool{}
		walk(t, "", o.Attributes, func(key string, v any) {
			if key == "indexRefName" || key == "panelRefName" {
				used[v.(string)] = true
			}
		})
		for name := range used {
			if !names[name] {
				t.Errorf("%s %s uses the reference %q and has none", o.Type, o.ID, name)
			}
		}
		if len(used) != len(names) {
			t.Errorf("%s %s has the references %v and uses %v", o.Type, o.ID, names, used)
		}
	}
	if kinds["index-pattern"] != 1 || kinds["search"] != 1 || kinds["visualization"] != 4 || kinds["dashboard"] != 1 {
		t.Errorf("there are %v", kinds)
	}
}

func TestEveryFieldOfTheSavedObjectsIsInTheTemplate(t *testing.T) {
	cfg := elasticsearch.DefaultConfig()
	for _, flavor := range []string{elasticsearch.FlavorElasticsearch, elasticsearch.FlavorOpenSearch} {
		_, body := elasticsearch.Template(&cfg, elasticsearch.Server{Flavor: flavor})
		var template struct {
			Template struct {
				Mappings struct{ Properties map[string]any }
			}
		}
		if err := json.Unmarshal(body, &template); err != nil {
			t.Fatal(err)
		}
		kind := func(path string) any {
			var at any = map[string]any{"properties": template.Template.Mappings.Properties}
			for part := range strings.SplitSeq(path, ".") {
				properties, _ := at.(map[string]any)["properties"].(map[string]any)
				if at = properties[part]; at == nil {
					return nil
				}
			}
			return at.(map[string]any)["type"]
		}
		checked := 0
		check := func(path string, aggregated bool) {
			t.Helper()
			checked++
			switch k := kind(path); {
			case k == nil:
				t.Errorf("%s: no field %q", flavor, path)
			case aggregated && k != "keyword" && k != "date":
				t.Errorf("%s: field %q is of the type %v, of which there are no terms", flavor, path, k)
			}
		}
		for _, o := range savedObjects(t) {
			walk(t, "", o.Attributes, func(key string, v any) {
				text, isText := v.(string)
				switch {
				case isText && key == "field":
					check(text, true)
				case isText && key == "timeFieldName":
					check(text, false)
				case isText && key == "columns":
					check(text, false)
				case isText && key == "sort" && text != "desc":
					check(text, false)
				case isText && key == "query":
					for _, m := range regexp.MustCompile(`([\w.@]+) *(:|<=|>=)`).FindAllStringSubmatch(text, -1) {
						check(m[1], false)
					}
				}
			})
		}
		if checked < 13 {
			t.Errorf("only %d uses of fields were found", checked)
		}
	}
}

// documentedMetrics returns the metrics of docs/METRICS.md, which a test holds equal
// to the code, with their labels.
func documentedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../docs/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	metrics := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(syslane_[a-z_]+)` \\| [a-z]+ \\| ([a-z, ]*) \\|").FindAllSubmatch(text, -1) {
		metrics[string(m[1])] = strings.Split(string(m[2]), ", ")
	}
	if len(metrics) < 60 {
		t.Fatalf("%d metrics are documented", len(metrics))
	}
	return metrics
}

var metricName = regexp.MustCompile(`syslane_[a-z_]+`)

// checkExpr tells which metrics and labels of an expression do not exist.
func checkExpr(t *testing.T, known map[string][]string, where, expr string) {
	t.Helper()
	metrics := metricName.FindAllString(expr, -1)
	labels := []string{"instance", "job", "le"}
	for _, m := range metrics {
		of, ok := known[m]
		if !ok {
			of, ok = known[strings.TrimSuffix(m, "_bucket")]
		}
		if !ok {
			t.Errorf("%s: no metric %q", where, m)
		}
		labels = append(labels, of...)
	}
	for _, m := range regexp.MustCompile(`(?:by|on) \(([a-z, ]+)\)`).FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[1], ", ") {
			if !slices.Contains(labels, label) {
				t.Errorf("%s: the metrics of %s have no label %q", where, expr, label)
			}
		}
	}
}

// What the alerts say and ask for must exist; promtool tests what they do (e2e).
func TestEveryMetricAndLabelOfTheAlertsIsInTheCode(t *testing.T) {
	text, err := os.ReadFile("prometheus/syslane.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	known := documentedMetrics(t)
	rule := regexp.MustCompile(`(?s)- alert: (\w+)\n +expr: >-\n +([^\n]+)\n(.*?)(?:\n\n|$|      - alert)`)
	rest, found := string(text), 0
	for {
		m := rule.FindStringSubmatchIndex(rest)
		if m == nil {
			break
		}
		name, expr, more := rest[m[2]:m[3]], rest[m[4]:m[5]], rest[m[6]:m[7]]
		rest = rest[m[7]:]
		found++
		checkExpr(t, known, name, expr)
		for _, l := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(more, -1) {
			labels := []string{"instance"}
			for _, m := range metricName.FindAllString(expr, -1) {
				labels = append(labels, known[m]...)
			}
			if !slices.Contains(labels, l[1]) {
				t.Errorf("%s speaks of the label %q", name, l[1])
			}
		}
	}
	if found != strings.Count(string(text), "- alert:") || found < 15 {
		t.Errorf("%d alerts were read", found)
	}
}

func TestEveryMetricOfTheGrafanaDashboardIsInTheCode(t *testing.T) {
	text, err := os.ReadFile("dashboards/grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		UID, Title string
		Panels     []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ RefID, Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	known := documentedMetrics(t)
	ids := map[int]bool{}
	for _, p := range dashboard.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 || len(p.Targets) == 0 {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			metrics := metricName.FindAllString(target.Expr, -1)
			checkExpr(t, known, p.Title, target.Expr)
			if len(metrics) == 0 || strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
				t.Errorf("panel %q asks for %q", p.Title, target.Expr)
			}
		}
	}
	if len(dashboard.Panels) < 10 {
		t.Errorf("%d panels", len(dashboard.Panels))
	}
}
