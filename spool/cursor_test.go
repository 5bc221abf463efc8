package spool

import (
	"testing"
)

func TestACursorSurvivesReopeningWithItsTotals(t *testing.T) {
	cfg := testConfig(t, t.TempDir())
	l := mustOpen(t, cfg)
	c, err := l.Cursor("elasticsearch/main", FromTail)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "a", "b", "c", "d")
	if err := c.Commit(4, Counts{Delivered: 1, DeadLettered: 1, Skipped: 1}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, cfg)
	got := l.Cursors()
	want := CursorStatus{Name: "elasticsearch/main", Position: 4, Start: 1, Lag: 1,
		Counts: Counts{Delivered: 1, DeadLettered: 1, Skipped: 1}}
	if len(got) != 1 {
		t.Fatalf("%d cursors", len(got))
	}
	got[0].Updated = 0
	if got[0] != want {
		t.Fatalf("got %+v, want %+v", got[0], want)
	}
}
