package outputs

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPartsOfABatchKeepThePositionsOfTheirEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Each event is at its distance behind the one before.
		steps := rapid.SliceOfN(rapid.Uint64Range(1, 3), 1, 30).Draw(t, "steps")
		b := Batch{First: 100, Count: len(steps)}
		want := make([]uint64, len(steps)+1)
		at, skipped := uint64(100), uint64(0)
		for i, step := range steps {
			want[i] = at
			at += step
			if skipped += step - 1; step > 1 {
				b.Gaps = append(b.Gaps, Gap{Index: i + 1, Skipped: skipped})
			}
		}
		b.Next = at
		want[len(steps)] = at
		from := rapid.IntRange(0, len(steps)).Draw(t, "from")
		to := rapid.IntRange(from, len(steps)).Draw(t, "to")
		p := b.Part(from, to, nil)
		if p.First != want[from] || p.Next != want[to] {
			t.Fatalf("the part runs from %d to %d, want %d to %d", p.First, p.Next, want[from], want[to])
		}
		for i := range p.Count {
			if got := p.Position(i); got != want[from+i] {
				t.Fatalf("event %d of %d to %d is at %d, want %d", i, from, to, got, want[from+i])
			}
		}
	})
}
