package search

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
	"pgregory.net/rapid"
)

// drawText draws texts whose parts are likely to meet: words that touch, other
// cases and scripts, octets that are no UTF-8.
func drawText(t *rapid.T, label string) string {
	parts := []string{"ab", "AB", "a", "b_", "7", " ", " ", ".", "-", "\"", `\`, "]", "é", "É", "ſ", "K", "ß", "İ",
		"\u0301", "中", "\xff", "\xc3", "\ufffd", "unknown", "10.0.0.1"}
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 8).Draw(t, label), "")
}

func TestNoBlockWithAMatchIsSkipped(t *testing.T) {
	var s skipdata.Summarizer
	matches, skipped := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var run []byte
		var events []*syslog.Event
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			sd := ""
			if rapid.Bool().Draw(t, "sd") {
				value := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(drawText(t, "value"))
				sd = `[x@1 p="` + value + `"]`
			}
			e := event(drawText(t, "host"), drawText(t, "app"), drawText(t, "procid"), drawText(t, "msgid"), sd, drawText(t, "text"))
			e.Severity = syslog.Severity(rapid.IntRange(0, 7).Draw(t, "severity"))
			e.Facility = syslog.Facility(rapid.IntRange(0, 23).Draw(t, "facility"))
			e.Input, e.Identity, e.Path, e.Host = drawText(t, "input"), drawText(t, "identity"), drawText(t, "path"), drawText(t, "machine")
			if rapid.Bool().Draw(t, "peer") {
				e.Source = addrPort(rapid.SampledFrom([]string{"10.0.0.1:514", "[fe80::1]:514"}).Draw(t, "source"))
			}
			if rapid.Bool().Draw(t, "nameless") {
				e.Hostname = syslog.Span{}
			}
			run = syslog.AppendRecord(run, e)
			events = append(events, e)
		}
		data := s.Append(nil, run)
		q, err := Parse(drawQuery(t, 0))
		if err != nil {
			return
		}
		matched := false
		m := q.Matcher()
		for _, e := range events {
			matched = matched || m.Match(e)
		}
		may := q.may(data)
		if matched && !may {
			t.Fatalf("%s matches an event of a block that is skipped", q)
		}
		if matched {
			matches++
		}
		if !may {
			skipped++
			if !q.selective {
				t.Fatalf("%s counts as one that cannot skip", q)
			}
		}
	})
	t.Logf("%d queries matched, %d skipped", matches, skipped)
	if matches == 0 || skipped == 0 {
		t.Error("nothing was tested")
	}
}

// drawQuery draws a query that may be wrong.
func drawQuery(t *rapid.T, depth int) string {
	value := func() string {
		text := drawText(t, "value")
		if rapid.Bool().Draw(t, "quoted") {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
		}
		text = strings.NewReplacer(" ", "", `"`, "", "(", "", ")", "").Replace(text)
		return rapid.SampledFrom([]string{"", "*"}).Draw(t, "before") + text + rapid.SampledFrom([]string{"", "*"}).Draw(t, "after")
	}
	switch rapid.IntRange(0, 9).Draw(t, "term") {
	case 0:
		if depth < 3 {
			return "(" + drawQuery(t, depth+1) + rapid.SampledFrom([]string{" ", " or "}).Draw(t, "op") + drawQuery(t, depth+1) + ")"
		}
	case 1:
		if depth < 3 {
			return "not " + drawQuery(t, depth+1)
		}
	case 2:
		return "severity" + rapid.SampledFrom([]string{":", "<", "<=", ">", ">="}).Draw(t, "op") + fmt.Sprint(rapid.IntRange(0, 7).Draw(t, "number"))
	case 3:
		return fmt.Sprint("facility:", rapid.IntRange(0, 23).Draw(t, "number"))
	case 4, 5, 6:
		return rapid.SampledFrom([]string{"host", "app", "procid", "msgid", "message", "input", "identity", "path",
			"sd.x@1.p", "source", "id", "tags", "format"}).Draw(t, "field") + ":" + value()
	}
	return value()
}

func TestSkipDataChangeNoResultAndSaveReading(t *testing.T) {
	open := func(recompress spool.Recompress) *Local {
		l, err := spool.Open(spool.Config{
			Dir: t.TempDir(), SegmentSize: 32 << 10, BlockSize: 4 << 10, KeepDelivered: true, Sync: spool.SyncOS, MinFree: -1,
			Codec: spool.CodecNone, Recompress: recompress, Summarize: new(skipdata.Summarizer).Append,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		for i := range 3000 {
			e := event(fmt.Sprintf("web%d", i/500), "sshd", fmt.Sprint(i), "", "", fmt.Sprintf("session %d closed, number%d", i%17, i))
			e.Timestamp, e.ID[15] = int64(i+1), byte(i)
			if i == 1234 {
				e.Severity = syslog.Emergency
			}
			b := spool.Batch{Records: syslog.AppendRecord(nil, e), Count: 1, MinTime: e.Timestamp, MaxTime: e.Timestamp}
			if _, err := l.Append(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		for recompress != spool.RecompressNever {
			st := l.Stats()
			if st.IndexedSegments == uint64(st.Segments-1) && st.Segments > 5 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		return NewLocal(l.View())
	}
	plain, skipping := open(spool.RecompressNever), open(spool.RecompressArchive)
	f := func(query string, most int) {
		t.Helper()
		for _, order := range []Order{NewestFirst, OldestFirst} {
			for _, limit := range []int{0, 3} {
				r := Request{Query: query, Limit: limit, Order: order}
				want, _, err := documents(plain, r)
				if err != nil {
					t.Fatal(err)
				}
				got, stats, err := documents(skipping, r)
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %d results, %d without skip data", query, len(got), len(want))
				}
				if stats.BlocksRead > most+maxWorkers || stats.BlocksRead > most && limit == 0 || stats.Blocks != stats.BlocksSkipped+stats.BlocksRead && limit == 0 {
					t.Errorf("%s: %+v", query, stats)
				}
			}
		}
	}
	segments, err := skipping.view.Segments()
	if err != nil {
		t.Fatal(err)
	}
	unsealed, err := skipping.view.Blocks(nil, segments[0])
	if err != nil {
		t.Fatal(err)
	}
	const all = 1 << 20
	newest := len(unsealed) // blocks of the segment that is not full have no skip data
	f("", all)
	f("nowhere", newest)
	f("number1234", newest+2)
	f("number1234 or number17", newest+4)
	f("severity:emerg", newest+1)
	f("facility:kern", newest)
	f("not number1234", all)
	f("closed host:web3", all)
	f(`"session 3 closed"`, all)
	f("numb*", all)
	f("procid:99", newest+2)
}

func documents(s Searcher, r Request) ([]string, Stats, error) {
	var out []string
	stats, err := s.Search(context.Background(), r, func(doc []byte) error {
		out = append(out, string(doc))
		return nil
	})
	return out, stats, err
}
