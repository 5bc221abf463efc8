package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

// startLog serves a log, and returns what appends an event of a host to it.
func startLog(t *testing.T) (url string, add func(host, app, text string, at time.Time)) {
	t.Helper()
	_, url, add = startServer(t)
	return url, add
}

func startServer(t *testing.T) (s *Server, url string, add func(host, app, text string, at time.Time)) {
	t.Helper()
	l, err := spool.Open(spool.Config{Dir: t.TempDir(), KeepDelivered: true, MinFree: -1, Summarize: new(skipdata.Summarizer).Append})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	now := time.Now()
	s, url = start(t, Config{Searcher: search.NewLocal(l.View()), Status: func() any {
		return map[string]any{"version": "v1", "role": "collector", "started": now, "time": now, "log": map[string]any{}, "inputs": []any{}, "outputs": []any{}}
	}, Alerts: func() any {
		group := map[string]any{"labels": map[string]string{"host": "web1"}, "state": "firing", "since": now, "value": 7, "last": now}
		watched := map[string]any{"name": "a", "query": "q", "condition": "count > 1", "window": "5m", "state": "firing", "watched_groups": 1, "firing_groups": 1, "groups": []any{group}}
		channel := map[string]any{"name": "c", "type": "exec", "sent": 1, "dropped": 0, "pending": 0}
		return map[string]any{"alerts": []any{watched}, "channels": []any{channel}, "lag_messages": 0}
	}})
	n := uint32(0)
	return s, url, func(host, app, text string, at time.Time) {
		t.Helper()
		n++
		e := &syslog.Event{ID: syslog.MakeID(at, [4]byte{1}, n), Host: host, Input: "tcp", Source: netip.MustParseAddrPort("192.0.2.1:514")}
		e.Timestamp = at.UnixNano()
		e.Raw = []byte(app + text)
		e.AppName = syslog.Span{End: uint32(len(app))}
		e.Text = syslog.Span{Start: uint32(len(app)), End: uint32(len(e.Raw))}
		e.Severity = syslog.Severity(n % 8)
		b := spool.Batch{Records: syslog.AppendRecord(nil, e), Count: 1, MinTime: e.Timestamp, MaxTime: e.Timestamp}
		if _, err := l.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnalysisAnswersInOneObject(t *testing.T) {
	url, add := startLog(t)
	at := time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)
	for i := range 12 {
		add(fmt.Sprint("web", i%3), "app", "text", at.Add(time.Duration(i)*time.Minute))
	}
	f := func(path, want string) {
		t.Helper()
		status, body, err := get(t, url+path)
		if status != 200 || err != nil || !strings.Contains(body, want) || !json.Valid([]byte(body)) {
			t.Error(path, status, body, err)
		}
	}
	f("/api/v1/top?field=host&n=1", `{"rows":[{"host":"web0","count":4}],"others":[{"others":true,"groups":2,"count":8}],"stats"`)
	f("/api/v1/histogram?step=10m", `{"rows":[{"time":"2026-01-31T10:00:00Z","count":10},{"time":"2026-01-31T10:10:00Z","count":2}],"step_seconds":600,`)
	f("/api/v1/histogram?q=host:web1&by=host&since=2026-01-31&until=2026-02-01", `"step_seconds":1800`)
	f("/api/v1/histogram?q=nothing", `{"rows":[],`)
	f("/api/v1/fields?fields=host,app&n=2", `{"rows":[{"field":"host","value":"web0","count":4},{"field":"host","value":"web1","count":4},{"field":"app","value":"app","count":12}],"others":[{"others":true,"field":"host","groups":1,"count":4}]`)
	f("/api/v1/fields", `{"field":"input","value":"tcp","count":12}`)
	f("/api/v1/status", `"version":"v1"`)
	f("/api/v1/search?q=%7C+count", `{"count":12}`)
	wrong := func(path, want string) {
		t.Helper()
		if status, body, _ := get(t, url+path); status != 400 || !strings.Contains(body, want) {
			t.Error(path, status, body)
		}
	}
	wrong("/api/v1/top?field=hots", "no field")
	wrong("/api/v1/top?field=host%20%7C%20first", "no field")
	wrong("/api/v1/top", "no field")
	wrong("/api/v1/histogram?q=a+%7C+count", "no stages")
	wrong("/api/v1/histogram?step=5x", "no span of time")
	wrong("/api/v1/histogram?q=hst:a", `"column":1`)
	wrong("/api/v1/fields?n=x", "no number")
	wrong("/api/v1/tail?last=1&cursor=x", "last is for a new tail")
	wrong("/api/v1/tail?cursor=x", "is no cursor")
	wrong("/api/v1/tail?cursor=00000000-7", "of another log")
	wrong("/api/v1/tail?q=%7C+count", `"column":3`)
}

// tailLines asks for a tail and returns what reads its next line.
func tailLines(t *testing.T, url string) func() (cursor, message string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	lines := bufio.NewScanner(response.Body)
	return func() (string, string) {
		t.Helper()
		for lines.Scan() {
			var line struct {
				Cursor string
				Event  *struct{ Message string }
			}
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatalf("%s: %v", lines.Bytes(), err)
			}
			if line.Event != nil {
				return line.Cursor, line.Event.Message
			}
		}
		t.Fatal("the tail has ended: ", lines.Err())
		return "", ""
	}
}

