package elasticsearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const exampleAnswer = `{ "took" : 30, "ingest_took": 1.5e-3, "errors" : true, "items" : [
 {"create":{"_index":".ds-logs-syslog-default-2026.08.07-000001","_id":"1","_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":0,"status":201}},
 {"create":{"_id":"2","status":409,"error":{"type":"version_conflict_engine_exception","reason":"[2]: version conflict","index_uuid":"x","shard":"0","index":"i"}}},
 {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"[1:5] failed to parse field [a] of type [long]: \"\u00e9\\\/\b\f\n\r\t\"","caused_by":{"type":"illegal_argument_exception","reason":"For input string","caused_by":{"type":"number_format_exception","reason":"innermost"}}},"failure_store":"not_enabled"}},
 {"create":{"error":"a word","status":503}},
 {"index":{"status":200,"failure_store":"used","error":null}}
] , "later": [{}, [], null, true, {"a":{"b":[-1.5E+3]}}]}
`

type readItem struct {
	status       int
	text         string
	failureStore bool
}

func readAnswer(a *answerReader, r io.Reader, want int) (items []readItem, err error) {
	err = a.read(r, want, func(i int, it *itemAnswer) {
		if i != len(items) {
			panic("items out of order")
		}
		items = append(items, readItem{it.status, it.describe(), it.failureStore})
	})
	return items, err
}

func TestAnswerIsReadItemByItemHoweverItArrives(t *testing.T) {
	want := []readItem{
		{201, "status 201 without a reason", false},
		{409, "version_conflict_engine_exception: [2]: version conflict", false},
		{400, "document_parsing_exception: [1:5] failed to parse field [a] of type [long]: \"é\\/\b\f\n\r\t\": number_format_exception: innermost", false},
		{503, "a word", false},
		{200, "status 200 without a reason", true},
	}
	var a answerReader
	for name, r := range map[string]io.Reader{
		"whole":       strings.NewReader(exampleAnswer),
		"octets":      iotest.OneByteReader(strings.NewReader(exampleAnswer)),
		"end as data": iotest.DataErrReader(strings.NewReader(exampleAnswer)),
	} {
		got, err := readAnswer(&a, r, 5)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v\n got %v\nwant %v", name, err, got, want)
		}
	}
}

func TestAnswerThatIsNotWholeSaysNothing(t *testing.T) {
	var a answerReader
	for end := range len(strings.TrimSpace(exampleAnswer)) {
		if _, err := readAnswer(&a, strings.NewReader(exampleAnswer[:end]), 5); !errors.Is(err, errAnswer) {
			t.Fatalf("cut after %d octets: %v", end, err)
		}
	}
	f := func(answer string, want int, say string) {
		t.Helper()
		if _, err := readAnswer(&a, strings.NewReader(answer), want); !errors.Is(err, errAnswer) || !strings.Contains(err.Error(), say) {
			t.Errorf("%.60s: %v, want %q", answer, err, say)
		}
	}
	f(exampleAnswer, 4, "5 items for 4 documents")
	f(exampleAnswer, 6, "5 items for 6 documents")
	f(exampleAnswer+"x", 5, `unexpected "x"`)
	f(`{}`, 0, "no items")
	f(`{"items":{}}`, 0, "unexpected")
	f(`{"items":[{}]}`, 1, "no status")
	f(`{"items":[{"create":{"status":201},"x":{"status":201}}]}`, 1, "no status")
	f(`{"items":[{"create":{"status":"201"}}]}`, 1, "unexpected")
	f(`{"items":[{"create":{"status":20}}]}`, 1, "no status")
	f(`{"items":[{"create":{"status":2010000000000}}]}`, 1, "unexpected")
	f(`{"items":[{"create":{"status":201}},]}`, 1, "unexpected")
	f(`{"items":[,{"create":{"status":201}}]}`, 1, "unexpected")
	f("{\"items\":[{\"cre\nate\":{\"status\":201}}]}", 1, "unexpected")
	f(`{"items":[{"cr\xate":{"status":201}}]}`, 1, "unexpected")
	f(`{"items":[{"create":{"status":201}}],"deep":`+strings.Repeat("[", 1_000_000), 1, "nest")
	f(`<html>`, 1, `unexpected "<html>"`)
	f(``, 1, "unexpected EOF")
	reset := errors.New("connection reset")
	if _, err := readAnswer(&a, io.MultiReader(strings.NewReader(exampleAnswer[:300]), iotest.ErrReader(reset)), 5); !errors.Is(err, reset) || !errors.Is(err, errAnswer) {
		t.Errorf("broken connection: %v", err)
	}
	if _, err := readAnswer(&a, stuck{}, 5); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("stuck reader: %v", err)
	}
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestLongReasonIsCut(t *testing.T) {
	var a answerReader
	answer := `{"items":[{"create":{"status":400,"error":{"type":"t","reason":"` + strings.Repeat("é", 100_000) + `"}}}]}`
	items, err := readAnswer(&a, strings.NewReader(answer), 1)
	if err != nil || len(items[0].text) > maxReason+3 || !strings.HasPrefix(items[0].text, "t: éé") {
		t.Errorf("%v, %d octets", err, len(items[0].text))
	}
}

