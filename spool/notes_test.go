package spool

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
)

// Notes of batches without records, also behind the last record, are what their
// owner goes on with.
func TestNotesWithoutRecordsComeBackFromWhereverTheyStand(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	cfg.BlockSize = 64
	l := mustOpen(t, cfg)
	var want []string
	note := func() {
		text := fmt.Sprintf("note %d", len(want))
		if _, err := l.Append(context.Background(), Batch{Note: []byte(text), MinTime: math.MaxInt64, MaxTime: math.MinInt64}); err != nil {
			t.Fatal(err)
		}
		want = append(want, text)
	}
	note()
	mustAppend(t, l, "a", "b")
	note()
	note()
	for range 3 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = mustOpen(t, cfg)
		var got []string
		if err := l.Notes(func(n Note) error { got = append(got, string(n.Data)); return nil }); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the notes are %q, want %q", got, want)
		}
		note()
	}
}
