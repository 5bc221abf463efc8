package spool

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestALogThatWasFullTakesMessagesOnceItsBoundIsRaised(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), MinFree: -1, Codec: CodecNone, MaxSize: 1 << 20, Sync: SyncOS}
	l, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Cursor("stands still", FromTail); err != nil {
		t.Fatal(err)
	}
	batch := Batch{Records: run(strings.Repeat("x", 64<<10)), Count: 1}
	add := func(limit time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		_, err := l.Append(ctx, batch)
		return err
	}
	for i := 0; ; i++ {
		if err := add(300 * time.Millisecond); errors.Is(err, context.DeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if i > 100 {
			t.Fatal("the log has no bound")
		}
	}
	waits := make(chan error, 1)
	go func() { waits <- add(time.Minute) }()
	if err := l.SetLimits(Limits{MaxSize: 1, MinFree: -1}); err == nil {
		t.Error("a bound of one octet is taken")
	}
	if err := l.SetLimits(Limits{MaxSize: 8 << 20, MinFree: -1}); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; err != nil {
		t.Errorf("who has waited for room hears: %v", err)
	}
}