func TestTailShowsWhatIsAppendedWithinASecondAndGoesOnAtItsCursor(t *testing.T) {
	url, add := startLog(t)
	now := time.Now()
	for i := range 5 {
		add("web1", "app", fmt.Sprint("old ", i), now)
	}
	next := tailLines(t, url+"/api/v1/tail?q=host:web1&last=2")
	cursor := ""
	expect := func(want string) {
		t.Helper()
		got := ""
		if cursor, got = next(); got != want {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	expect("old 3")
	expect("old 4")
	add("web2", "app", "other host", now)
	soonest := time.Hour // of several, for the machine may be busy
	for n := 0; n < 5 && soonest > time.Second; n++ {
		began := time.Now()
		add("web1", "app", fmt.Sprint("soon ", n), now.Add(-time.Hour)) // of whatever time
		expect(fmt.Sprint("soon ", n))
		soonest = min(soonest, time.Since(began))
	}
	if soonest > time.Second {
		t.Errorf("an acknowledged message was shown after %s", soonest)
	}
	add("web1", "app", "later 1", now)
	add("web1", "app", "later 2", now)
	next = tailLines(t, url+"/api/v1/tail?q=host:web1&cursor="+cursor)
	expect("later 1")
	expect("later 2")
}

func TestAMessageIsFoundAsSoonAsItIsAcknowledged(t *testing.T) {
	url, add := startLog(t)
	for i := range 20 {
		add("web1", "app", fmt.Sprintf("number%d", i), time.Now())
		if _, body, _ := get(t, fmt.Sprintf("%s/api/v1/search?q=number%d", url, i)); !strings.Contains(body, "number") {
			t.Fatalf("message %d is not found", i)
		}
	}
}

func TestRolesAndLimitsHoldForEachClient(t *testing.T) {
	f := &fakeSearcher{results: 1, stuck: true, started: make(chan struct{}, 4)}
	_, url := start(t, Config{Searcher: f, MaxSearches: 3, Gatherer: prometheus.NewRegistry(), Token: config.NewSecret("root"),
		Clients: []Client{{"grafana", config.NewSecret("g"), RoleRead}, {"script", config.NewSecret("s"), RoleRead}}})
	if status, body, _ := get(t, url+"/metrics", "Authorization", "Bearer g"); status != 403 || !strings.Contains(body, "this is for admin") {
		t.Error(status, body)
	}
	if status, _, _ := get(t, url+"/metrics", "Authorization", "Bearer root"); status != 200 {
		t.Error(status)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range 2 {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+search.Path, nil)
		r.Header.Set("Authorization", "Bearer g")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		<-f.started
	}
	if status, body, _ := get(t, url+search.Path, "Authorization", "Bearer g"); status != 429 || !strings.Contains(body, "2 of them yours") {
		t.Error(status, body)
	}
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+search.Path, nil)
	r.Header.Set("Authorization", "Bearer s")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if <-f.started; response.StatusCode != 200 {
		t.Error("another client is refused", response.Status)
	}
	refused := 0
	for range 3 * clientBurst {
		if status, _, _ := get(t, url+search.Path+"?x=1", "Authorization", "Bearer s"); status == 429 {
			refused++
		}
	}
	if refused == 0 {
		t.Error("a client may send as many requests as it likes")
	}
	for _, wrong := range [][]Client{{{"", config.NewSecret("x"), RoleRead}}, {{"a", config.NewSecret(""), RoleRead}}, {{"a", config.NewSecret("x"), "boss"}},
		{{"a", config.NewSecret("x"), RoleRead}, {"b", config.NewSecret("x"), RoleRead}}} {
		if CheckClients(wrong) == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
}
