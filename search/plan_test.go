package search

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
	"pgregory.net/rapid"
)

// memoryLog is a log of blocks in memory.
type memoryLog struct {
	infos []blockInfo
	runs  [][]byte
	fail  map[uint64]error // by first position
	next  uint64
	reads atomic.Int32
}

// add appends a block of events at the given times; their texts are "even" or
// "odd" by the position.
func (m *memoryLog) add(times ...int64) {
	info := blockInfo{BlockInfo: spool.BlockInfo{First: m.next + 1, Count: len(times), MinTime: slices.Min(times), MaxTime: slices.Max(times)}}
	var run []byte
	for _, at := range times {
		m.next++
		parity := []string{"even", "odd"}[m.next%2]
		e := event("h", "a", "", "", "", fmt.Sprintf("%s number %d", parity, m.next))
		e.Timestamp = at
		run = syslog.AppendRecord(run, e)
	}
	m.infos, m.runs = append(m.infos, info), append(m.runs, run)
}

func (m *memoryLog) blocks(_ context.Context, since, until int64, f func(blockInfo)) (int, error) {
	for _, b := range m.infos {
		if b.MaxTime >= since && b.MinTime <= until {
			f(b)
		}
	}
	return 0, nil
}

func (m *memoryLog) reader() reader { return &memoryReader{memoryLog: m} }

type memoryReader struct {
	*memoryLog
	buf []byte
}

func (m *memoryReader) close() {}

func (m *memoryReader) read(b blockInfo) ([]byte, error) {
	m.reads.Add(1)
	if err := m.fail[b.First]; err != nil {
		return nil, err
	}
	for i, info := range m.infos {
		if info.First == b.First {
			m.buf = append(m.buf[:0], m.runs[i]...) // shows use behind the next read
			return m.buf, nil
		}
	}
	return nil, errors.New("no such block")
}

// find runs a request and returns "time/position" of each result.
func find(l log, r Request, maxHeld int) ([]string, Stats, error) {
	q, err := Parse(r.Query)
	if err != nil {
		return nil, Stats{}, err
	}
	s, err := newScan(l, q, r)
	if err != nil {
		return nil, Stats{}, err
	}
	s.maxHeld = maxHeld
	var out []string
	err = s.run(context.Background(), func(e *syslog.Event) error {
		text := string(e.Field(e.Text))
		out = append(out, fmt.Sprintf("%d/%s", e.TimeNano(), text[strings.LastIndexByte(text, ' ')+1:]))
		return nil
	})
	return out, s.stats, err
}

func TestResultsEqualThoseOfANaiveScanInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &memoryLog{}
		type row struct {
			time int64
			pos  uint64
		}
		var rows []row
		for range rapid.IntRange(0, 12).Draw(t, "blocks") {
			base := rapid.Int64Range(0, 100).Draw(t, "base")
			spread := rapid.Int64Range(0, 60).Draw(t, "spread")
			times := rapid.SliceOfN(rapid.Int64Range(base, base+spread), 1, 10).Draw(t, "times")
			for i, at := range times {
				rows = append(rows, row{at, l.next + uint64(i) + 1})
			}
			l.add(times...)
		}
		r := Request{
			Query: rapid.SampledFrom([]string{"", "odd", "not odd", "nothing", "odd or even"}).Draw(t, "query"),
			Limit: rapid.IntRange(0, 20).Draw(t, "limit"),
			Order: rapid.SampledFrom([]Order{"", NewestFirst, OldestFirst}).Draw(t, "order"),
		}
		since, until := int64(-1), int64(1000)
		if rapid.Bool().Draw(t, "bounded") {
			since = rapid.Int64Range(0, 160).Draw(t, "since")
			until = rapid.Int64Range(0, 160).Draw(t, "until")
			r.Since, r.Until = time.Unix(0, since), time.Unix(0, until)
		}
		slices.SortFunc(rows, func(a, b row) int {
			k := key{b.time, b.pos}.compare(key{a.time, a.pos})
			if r.Order == OldestFirst {
				k = -k
			}
			return k
		})
		want := []string{}
		for _, row := range rows {
			odd := row.pos%2 == 1
			ok := map[string]bool{"": true, "odd": odd, "not odd": !odd, "odd or even": true}[r.Query]
			if ok && row.time >= since && row.time < until && (r.Limit == 0 || len(want) < r.Limit) {
				want = append(want, fmt.Sprintf("%d/%d", row.time, row.pos))
			}
		}
		// A bound of a few events makes blocks be read again.
		maxHeld := rapid.SampledFrom([]int{1, 500, 2000, maxHeld}).Draw(t, "held")
		got, _, err := find(l, r, maxHeld)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v held %d:\ngot  %v\nwant %v", r, maxHeld, got, want)
		}
	})
}

