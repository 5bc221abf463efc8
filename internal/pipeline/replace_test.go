package pipeline

import (
	"testing"
	"time"

	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/match"
)

func TestWhatRulesHaveCountedIsToldAfterTheyAreReplaced(t *testing.T) {
	p, log, _ := newTestPipeline(t)
	var fields []func(*match.Message) string
	for _, name := range dedupe.DefaultFields {
		fields = append(fields, match.Text(name))
	}
	p.Replace(Rules{Dedupe: Dedupe{Default: dedupe.New(dedupe.Config{Window: time.Hour, Fields: fields})}}, nil)
	const text = "<13>1 - host app - - - the same"
	if err := p.Submit(t.Context(), batchOf(text, text, text)); err != nil {
		t.Fatal(err)
	}
	p.Replace(Rules{}, nil)
	if err := p.Submit(t.Context(), batchOf(text)); err != nil {
		t.Fatal(err)
	}
	if left := p.tell(t.Context(), p.expired(time.Now())); len(left) > 0 {
		t.Errorf("the counts of %d windows are not told", len(left))
	}
	// The first, the one after the change, and what tells of the two between.
	if n := len(log.events(t)); n != 3 {
		t.Errorf("%d events are stored, want 3", n)
	}
	p.leaving.forget(time.Now().Add(2 * linger))
	if n := len(p.leaving.dedupes()); n != 0 {
		t.Errorf("%d tables are remembered for ever", n)
	}
}
