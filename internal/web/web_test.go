package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/web/page"
	"github.com/syslane/syslane/search"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeSearcher gives out results documents and then err. It waits for ctx after
// them where stuck is set, and tells of each start.
type fakeSearcher struct {
	results int
	err     error
	stuck   bool
	started chan struct{}
	request search.Request
}

func (f *fakeSearcher) Search(ctx context.Context, r search.Request, found func([]byte) error) (search.Stats, error) {
	f.request = r
	if _, err := search.Parse(r.Query); err != nil {
		return search.Stats{}, err
	}
	for i := range f.results {
		if err := found(fmt.Appendf(nil, `{"@timestamp":"2026-01-31T10:20:30Z","message":"number %d"}`, i)); err != nil {
			return search.Stats{Matched: i}, err
		}
	}
	if f.started != nil {
		f.started <- struct{}{}
	}
	if f.stuck {
		<-ctx.Done()
		return search.Stats{Matched: f.results}, context.Cause(ctx)
	}
	return search.Stats{Matched: f.results}, f.err
}

// start runs a server until the test ends and returns its address as a URL.
func start(t *testing.T, cfg Config) (*Server, string) {
	t.Helper()
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	cfg.Logger = zerolog.New(zerolog.NewTestWriter(t))
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s, "http://" + s.Addr().String()
}

// get returns the status and the body, and the error of reading it.
func get(t *testing.T, target string, headers ...string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func TestIndexListsWhatIsThere(t *testing.T) {
	_, url := start(t, Config{Searcher: &fakeSearcher{}, Gatherer: prometheus.NewRegistry()})
	if status, body, _ := get(t, url+"/"); status != 200 || !strings.Contains(body, "/metrics") || !strings.Contains(body, "curl 'http://127.0.0.1:") {
		t.Error(status, body)
	}
	_, url = start(t, Config{})
	if status, body, _ := get(t, url+"/"); status != 200 || strings.Contains(body, "/metrics") || strings.Contains(body, "curl") {
		t.Error(status, body)
	}
	request, err := http.NewRequest("GET", url+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), "<!doctype html>") || response.Header.Get("Content-Security-Policy") != page.Policy {
		t.Error(err, response.Header, string(body))
	}
	for _, path := range []string{"/metrics", search.Path, "/etc/passwd", "/x"} {
		if status, _, _ := get(t, url+path); status != 404 {
			t.Error(path, status)
		}
	}
}

func TestHealthTellsWhatIsWrong(t *testing.T) {
	var fault error
	checks := []Check{{"log", func() error { return fault }}, {"output.es", func() error { return nil }}}
	_, url := start(t, Config{Health: checks, Ready: checks[1:]})
	if status, body, _ := get(t, url+"/healthz"); status != 200 || body != "ok\n" {
		t.Error(status, body)
	}
	fault = errors.New("disk full")
	if status, body, _ := get(t, url+"/healthz"); status != 503 || body != "log: disk full\n" {
		t.Error(status, body)
	}
	if status, _, _ := get(t, url+"/readyz"); status != 200 {
		t.Error(status)
	}
	_, url = start(t, Config{Health: checks, Token: config.NewSecret("t")})
	if status, body, _ := get(t, url+"/healthz"); status != 503 || body != "1 of 2 checks failed\n" {
		t.Error(status, body)
	}
	if _, body, _ := get(t, url+"/healthz", "Authorization", "Bearer t"); body != "log: disk full\n" {
		t.Error(body)
	}
}

func TestMetricsAreServed(t *testing.T) {
	r := prometheus.NewRegistry()
	_, url := start(t, Config{Gatherer: r, Registerer: r, Searcher: &fakeSearcher{}})
	if status, body, _ := get(t, url+"/metrics"); status != 200 || !strings.Contains(body, `syslane_search_requests_total{outcome="busy"} 0`) {
		t.Error(status, body)
	}
}

func TestTokenIsWanted(t *testing.T) {
	_, url := start(t, Config{Token: config.NewSecret("s3cret"), Searcher: &fakeSearcher{}, Gatherer: prometheus.NewRegistry()})
	for _, path := range []string{"/metrics", search.Path} {
		for _, header := range []string{"", "Bearer wrong", "Basic s3cret", "s3cret", "Bearer"} {
			if status, body, _ := get(t, url+path, "Authorization", header); status != 401 || !strings.Contains(body, `{"error":`) {
				t.Error(path, header, status, body)
			}
		}
		if status, _, _ := get(t, url+path, "Authorization", "bearer s3cret"); status != 200 {
			t.Error(path, status)
		}
	}
	if status, _, _ := get(t, url+"/healthz", "Host", "logs.example.org"); status != 200 {
		t.Error(status)
	}
}

