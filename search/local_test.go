package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// writeLog appends batches of 10 numbered events, a second apart, to a new log in
// small segments and returns it.
func writeLog(t *testing.T, dir string, batches int) *spool.Log {
	t.Helper()
	l, err := spool.Open(spool.Config{Dir: dir, SegmentSize: 8 << 10, KeepDelivered: true, Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for i := range batches {
		appendBatch(t, l, i)
	}
	return l
}

func appendBatch(t *testing.T, l *spool.Log, batch int) {
	t.Helper()
	var b spool.Batch
	for j := range 10 {
		n := batch*10 + j
		e := event("web1", "app", "", "", "", fmt.Sprintf("number %d of parity %d", n, n%2))
		e.Timestamp = int64(n) * int64(time.Second)
		e.ID[15] = byte(n)
		if j == 0 {
			b.MinTime = e.Timestamp
		}
		b.MaxTime = e.Timestamp
		b.Records = syslog.AppendRecord(b.Records, e)
		b.Count++
	}
	if _, err := l.Append(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

// numbers searches and returns the numbers in the messages.
func numbers(s Searcher, r Request) ([]string, Stats, error) {
	var out []string
	stats, err := s.Search(context.Background(), r, func(doc []byte) error {
		var d struct{ Message string }
		if err := json.Unmarshal(doc, &d); err != nil {
			return fmt.Errorf("%s: %w", doc, err)
		}
		out = append(out, strings.Fields(d.Message)[1])
		return nil
	})
	return out, stats, err
}

func TestLogIsSearchedBesideItsWriter(t *testing.T) {
	dir := t.TempDir()
	l := writeLog(t, dir, 50)
	beside, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*Local{"of the process": NewLocal(l.View()), "beside it": beside} {
		got, _, err := numbers(s, Request{Query: "parity", Limit: 3})
		if err != nil || fmt.Sprint(got) != "[499 498 497]" {
			t.Errorf("%s: %v %v", name, got, err)
		}
		got, stats, err := numbers(s, Request{Query: "1", Order: OldestFirst, Since: time.Unix(100, 0), Until: time.Unix(106, 0)})
		if err != nil || fmt.Sprint(got) != "[101 103 105]" || stats.BlocksRead > 2 {
			t.Errorf("%s: %v %+v %v", name, got, stats, err)
		}
		got, _, err = numbers(s, Request{})
		if err != nil || len(got) != 500 || got[0] != "499" || got[499] != "0" {
			t.Errorf("%s: %d results, %v", name, len(got), err)
		}
	}
	appendBatch(t, l, 50)
	got, _, err := numbers(beside, Request{Limit: 1})
	if err != nil || fmt.Sprint(got) != "[509]" {
		t.Errorf("what was appended since: %v %v", got, err)
	}
	if _, _, err := numbers(beside, Request{Query: "hst:x"}); !errors.As(err, new(*SyntaxError)) {
		t.Error(err)
	}
}

func TestASearchEndsWithinABlockThatTakesLong(t *testing.T) {
	dir := t.TempDir()
	l, err := spool.Open(spool.Config{Dir: dir, KeepDelivered: true, Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var b spool.Batch
	for range 1000 {
		b.Records = syslog.AppendRecord(b.Records, event("web1", "app", "", "", "", strings.Repeat("x", 1000)))
		b.Count++
	}
	if _, err := l.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	// It would take minutes.
	const query = `/` + `(?:\w?){1000}(?:\w?){1000}` + `[\x{10FFFE}\x{10FFFF}]/`
	for _, query := range []string{query, query + ` | count by host`} {
		ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errors.New("no patience"))
		started := time.Now()
		stats, err := NewLocal(l.View()).Search(ctx, Request{Query: query}, func([]byte) error { return nil })
		cancel()
		if err == nil || err.Error() != "no patience" || stats.BlocksRead > 1 {
			t.Errorf("%s: %v, %+v", query, err, stats)
		}
		if took := time.Since(started); took > 10*time.Second {
			t.Errorf("%s: it took %v", query, took)
		}
	}
}

func TestIndexOfSegmentsIsKeptAndForgotten(t *testing.T) {
	dir := t.TempDir()
	writeLog(t, dir, 50)
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	if _, _, err := numbers(s, Request{}); err != nil {
		t.Fatal(err)
	}
	kept, blocks := len(s.segments), s.indexed
	if kept < 2 || blocks < kept {
		t.Fatalf("%d segments with %d blocks are kept; the files are %v", kept, blocks, files)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	got, stats, err := numbers(s, Request{Order: OldestFirst})
	if err != nil || len(got) == 0 || got[0] == "0" {
		t.Errorf("%d results %+v %v", len(got), stats, err)
	}
	if len(s.segments) != kept-1 || s.indexed >= blocks {
		t.Errorf("%d segments with %d blocks are kept", len(s.segments), s.indexed)
	}
}

func TestDamageInTheLogMakesResultsIncomplete(t *testing.T) {
	dir := t.TempDir()
	l := writeLog(t, dir, 50)
	l.Close()
	files, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	data, err := os.ReadFile(files[1])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0xff
	if err := os.WriteFile(files[1], data, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, stats, err := numbers(s, Request{})
	var incomplete *IncompleteError
	if !errors.As(err, &incomplete) || stats.DamagedBlocks != 1 {
		t.Errorf("%+v %v", stats, err)
	}
	if len(got) >= 500 || len(got) < 400 {
		t.Errorf("%d results", len(got))
	}
}

func TestProcessorsThatComeAndGoChangeNoResult(t *testing.T) {
	s := NewLocal(writeLog(t, t.TempDir(), 50).View())
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for from := 1; from <= maxWorkers; from++ {
		for to := 1; to <= maxWorkers; to++ {
			for _, order := range []Order{NewestFirst, OldestFirst} {
				runtime.GOMAXPROCS(from)
				n := 0
				_, err := s.Search(t.Context(), Request{Order: order}, func(doc []byte) error {
					var d struct{ Message string }
					if err := json.Unmarshal(doc, &d); err != nil {
						return fmt.Errorf("%s: %w", doc, err)
					}
					want := n
					if order == NewestFirst {
						want = 499 - n
					}
					if !strings.HasPrefix(d.Message, fmt.Sprintf("number %d of", want)) {
						return fmt.Errorf("result %d is %q", n, d.Message)
					}
					if n++; n%70 == 0 { // as when the quota of a container changes
						runtime.GOMAXPROCS([]int{to, from}[n/70%2])
					}
					return nil
				})
				if err != nil || n != 500 {
					t.Fatalf("from %d to %d: %d results, %v", from, to, n, err)
				}
			}
		}
	}
}

// Whatever is missing between two segments: the end of the first, or one that stood
// there.
func TestWhatIsMissingBetweenSegmentsMakesResultsIncomplete(t *testing.T) {
	for name, row := range map[string]struct {
		harm     func(t *testing.T, path string, last spool.BlockInfo)
		complete bool // beside the process, for whom it is retention
		segment  int
	}{
		"cut": {segment: 2, harm: func(t *testing.T, path string, last spool.BlockInfo) {
			if err := os.Truncate(path, size(t, path)-last.Octets-1); err != nil {
				t.Fatal(err)
			}
		}},
		"last header": {segment: 2, harm: func(t *testing.T, path string, last spool.BlockInfo) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[int64(len(data))-last.Octets+30] ^= 1
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		"removed": {segment: 2, harm: func(t *testing.T, path string, _ spool.BlockInfo) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}},
		"the oldest removed": {complete: true, harm: func(t *testing.T, path string, _ spool.BlockInfo) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		for _, known := range []bool{false, true} {
			for _, live := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, known %v, live %v", name, known, live), func(t *testing.T) {
					dir := t.TempDir()
					l, err := spool.Open(spool.Config{Dir: dir, SegmentSize: 8 << 10, KeepDelivered: true, Sync: spool.SyncOS, Recompress: spool.RecompressNever})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { l.Close() })
					for i := range 100 {
						appendBatch(t, l, i)
					}
					s := NewLocal(l.View())
					if !live {
						if s, err = Open(dir); err != nil {
							t.Fatal(err)
						}
					}
					segments, err := s.view.Segments()
					if err != nil || len(segments) < 5 {
						t.Fatalf("%d segments, %v", len(segments), err)
					}
					if known {
						if got, _, err := numbers(s, Request{}); err != nil || len(got) != 1000 {
							t.Fatalf("%d results, %v", len(got), err)
						}
					}
					files, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
					blocks, err := s.view.Blocks(nil, segments[len(segments)-1-row.segment])
					if err != nil {
						t.Fatal(err)
					}
					row.harm(t, files[row.segment], blocks[len(blocks)-1])
					complete := row.complete && !live
					for range 2 {
						got, stats, err := numbers(s, Request{})
						if IsIncomplete(err) == complete || complete && err != nil || (stats.DamagedBlocks == 0) != complete || len(got) == 0 || len(got) >= 1000 {
							t.Fatalf("%d results, %+v, %v", len(got), stats, err)
						}
					}
				})
			}
		}
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// Segments are started, rewritten and deleted while they are searched.
func TestALogThatIsWrittenAndDeletedIsSearchedCompletely(t *testing.T) {
	dir := t.TempDir()
	l, err := spool.Open(spool.Config{Dir: dir, SegmentSize: 4 << 10, MaxSize: 64 << 10, BlockSize: 1 << 10, KeepDelivered: true,
		Sync: spool.SyncOS, MinFree: -1, Codec: spool.CodecNone, CursorInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	appendBatch(t, l, 0)
	live := NewLocal(l.View())
	beside, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	written, searched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(searched)
		for {
			for name, s := range map[string]*Local{"of the process": live, "beside it": beside} {
				stats, err := s.Search(context.Background(), Request{Query: "parity | count"}, func([]byte) error { return nil })
				if err != nil {
					t.Errorf("%s: %+v, %v", name, stats, err)
				}
			}
			select {
			case <-written:
				return
			default:
			}
		}
	}()
	for i := 1; i < 2000 || l.Stats().RewrittenSegments == 0 && !t.Failed(); i++ {
		if i >= 2000 {
			time.Sleep(10 * time.Millisecond) // a segment is to live until it is rewritten
		}
		appendBatch(t, l, i)
	}
	close(written)
	<-searched
	if st := l.Stats(); st.DeletedSegments == 0 {
		t.Errorf("%+v", st)
	}
}
