package web

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/search"
)

// The requests are formed as the Loki data source of Grafana forms them, by its source: its
// test, the labels of the query builder, lines and their context, the volume above them,
// and metrics over time and at one time. They are no recordings, see docs/GRAFANA.md.
func TestGrafanaGetsWhatItAsksOfLoki(t *testing.T) {
	server, add := startLog(t)
	at := time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)
	for i := range 10 {
		add(fmt.Sprint("web", i%2), "sshd", fmt.Sprintf("Failed login %d of /bin/sh", i), at.Add(time.Duration(i)*time.Minute))
	}
	span := fmt.Sprintf("start=%d&end=%d", at.UnixNano(), at.Add(time.Hour).UnixNano())
	f := func(path, want string) {
		t.Helper()
		status, body, err := get(t, server+"/loki/api/v1/"+path)
		if status != 200 || err != nil || !json.Valid([]byte(body)) || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s %v\nwant %s", path, status, body, err, want)
		}
	}
	q := func(logQL string) string { return "query=" + url.QueryEscape(logQL) + "&" + span }
	f("query?direction=backward&query=vector%281%29%2Bvector%281%29&time=4000000000", `"value":[`)
	f("labels?"+span, `["app","facility","host","input","level"]`)
	f("label/host/values?"+span, `"data":["web0","web1"]`)
	f("label/host/values?"+q(`{app="sshd"}`), `"data":["web0","web1"]`)
	f("label/nothing/values?"+span, `"data":[]`)
	f("series?match%5B%5D="+url.QueryEscape(`{host="web1"}`)+"&"+span, `"host":"web1"`)
	f("index/stats?"+q(`{host="web1"}`), `"entries":5`)
	f("query_range?direction=backward&limit=1000&step=2000ms&"+q(`{host="web1"} |= "login 3"`),
		fmt.Sprintf(`"values":[["%d","Failed login 3 of /bin/sh"]]`, at.Add(3*time.Minute).UnixNano()))
	f("query_range?"+q("{host=~`web.+`, app!=\"cron\"} |~ `login [12] of /bin` != \"login 1\""), `"Failed login 2 of /bin/sh"]]`)
	f("query_range?"+q(`{host="WEB1"}`), `"result":[]`)
	f("query_range?"+q(`{host="web1"} |= "failed"`), `"result":[]`)
	f("query_range?"+q(`{app="sshd"} |= ""`), `"resultType":"streams"`)
	f("query_range?"+q(`sum by (host) (count_over_time({app="sshd"} |= "Failed" [5m]))`),
		fmt.Sprintf(`{"metric":{"host":"web0"},"values":[[%d,"3"],[%d,"2"]]}`, at.Add(5*time.Minute).Unix(), at.Add(10*time.Minute).Unix()))
	f("query_range?"+q(`sum by (level, detected_level) (count_over_time({app="sshd"}[1h]))`), `{"metric":{"level":"`)
	f("query_range?"+q(`sum(rate({app="sshd"}[10m]))`), `"0.016666666666666666"`)
	// The volume of newer versions, and an instant query, which has a time and no span.
	f("query_range?direction=backward&step=60000ms&"+q("sum by (level, detected_level) (count_over_time({app=\"sshd\"} |= `Failed` | drop __error__[1m]))"), `{"metric":{"level":"`)
	f("query_range?"+q(`{app="sshd"} | drop __error__, __error_details__ |= "login 7"`), `Failed login 7`)
	instant := func(logQL string, at time.Time) string {
		return fmt.Sprintf("query?direction=backward&time=%d&query=%s", at.UnixNano(), url.QueryEscape(logQL))
	}
	f(instant(`sum by (host) (count_over_time({app="sshd"}[5m]))`, at.Add(5*time.Minute)), fmt.Sprintf(`{"metric":{"host":"web0"},"value":[%d,"3"]}`, at.Add(5*time.Minute).Unix()))
	f(instant(`rate({app="sshd"}[10m])`, at.Add(10*time.Minute)), `"0.016666666666666666"`)
	f(instant(`count_over_time({app="sshd"}[5m])`, at), `"result":[]`)
	// What stands around a line: up to it and from it on.
	context := func(direction string, from, to time.Time) string {
		return fmt.Sprintf("query_range?direction=%s&limit=2&step=1000ms&query=%s&start=%d&end=%d", direction, url.QueryEscape(`{app="sshd", host="web1"}`), from.UnixNano(), to.UnixNano())
	}
	f(context("backward", at, at.Add(5*time.Minute)), fmt.Sprintf(`["%d","Failed login 3 of /bin/sh"]`, at.Add(3*time.Minute).UnixNano()))
	f(context("forward", at.Add(5*time.Minute), at.Add(time.Hour)), fmt.Sprintf(`["%d","Failed login 5 of /bin/sh"]`, at.Add(5*time.Minute).UnixNano()))
	for _, wrong := range []string{`{host="a"`, `{hst="a"}`, `{host=a}`, `app="a"`, `{host="a"} | json`, `{host=~"("}`, `quantile_over_time(0.9, {host="a"}[1m])`, `{host="a"} | drop host`, ``} {
		if status, body, _ := get(t, server+"/loki/api/v1/query_range?"+q(wrong)); status != 400 || body == "" {
			t.Error(wrong, status, body)
		}
	}
	if status, _, _ := get(t, server+"/loki/api/v1/query_range?query=%7Bhost%3D%22a%22%7D&start=x"); status != 400 {
		t.Error(status)
	}
}

func FuzzLogQL(f *testing.F) {
	for _, q := range []string{`{host="a", app=~"b/c|d"} |= "x" !~ "y\\/"`, `sum by (host) (rate({app!="b"}[5m]))`, "{level=`err`}"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseLogQL(text)
		if err != nil {
			return
		}
		if parsed, err := search.Parse(q.query); err != nil || parsed.Piped() {
			t.Fatalf("%s is translated to %s: %v", text, q.query, err)
		}
	})
}

func TestAnswersToGrafanaAreBoundedByTheirOctets(t *testing.T) {
	server, add := startLog(t)
	at := time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)
	for i := range 100 {
		add("web1", "app", strings.Repeat("\x01", 60_000), at.Add(time.Duration(i)*time.Second)) // six octets each in a document
	}
	path := fmt.Sprintf("%s/loki/api/v1/query_range?query=%s&start=%d&end=%d", server, url.QueryEscape(`{app="app"}`), at.UnixNano(), at.Add(time.Hour).UnixNano())
	if status, body, _ := get(t, path+"&limit=1000"); status != 400 || !strings.Contains(body, "more than 32 MiB") {
		t.Errorf("%d %.200s", status, body)
	}
	if status, body, _ := get(t, path+"&limit=50"); status != 200 || !json.Valid([]byte(body)) {
		t.Errorf("%d %.200s", status, body)
	}
}