func TestWithoutTokenOnlyLoopbackIsServed(t *testing.T) {
	f := func(listen, token string, ok bool) {
		t.Helper()
		if err := CheckListen(listen, config.NewSecret(token)); (err == nil) != ok {
			t.Errorf("%s %q: %v", listen, token, err)
		}
	}
	f("127.0.0.1:8514", "", true)
	f("127.8.8.8:8514", "", true)
	f("[::1]:8514", "", true)
	f("localhost:0", "", true)
	f(":8514", "", false)
	f("0.0.0.0:8514", "", false)
	f("[::]:8514", "", false)
	f("logs.example.org:8514", "", false)
	f("0.0.0.0:8514", "t", true)
	f(":8514", "t", true)
	f("8514", "t", false)
	if _, err := New(Config{Listen: ":0"}); err == nil || !strings.Contains(err.Error(), "set a token") {
		t.Error(err)
	}

	_, url := start(t, Config{Searcher: &fakeSearcher{}})
	if status, body, _ := get(t, url+search.Path, "Host", "evil.example.org"); status != 403 || !strings.Contains(body, "loopback") {
		t.Error(status, body)
	}
	for _, host := range []string{"localhost", "localhost:99", "127.0.0.1", "[::1]:80"} {
		if status, _, _ := get(t, url+search.Path, "Host", host); status != 200 {
			t.Error(host, status)
		}
	}
}

func TestPagesOfOthersAreRefusedByWhatTheBrowserSaysOfThem(t *testing.T) {
	_, url := start(t, Config{Searcher: &fakeSearcher{}, Gatherer: prometheus.NewRegistry()})
	for _, path := range []string{search.Path, lokiPath + "labels", "/metrics"} {
		for _, site := range []string{"same-origin", "same-site", "none"} {
			if status, body, _ := get(t, url+path, "Sec-Fetch-Site", site); status != 200 {
				t.Error(path, site, status, body)
			}
		}
		if status, body, _ := get(t, url+path, "Sec-Fetch-Site", "cross-site"); status != 403 || !strings.Contains(body, "another site") {
			t.Error(path, status, body)
		}
	}
	// The page may be linked to, and what watches may ask.
	for _, path := range []string{"/", "/healthz"} {
		if status, body, _ := get(t, url+path, "Sec-Fetch-Site", "cross-site"); status != 200 {
			t.Error(path, status, body)
		}
	}
}

func TestSearchStreamsDocuments(t *testing.T) {
	f := &fakeSearcher{results: 3}
	_, url := start(t, Config{Searcher: f})
	status, body, err := get(t, url+search.Path+"?q=a+b&since=2026-01-31+10:00&until=2026-01-31T11:00:00Z&limit=7&order=oldest")
	if status != 200 || err != nil || strings.Count(body, "\n") != 3 {
		t.Error(status, body, err)
	}
	if got := fmt.Sprintf("%+v", f.request); got != "{Query:a b Since:2026-01-31 10:00:00 +0000 UTC Until:2026-01-31 11:00:00 +0000 UTC Limit:7 Order:oldest Before:0 Progress:<nil>}" {
		t.Error(got)
	}
	get(t, url+search.Path)
	if f.request.Limit != search.DefaultLimit {
		t.Error(f.request)
	}
}

func TestWrongRequestsSayWhatIsWrong(t *testing.T) {
	_, url := start(t, Config{Searcher: &fakeSearcher{}})
	f := func(params, want string) {
		t.Helper()
		if status, body, _ := get(t, url+search.Path+"?"+params); status != 400 || !strings.Contains(body, want) {
			t.Error(params, status, body)
		}
	}
	f("q=a+hst:x", `"column":3`)
	f("q=(", `"column":2`)
	f("limit=x", `limit \"x\"`)
	f("limit=-1", `limit \"-1\"`)
	f("since=whenever", `since: time`)
	f("until=whenever", `until: time`)
	f("order=up", `order \"up\"`)
	f("query=x", `unknown parameter \"query\"`)
	f("q=a&q=b", `given 2 times`)
	f("q=%zz", `parameters`)
	r, err := http.Post(url+search.Path, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Error(r.Status)
	}
}

func TestErrorAfterResultsIsTheLastLineOfABrokenAnswer(t *testing.T) {
	f := &fakeSearcher{results: 2, err: errors.New("input/output error")}
	_, url := start(t, Config{Searcher: f})
	status, body, err := get(t, url+search.Path)
	lines := strings.Split(strings.TrimSpace(body), "\n")
	if status != 200 || err == nil || len(lines) != 3 || lines[2] != `{"error":{"message":"input/output error"}}` {
		t.Error(status, body, err)
	}
	f.results = 0
	if status, body, err := get(t, url+search.Path); status != 500 || err != nil || !strings.Contains(body, "input/output error") {
		t.Error(status, body, err)
	}
}

