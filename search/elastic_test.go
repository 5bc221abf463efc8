package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// elasticFake is an Elasticsearch that has documents, in the order in which they are asked
// for, with messages of some octets.
type elasticFake struct {
	documents int
	octets    func(i int) int
	sizes     []int        // that were asked for
	sent      atomic.Int64 // octets
}

func (f *elasticFake) Perform(r *http.Request) (*http.Response, error) {
	var asked struct {
		Size  int
		After []int `json:"search_after"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return nil, err
	}
	f.sizes = append(f.sizes, asked.Size)
	from := 0
	if len(asked.After) > 0 {
		from = asked.After[0] + 1
	}
	body, w := io.Pipe()
	go func() {
		io.WriteString(w, `{"took":3,"_shards":{"total":1},"hits":{"max_score":null,"hits":[`)
		comma := ""
		for i := from; i < min(from+asked.Size, f.documents); i++ {
			n, err := fmt.Fprintf(w, `%s{"_index":"x","_source":{"@timestamp":"2026-01-31T10:20:30Z","message":"number %d %s"},"sort":[%d]}`,
				comma, i, strings.Repeat("x", f.octets(i)), i)
			f.sent.Add(int64(n))
			if err != nil {
				return // no more is read
			}
			comma = ","
		}
		io.WriteString(w, `]},"aggregations":{}}`)
		w.Close()
	}()
	return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
}

func TestASearchOfLargeDocumentsHoldsFewOfThem(t *testing.T) {
	allocated := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const large = 8 << 10
	for _, c := range []struct {
		name   string
		octets func(i int) int
		most   int // that may be held
	}{
		{"all are large", func(int) int { return large }, 3 << 20},
		{"some are large", func(i int) int { return large * (i / 200 % 2) }, 3 << 20},
		{"one is very large", func(i int) int { return (2 << 20) * (i / 300) * (300 / max(i, 1)) }, 14 << 20},
	} {
		f := &elasticFake{documents: 600, octets: c.octets}
		x := &Elastic{Client: f, Index: "x", pageOctets: 1 << 20}
		before, n, most := allocated(), 0, uint64(0)
		_, err := x.Search(context.Background(), Request{}, func(doc []byte) error {
			if !strings.Contains(string(doc[:min(len(doc), 99)]), fmt.Sprintf(`"message":"number %d `, n)) {
				return fmt.Errorf("%.99s is number %d", doc, n)
			}
			if n++; n%100 == 1 {
				most = max(most, allocated())
			}
			return nil
		})
		all := 0
		for i := range f.documents {
			all += c.octets(i)
		}
		if err != nil || n != f.documents {
			t.Errorf("%s: %d of %d were found, %v", c.name, n, f.documents, err)
		}
		if held := int(most) - int(before); held > c.most {
			t.Errorf("%s: %d KiB are held", c.name, held>>10)
		}
		if sent := int(f.sent.Load()); sent > all+all/2+1<<20 || len(f.sizes) > 40 {
			t.Errorf("%s: of %d KiB %d were sent, for requests of %v", c.name, all>>10, sent>>10, f.sizes)
		}
	}
}

// answering gives one answer to all.
type answering string

func (a answering) Perform(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

func TestAnAnswerOfElasticsearchThatIsNoneOrBreaksOffIsAnError(t *testing.T) {
	const whole = `{"hits":{"hits":[{"_source":{"message":"number 1"},"sort":[1]}]}}`
	search := func(answer string) (n int, err error) {
		_, err = (&Elastic{Client: answering(answer), Index: "x"}).Search(context.Background(), Request{}, func([]byte) error { n++; return nil })
		return n, err
	}
	if n, err := search(whole); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for i := range whole {
		n, err := search(whole[:i])
		if n != 0 || err == nil || !strings.Contains(err.Error(), "read the answer of Elasticsearch") || i > 0 && errors.Is(err, io.EOF) {
			t.Errorf("%s: %d, %v", whole[:i], n, err)
		}
	}
	for _, answer := range []string{`[]`, `null`, `{"hits":[]}`, `{"hits":{"hits":{}}}`, `{"hits":{"hits":[1]}}`, `<html>`} {
		if n, err := search(answer); n != 0 || err == nil {
			t.Errorf("%s: %d, %v", answer, n, err)
		}
	}
}
