package search

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/syslane/syslane/spool"
)

// counted is an Elasticsearch that has so many events, all of one host.
type counted uint64

func (n counted) Perform(*http.Request) (*http.Response, error) {
	answer := fmt.Sprintf(`{"hits":{"total":{"value":%d}},"aggregations":{"groups":{"buckets":[{"key":{"by0":"web1"},"doc_count":%[1]d}]}}}`, n)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(answer))}, nil
}

// Events that are older than the log and were delivered before their turn are in
// Elasticsearch, and events between them are not.
func TestWhatElasticsearchHasBeyondAGapIsCountedOnce(t *testing.T) {
	l := writeLog(t, t.TempDir(), 50) // of 1970: older than the log
	c, err := l.Cursor("es", spool.FromTail)
	if err != nil {
		t.Fatal(err)
	}
	delivered := 0
	m := &Merged{Local: NewLocal(l.View()), Undelivered: c.Remaining}
	for _, span := range []spool.Span{{From: 1, To: 1}, {From: 1, To: 15}, {From: 21, To: 31}, {From: 88, To: 93}, {From: 301, To: 470}, {From: 15, To: 21}} {
		if err := c.CommitSpan(span.From, span.To, spool.Counts{Delivered: span.To - span.From}); err != nil {
			t.Fatal(err)
		}
		delivered += int(span.To - span.From)
		m.Elastic = &Elastic{Client: counted(delivered)}
		for query, want := range map[string]string{
			"| count":         `{"count":500}`,
			"| count by host": `{"host":"web1","count":500}`,
		} {
			var got []string
			_, err := m.Search(context.Background(), Request{Query: query}, func(doc []byte) error { got = append(got, string(doc)); return nil })
			if err != nil || !slices.Equal(got, []string{want}) {
				t.Errorf("%d delivered, the cursor at %d and %v: %s: %s, %v", delivered, c.Position(), c.Ahead(), query, got, err)
			}
		}
	}
}