func TestSearchesAreBoundInNumberAndTime(t *testing.T) {
	f := &fakeSearcher{results: 1, stuck: true, started: make(chan struct{}, 2)}
	s, url := start(t, Config{Searcher: f, MaxSearches: 1, SearchTimeout: time.Second})
	answer := make(chan string)
	go func() {
		_, body, _ := get(t, url+search.Path)
		answer <- body
	}()
	<-f.started
	if status, body, _ := get(t, url+search.Path); status != 429 || !strings.Contains(body, "1 searches are running") {
		t.Error(status, body)
	}
	if body := <-answer; !strings.Contains(body, "nothing was found within 1s") {
		t.Error(body)
	}
	if n := testutil.ToFloat64(s.metrics.requests.WithLabelValues("busy")); n != 1 {
		t.Error(n)
	}
}

func TestSearchEndsWhenTheClientLeavesAndWhenTheServerStops(t *testing.T) {
	f := &fakeSearcher{results: 1, stuck: true, started: make(chan struct{}, 2)}
	s, url := start(t, Config{Searcher: f, MaxSearches: 1})
	ctx, cancel := context.WithCancel(context.Background())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+search.Path, nil)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	<-f.started
	cancel()
	response.Body.Close()
	s.searches <- struct{}{} // the slot is free again
	<-s.searches

	done := make(chan error, 1)
	other, err := New(Config{Listen: "127.0.0.1:0", Searcher: f})
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	go func() { done <- other.Run(run) }()
	conn, err := net.Dial("tcp", other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", search.Path)
	<-f.started
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	body, _ := io.ReadAll(bufio.NewReader(conn))
	if !strings.Contains(string(body), "the server is stopping") {
		t.Errorf("%s", body)
	}
}

func TestRemoteSearchEqualsTheLocalOne(t *testing.T) {
	token := config.NewSecret("t")
	f := &fakeSearcher{results: 5000}
	_, url := start(t, Config{Searcher: f, Token: token})
	collect := func(s search.Searcher, q string) (int, error) {
		n := 0
		stats, err := s.Search(context.Background(), search.Request{Query: q, Limit: 9000}, func(doc []byte) error {
			if want := fmt.Sprintf(`"number %d"}`, n); !strings.HasSuffix(string(doc), want) {
				return fmt.Errorf("%s, want %s", doc, want)
			}
			n++
			return nil
		})
		if err == nil && stats.Matched != n {
			err = fmt.Errorf("%d of %d", n, stats.Matched)
		}
		return n, err
	}
	remote := &search.Remote{Server: url, Token: token}
	if n, err := collect(remote, "x"); n != 5000 || err != nil {
		t.Error(n, err)
	}
	var se *search.SyntaxError
	if _, err := collect(remote, "a hst:x"); !errors.As(err, &se) || se.Column != 3 {
		t.Error(err)
	}
	f.err = errors.New("disk \x1b[31m")
	if n, err := collect(remote, "x"); n != 5000 || err == nil || !strings.Contains(err.Error(), `disk \x1b[31m`) {
		t.Error(n, err)
	}
	f.err = &search.IncompleteError{Text: "one block"}
	var ie *search.IncompleteError
	if n, err := collect(remote, "x"); n != 5000 || !errors.As(err, &ie) {
		t.Error(n, err)
	}
	if _, err := collect(&search.Remote{Server: url}, "x"); err == nil || !strings.Contains(err.Error(), "a token is needed") {
		t.Error(err)
	}
	if _, err := collect(&search.Remote{Server: "localhost:1"}, "x"); err == nil || !strings.Contains(err.Error(), "is no address") {
		t.Error(err)
	}
	if _, err := collect(&search.Remote{Server: "http://127.0.0.1:1"}, "x"); err == nil || !strings.Contains(err.Error(), "is a collector running there") {
		t.Error(err)
	}
}

func TestAnswerThatBreaksOffIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	f := func(answer, want string) {
		t.Helper()
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			http.ReadRequest(bufio.NewReader(conn))
			io.WriteString(conn, answer)
		}()
		r := &search.Remote{Server: "http://" + listener.Addr().String(), Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
		_, err := r.Search(context.Background(), search.Request{}, func([]byte) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", answer, err)
		}
	}
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f(chunked+"3\r\n{}\n\r\n", "broke off after 1 results")
	f(chunked+"2\r\n{}\r\n0\r\n\r\n", "broke off after 0 results")
	f(chunked+"3\r\n{}\n\r\n5\r\n{\"a\"", "broke off")
	f("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}\n", "broke off after 1")
	f("HTTP/1.1 502 Bad\r\nContent-Length: 5\r\n\r\nx\x1b[2J", `502 Bad: x\x1b[2J`)
}
