package search

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

// Whoever searches while a log turns over leaves nothing behind but what the next search
// can use.
func TestSkipDataOfSegmentsThatAreIndexedOrGoneAreLetGo(t *testing.T) {
	l, err := spool.Open(spool.Config{
		Dir: t.TempDir(), SegmentSize: 32 << 10, MaxSize: 256 << 10, BlockSize: 4 << 10, KeepDelivered: true, Sync: spool.SyncOS,
		MinFree: -1, Codec: spool.CodecNone, Summarize: new(skipdata.Summarizer).Append,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	local := NewLocal(l.View())
	search := func() {
		t.Helper()
		if _, _, err := documents(local, Request{Query: "number1234"}); err != nil {
			t.Fatal(err)
		}
	}
	made := 0
	for i := range 4000 {
		e := event("web1", "sshd", fmt.Sprint(i), "", "", fmt.Sprintf("number%d %s", i, strings.Repeat("closed ", 20)))
		e.Timestamp, e.ID[15] = int64(i+1), byte(i)
		b := spool.Batch{Records: syslog.AppendRecord(nil, e), Count: 1, MinTime: e.Timestamp, MaxTime: e.Timestamp}
		if _, err := l.Append(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		if i%20 == 0 {
			search()
			made = max(made, local.recent.octets)
		}
	}
	if made == 0 {
		t.Fatal("no search has made skip data")
	}
	if l.Tail() == 1 {
		t.Fatalf("the log has not turned over: %+v", l.Stats())
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		search()
		segments, err := local.view.Segments()
		if err != nil {
			t.Fatal(err)
		}
		octets := 0
		for first, blocks := range local.recent.segments {
			for _, skip := range blocks {
				octets += len(skip)
			}
			if first != segments[0].First {
				octets = -1 // that of a full one, which gets its index soon
				break
			}
		}
		if octets == local.recent.octets {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("skip data of %d segments are held, %d octets", len(local.recent.segments), local.recent.octets)
		}
	}
}