func answerOf(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"errors":false,"items":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"create":{"status":201}}`)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func TestReadingAnAnswerDoesNotAllocate(t *testing.T) {
	answer := answerOf(1000)
	var a answerReader
	r := bytes.NewReader(nil)
	created := 0
	allocs := testing.AllocsPerRun(20, func() {
		r.Reset(answer)
		if err := a.read(r, 1000, func(_ int, it *itemAnswer) { created += it.status }); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 5 {
		t.Errorf("%v allocations for 1000 items", allocs)
	}
}

// FuzzAnswer holds the reader against encoding/json.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(exampleAnswer), 5)
	f.Add(answerOf(3), 3)
	f.Add([]byte(`{"items":[{"create":{"status":201,"status":400}}],"items":[]}`), 1)
	f.Add([]byte(`{"errors":false,"items":[{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","caused_by":"x"}}}]}`), 1)
	f.Fuzz(func(t *testing.T, answer []byte, want int) {
		want = min(want, 1000)
		var a answerReader
		got, err := readAnswer(&a, iotest.HalfReader(bytes.NewReader(answer)), want)
		if err == nil && len(got) != want {
			t.Fatalf("%d items of %d and no error", len(got), want)
		}
		for _, it := range got {
			if err == nil && (it.status < 100 || it.status > 599) {
				t.Fatalf("status %d", it.status)
			}
		}
		if !json.Valid(answer) {
			return
		}
		// Of JSON that a server may send both must understand the same.
		var oracle struct {
			Items []map[string]struct{ Status int }
		}
		if json.Unmarshal(answer, &oracle) != nil || bytes.Contains(bytes.ToLower(answer), []byte("status\\")) {
			return
		}
		if err != nil || oracle.Items == nil || bytes.Count(bytes.ToLower(answer), []byte(`"items"`)) != 1 ||
			bytes.Count(bytes.ToLower(answer), []byte(`"status"`)) != len(got) || bytes.Contains(answer, []byte(`\u`)) ||
			!bytes.Contains(answer, []byte(`"items"`)) || bytes.Count(answer, []byte(`"status"`)) != len(got) {
			return
		}
		if len(oracle.Items) != len(got) {
			t.Fatalf("%d items, encoding/json finds %d", len(got), len(oracle.Items))
		}
		for i, it := range oracle.Items {
			for _, v := range it {
				if v.Status != 0 && v.Status != got[i].status {
					t.Fatalf("item %d has status %d, encoding/json finds %d", i, got[i].status, v.Status)
				}
			}
		}
	})
}

func BenchmarkAnswer(b *testing.B) {
	answer := answerOf(5000)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(answer)))
		b.ReportAllocs()
		var a answerReader
		r := bytes.NewReader(nil)
		for b.Loop() {
			r.Reset(answer)
			if err := a.read(r, 5000, func(int, *itemAnswer) {}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(answer)))
		b.ReportAllocs()
		for b.Loop() {
			var v struct {
				Items []struct{ Create struct{ Status int } }
			}
			if err := json.Unmarshal(answer, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}
