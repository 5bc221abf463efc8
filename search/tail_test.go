package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/spool"
)

// past returns the messages that a tail starts with.
func past(t *testing.T, l *Local, r TailRequest) (messages []string) {
	t.Helper()
	end := errors.New("the past has ended")
	err := l.Tail(context.Background(), r, func(item TailItem) error {
		if item.Event == nil {
			return end
		}
		var d struct{ Message string }
		if err := json.Unmarshal(item.Event, &d); err != nil {
			return err
		}
		messages = append(messages, d.Message)
		return nil
	})
	if !errors.Is(err, end) {
		t.Fatal(err)
	}
	return messages
}

func TestATailFollowsThoughThePastIsNotFoundInTime(t *testing.T) {
	log, err := spool.Open(spool.Config{Dir: t.TempDir(), Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	put := func(text string) {
		e := event("web1", "app", "", "", "", text)
		if _, err := log.Append(context.Background(), spool.Batch{Records: syslog.AppendRecord(nil, e), Count: 1}); err != nil {
			t.Fatal(err)
		}
	}
	put("before")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	incomplete, texts := false, ""
	err = NewLocal(log.View()).Tail(ctx, TailRequest{Last: 10, Patience: 1}, func(item TailItem) error {
		if item.Incomplete {
			incomplete = true
			put("after")
		}
		if texts += string(item.Event); strings.Contains(texts, "after") {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || !incomplete || strings.Contains(texts, "before") {
		t.Errorf("Tail returned %v, said that the past is incomplete: %v, and gave %s", err, incomplete, texts)
	}
}

// The times go to and fro, and many are the same.
func TestATailStartsWithTheNewestOfThePastInTheOrderOfTime(t *testing.T) {
	log, err := spool.Open(spool.Config{Dir: t.TempDir(), SegmentSize: 8 << 10, KeepDelivered: true, Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	type sent struct {
		time int64
		text string
	}
	var all []sent
	for i := range 100 {
		text := fmt.Sprintf("number %d of parity %d", i, i%2)
		e := event("web1", "app", "", "", "", text)
		e.Timestamp = int64(i*7919%13) * int64(time.Second)
		b := spool.Batch{Records: syslog.AppendRecord(nil, e), Count: 1, MinTime: e.Timestamp, MaxTime: e.Timestamp}
		if _, err := log.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		all = append(all, sent{e.Timestamp, text})
	}
	slices.SortStableFunc(all, func(a, b sent) int { return int(a.time - b.time) })
	l := NewLocal(log.View())
	for _, query := range []string{"", `message:"parity 1"`, `"parity 1" | fields message, @timestamp`, "nowhere"} {
		var want []string
		for _, s := range all {
			if query == "" || strings.Contains(query, "parity") && strings.HasSuffix(s.text, "parity 1") {
				want = append(want, s.text)
			}
		}
		for _, last := range []int{1, 7, 8, 100, 10_000} {
			want := want[max(0, len(want)-last):]
			for _, l.maxPast = range []int{maxPast, 2000} { // of some it is too much to be kept
				if got := past(t, l, TailRequest{Query: query, Last: last}); !slices.Equal(got, want) {
					t.Errorf("%q, last %d, %d octets kept: %q, want %q", query, last, l.maxPast, got, want)
				}
			}
		}
	}
}

// A query that finds less than is wanted has all of the log read.
func TestThePastOfATailIsReadOnceWhereItIsSmall(t *testing.T) {
	disk := vfs.NewMem()
	log, err := spool.Open(spool.Config{Dir: "/log", FS: disk, KeepDelivered: true, Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for i := range 300 {
		e := event("web1", "app", "", "", "", fmt.Sprintf("number %d", i))
		e.Timestamp = int64(i) * int64(time.Second)
		b := spool.Batch{Records: syslog.AppendRecord(nil, e), Count: 1, MinTime: e.Timestamp, MaxTime: e.Timestamp}
		if _, err := log.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	var reads atomic.Int64
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpRead {
			reads.Add(1)
		}
		return nil
	})
	const query = `/^\w+ [01]$/` // of which the index knows nothing
	if _, _, err := documents(NewLocal(log.View()), Request{Query: query}); err != nil {
		t.Fatal(err)
	}
	once := reads.Swap(0)
	if got := past(t, NewLocal(log.View()), TailRequest{Query: query, Last: 10}); !slices.Equal(got, []string{"number 0", "number 1"}) {
		t.Errorf("the past is %q", got)
	}
	if n := reads.Load(); n > once {
		t.Errorf("a tail reads %d times, a search %d times", n, once)
	}
}

// Control characters are six octets each in a document.
func TestThePastOfATailIsNotHeldInMemory(t *testing.T) {
	log, err := spool.Open(spool.Config{Dir: t.TempDir(), KeepDelivered: true, Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	text := strings.Repeat("\x01", 60_000)
	for i := range 250 {
		e := event("web1", "app", "", "", "", text)
		e.Timestamp = int64(i) * int64(time.Second)
		b := spool.Batch{Records: syslog.AppendRecord(nil, e), Count: 1, MinTime: e.Timestamp, MaxTime: e.Timestamp}
		if _, err := log.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	end := errors.New("the past has ended")
	n, most := 0, uint64(0)
	err = NewLocal(log.View()).Tail(context.Background(), TailRequest{Last: MaxLast}, func(item TailItem) error {
		if item.Event == nil {
			return end
		}
		if n++; n%50 == 0 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
		return nil
	})
	if !errors.Is(err, end) || n != 250 {
		t.Fatal(n, err)
	}
	if most > 2*maxHeld {
		t.Errorf("%d MiB are held for 250 events with documents of 350 KiB", most>>20)
	}
}