func TestSearchStopsAsSoonAsNoEarlierResultCanCome(t *testing.T) {
	l := &memoryLog{}
	for i := range int64(100) {
		l.add(i*10, i*10+5, i*10+12) // each block overlaps with the next
	}
	got, stats, err := find(l, Request{Limit: 3}, maxHeld)
	if err != nil || fmt.Sprint(got) != "[1002/300 995/299 992/297]" {
		t.Fatal(got, err)
	}
	if stats.BlocksRead > 3+maxWorkers || stats.Blocks != 100 {
		t.Errorf("%+v", stats)
	}
	_, stats, err = find(l, Request{Since: time.Unix(0, 500), Until: time.Unix(0, 505)}, maxHeld)
	if err != nil || stats.BlocksRead != 2 {
		t.Errorf("%+v %v", stats, err)
	}
}

func TestDamageIsPassedOverAndCounted(t *testing.T) {
	l := &memoryLog{fail: map[uint64]error{}}
	l.add(1, 2)
	l.add(3, 4)
	l.add(5, 6)
	l.add(7)
	l.fail[3] = fmt.Errorf("block: %w", errDamaged)
	l.fail[7] = fmt.Errorf("block: %w", errRemoved)
	l.runs[2][5] ^= 0xff                      // another version of one event
	l.runs[0] = l.runs[0][:len(l.runs[0])-10] // and half an event
	l.runs[2][2] = 77
	got, stats, err := find(l, Request{}, maxHeld)
	if err != nil || fmt.Sprint(got) != "[6/6 1/1]" {
		t.Fatal(got, err)
	}
	if stats.DamagedBlocks != 2 || stats.UnreadableEvents != 1 || stats.RemovedBlocks != 1 {
		t.Errorf("%+v", stats)
	}
	broken := errors.New("input/output error")
	l.fail[3] = broken
	if _, _, err := find(l, Request{}, maxHeld); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestCancelledSearchEnds(t *testing.T) {
	l := &memoryLog{}
	for i := range int64(100) {
		l.add(i)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("the client left")
	q, _ := Parse("")
	s, _ := newScan(l, q, Request{})
	n := 0
	err := s.run(ctx, func(*syslog.Event) error {
		if n++; n == 3 {
			cancel(why)
		}
		return nil
	})
	if !errors.Is(err, why) || l.reads.Load() > 8 {
		t.Error(err, l.reads.Load())
	}
}

func TestRequestsThatMakeNoSenseAreRefused(t *testing.T) {
	if _, _, err := find(&memoryLog{}, Request{Limit: -1}, 1); err == nil {
		t.Error("a negative limit was taken")
	}
	if _, _, err := find(&memoryLog{}, Request{Order: "upside-down"}, 1); err == nil {
		t.Error("an unknown order was taken")
	}
}

// benchLog has blocks of 256 KiB of messages like those of sshd, cron and kernel.
func benchLog(n int) *memoryLog {
	l := &memoryLog{}
	r := rand.New(rand.NewPCG(1, 2))
	var run []byte
	info := blockInfo{BlockInfo: spool.BlockInfo{First: 1, MinTime: 1}}
	flush := func(at int64) {
		info.MaxTime = at
		l.infos, l.runs = append(l.infos, info), append(l.runs, run)
		info = blockInfo{BlockInfo: spool.BlockInfo{First: l.next + 1, MinTime: at}}
		run = nil
	}
	for i := range n {
		text := []string{"Failed password for invalid user admin from 10.0.0.1 port 4242 ssh2",
			"(root) CMD (test -x /usr/sbin/anacron || run-parts /etc/cron.daily)",
			"Connection closed by authenticating user root 192.168.17.4 port 51234 [preauth]",
			"usb 1-1: new high-speed USB device number 7 using xhci_hcd"}[r.IntN(4)]
		if i == n/3 {
			text = "the needle is here"
		}
		e := event(fmt.Sprintf("web%d", r.IntN(50)), "sshd", fmt.Sprint(r.IntN(30000)), "", "", text)
		e.Timestamp = int64(i + 1)
		e.Source, e.Input = addrPort("10.9.8.7:514"), "tcp"
		l.next++
		run = syslog.AppendRecord(run, e)
		if info.Count++; len(run) >= 256<<10 {
			flush(int64(i + 1))
		}
	}
	if len(run) > 0 {
		flush(int64(n))
	}
	return l
}

func BenchmarkScan(b *testing.B) {
	l := benchLog(200_000)
	size := 0
	for _, run := range l.runs {
		size += len(run)
	}
	f := func(name, query string, limit int) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := benchFind(l, Request{Query: query, Limit: limit}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(200_000*float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
	f("absent word", "nowhere", 0)
	f("rare word", "needle", 0)
	f("common word, all", "failed", 0)
	f("common word, first 100", "failed", 100)
	f("field without literal", "severity<=alert", 0)
	f("word and fields", "password host:web1 -root", 0)
	f("or", "nowhere or nothing", 0)
	f("everything", "", 0)
}

func benchFind(l log, r Request) (int, Stats, error) {
	q, err := Parse(r.Query)
	if err != nil {
		return 0, Stats{}, err
	}
	s, err := newScan(l, q, r)
	if err != nil {
		return 0, Stats{}, err
	}
	n := 0
	err = s.run(context.Background(), func(*syslog.Event) error { n++; return nil })
	return n, s.stats, err
}
