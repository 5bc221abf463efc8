package pipeline

import (
	"context"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/spool"
)

// fullLog takes a batch, which it tells, once there is room.
type fullLog struct {
	Log
	waits, room chan struct{}
}

func (l fullLog) Append(ctx context.Context, b spool.Batch) (uint64, error) {
	close(l.waits)
	<-l.room
	return l.Log.Append(ctx, b)
}

func TestWhatIsCountedByRulesThatWereReplacedWhileTheLogIsFullIsTold(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Dedupe: Dedupe{Default: repeatTable()}})
	const text = "<13>1 - host app - - - the same"
	if err := p.Submit(t.Context(), batchOf(text)); err != nil {
		t.Fatal(err)
	}
	full := fullLog{Log: log, waits: make(chan struct{}), room: make(chan struct{})}
	p.cfg.Log = full
	result := make(chan error)
	go func() { result <- p.Submit(t.Context(), batchOf(text, text)) }()
	<-full.waits
	p.Replace(Rules{}, nil)
	if ids := p.expired(time.Now()); len(ids) > 0 {
		t.Errorf("the counts of %d windows are to be told before they are stored", len(ids))
	}
	p.leaving.forget(time.Now().Add(2 * linger))
	close(full.room)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	p.leaving.forget(time.Now().Add(2 * linger))
	p.cfg.Log = log
	p.tell(t.Context(), p.expired(time.Now()))
	if counts, _ := repeated(t, log); counts["the same"] != 2 {
		t.Errorf("%d repeats are told, want 2", counts["the same"])
	}
	p.leaving.forget(time.Now().Add(2 * linger))
	if n := len(p.leaving.dedupes()); n != 0 {
		t.Errorf("%d tables are remembered for ever", n)
	}
}

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
