package alert

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

func TestTheReplayTellsWhatWouldHaveBeenTold(t *testing.T) {
	l, err := spool.Open(spool.Config{Dir: t.TempDir(), KeepDelivered: true, MinFree: -1, Sync: spool.SyncOS, SegmentSize: 64 << 10, Summarize: new(skipdata.Summarizer).Append})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// Two days in which something is logged each ten seconds, but by db1 not at night.
	for second := 0; second < 2*24*3600; second += 600 {
		var records []byte
		n := 0
		for at := second; at < second+600; at += 10 {
			host, text := fmt.Sprint("web", at/10%3), fmt.Sprintf("request %d took %d ms", at, at%977)
			if hour := at / 3600 % 24; at/10%3 == 0 && (hour < 10 || hour > 14) {
				host = "db1"
			}
			if at%3600 < 300 {
				text = "Failed password"
			}
			records = syslog.AppendRecord(records, event(host, text, time.Duration(at)*time.Second))
			n++
		}
		from := start.Add(time.Duration(second) * time.Second)
		if _, err := l.Append(context.Background(), spool.Batch{Records: records, Count: n, MinTime: from.UnixNano(), MaxTime: from.Add(10 * time.Minute).UnixNano()}); err != nil {
			t.Fatal(err)
		}
	}
	run := func(since time.Time, rules ...*Rule) (list []string, done Replayed) {
		t.Helper()
		done, err := Replay(context.Background(), l.View(), rules, since, func(c Change) error {
			at := c.Started
			if c.State != Firing {
				at = c.Ended
			}
			list = append(list, fmt.Sprint(at.Sub(start), " ", c.State, " ", c.Values))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list, done
	}
	silent := rule(t, "host:db1", "", time.Hour)
	list, done := run(time.Time{}, silent)
	if want := []string{"11h0m0s firing []", "15h0m1s inactive []", "35h0m0s firing []", "39h0m1s inactive []"}; len(list) < 4 || !slices.Equal(list[:4], want) {
		t.Errorf("%q, want %q", list, want)
	}
	if done.Messages != 2*24*360 || done.Matched == 0 {
		t.Errorf("%+v", done)
	}
	list, _ = run(start.Add(24*time.Hour), silent)
	if len(list) < 2 || list[0] != "35h0m0s firing []" {
		t.Errorf("%q", list)
	}
	failures := rule(t, "failed", "count > 20", 5*minute)
	list, _ = run(time.Time{}, failures)
	if len(list) != 2*48 || list[0] != "3m21s firing []" {
		t.Errorf("%d: %q", len(list), list)
	}
	if list, _ = run(time.Time{}, rule(t, "nothing", "count > 1", minute)); len(list) != 0 {
		t.Errorf("%q", list)
	}
}
