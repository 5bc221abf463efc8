package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/search"
)

// repeating gives out one row again and again, and then calls after.
type repeating struct {
	row   string
	times int
	after func() error
}

func (f repeating) Search(_ context.Context, _ search.Request, found func([]byte) error) (search.Stats, error) {
	for range f.times {
		if err := found([]byte(f.row)); err != nil {
			return search.Stats{}, err
		}
	}
	return search.Stats{Matched: f.times}, f.after()
}

// partsRecorder records an answer, and the largest part in which it came.
type partsRecorder struct {
	*httptest.ResponseRecorder
	largest int
}

func (p *partsRecorder) Write(b []byte) (int, error) {
	p.largest = max(p.largest, len(b))
	return p.ResponseRecorder.Write(b)
}

func (p *partsRecorder) SetWriteDeadline(time.Time) error { return nil }

// ask has the server answer without a connection.
func (p *partsRecorder) ask(t *testing.T, searcher search.Searcher, path string) {
	t.Helper()
	s, err := New(Config{Listen: "127.0.0.1:0", Searcher: searcher, Gatherer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.server.Handler.ServeHTTP(p, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
}

func newPartsRecorder() *partsRecorder {
	return &partsRecorder{ResponseRecorder: httptest.NewRecorder()}
}

// Each octet of a name may take six of JSON, and clients need not read: what is held for
// one must not be many times what counting is bounded to.
func TestLargeAnswersAreSentInPartsAndNotHeld(t *testing.T) {
	const text = 48 << 10
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, held := allocated(), 0
	f := repeating{row: `{"message":"` + strings.Repeat(`\u0001`, text/6) + `","count":1}`, times: 100}
	sent := newPartsRecorder()
	f.after = func() error {
		held = int(allocated()) - int(before) - sent.Body.Cap()
		return nil
	}
	sent.ask(t, f, "/api/v1/top?field=message&n=10000")
	var answer struct {
		Rows  []json.RawMessage
		Stats search.Stats
	}
	if err := json.Unmarshal(sent.Body.Bytes(), &answer); err != nil || len(answer.Rows) != f.times || string(answer.Rows[f.times-1]) != f.row || answer.Stats.Matched != f.times {
		t.Errorf("%d rows, %v, %+v", len(answer.Rows), err, answer.Stats)
	}
	if sent.largest > 4*chunkSize || held > 1<<20 {
		t.Errorf("rows were sent in parts of up to %d octets, and %d KiB of them were held", sent.largest, held>>10)
	}

	f = repeating{row: `{"@timestamp":"2026-01-31T10:20:30Z","message":"` + strings.Repeat("<", text) + `"}`, times: 30, after: func() error { return nil }}
	sent = newPartsRecorder()
	sent.ask(t, f, "/loki/api/v1/query_range?query=%7Bhost%3D%22a%22%7D&limit=1000")
	if !json.Valid(sent.Body.Bytes()) || bytes.Count(sent.Body.Bytes(), []byte(`,["1769854830000000000","`)) != f.times-1 {
		t.Errorf("%.300s", sent.Body)
	}
	if sent.largest > 10*text {
		t.Errorf("lines were sent in parts of up to %d octets", sent.largest)
	}
}

func TestAnAnswerOfRowsThatFailsOnTheWayIsBroken(t *testing.T) {
	f := repeating{row: `{"host":"` + strings.Repeat("x", 1000) + `","count":1}`, times: 1, after: func() error { return errors.New("input/output error") }}
	_, url := start(t, Config{Searcher: &f})
	if status, body, err := get(t, url+"/api/v1/top?field=host"); status != 500 || err != nil || !strings.Contains(body, `{"error":{"message":"input/output error"}}`) {
		t.Error(status, body, err)
	}
	f.times = 100
	if status, body, err := get(t, url+"/api/v1/top?field=host"); status != 200 || err == nil || json.Valid([]byte(body)) {
		t.Errorf("%d, %d octets, %v", status, len(body), err)
	}
}

func TestAnAnswerOfRowsSaysWhatIsLeftOutAndMissing(t *testing.T) {
	f := repeating{row: `{"others":true,"field":"host","count":3}`, times: 2, after: func() error { return &search.IncompleteError{Text: "a block is damaged"} }}
	sent := newPartsRecorder()
	sent.ask(t, f, "/api/v1/fields")
	if got := sent.Body.String(); !strings.HasPrefix(got, `{"rows":[],"others":[{"others":true,"field":"host","count":3},{"others":true,"field":"host","count":3}],"stats":{`) ||
		!strings.HasSuffix(got, `,"incomplete":"a block is damaged"}`+"\n") {
		t.Error(got)
	}
}
