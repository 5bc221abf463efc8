package inputs_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

// submitFunc is a sink.
type submitFunc func(context.Context, *inputs.Batch) error

func (f submitFunc) Submit(ctx context.Context, b *inputs.Batch) error { return f(ctx, b) }

// gather gathers one message for each text, each in a full batch of its own.
func gather(t *testing.T, texts ...string) *inputs.Gather {
	t.Helper()
	g := inputs.NewGather()
	g.Waiting = len(texts)
	for _, text := range texts {
		b := g.Begin()
		b.AddDatagram([]byte(text), len(text), len(text), &syslog.FramingStats{})
		b.Data = append(b.Data, make([]byte, 1<<20)...)
		g.Done(false)
	}
	return g
}

func TestAFullBatchIsSubmittedHoweverMuchFollowsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := inputs.NewGather()
		g.Waiting = 3
		submits := 0
		go g.Submit(t.Context(), submitFunc(func(context.Context, *inputs.Batch) error {
			submits++
			return nil
		}), "test", nil)
		synctest.Wait() // it sleeps
		for range 2 {
			b := g.Begin()
			b.AddDatagram([]byte("x"), 1, 1, &syslog.FramingStats{})
			b.Data = append(b.Data, make([]byte, 1<<20)...)
			g.Done(true)
		}
		synctest.Wait()
		if submits == 0 {
			t.Error("a batch is full, and nothing was submitted")
		}
		g.End()
	})
}

func TestWhatIsGatheredIsHandedToTheSinkWhateverBecameOfTheBatchBefore(t *testing.T) {
	failed := errors.New("the disk fails")
	for _, c := range []struct {
		name          string
		givenUp       bool
		becomes, want error
	}{
		{"stored after the sink was given up", true, nil, nil},
		{"not stored as the sink was given up", true, failed, failed},
		{"closed", false, inputs.ErrClosed, inputs.ErrClosed},
	} {
		ctx, giveUp := context.WithCancel(t.Context())
		g := gather(t, "first", "second", "third")
		var got []string
		sink := submitFunc(func(_ context.Context, b *inputs.Batch) error {
			got = append(got, string(b.Frames[0].Of(b.Data)))
			switch len(got) {
			case 1:
				if c.givenUp {
					giveUp()
				}
				return c.becomes
			case 3:
				if c.becomes == nil { // else nothing more is gathered anyway
					g.End()
				}
			}
			return nil
		})
		err := g.Submit(ctx, sink, "test", func(err error) { t.Errorf("%s: lost: %v", c.name, err) })
		giveUp()
		if !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
		}
		if want := []string{"first", "second", "third"}; !slices.Equal(got, want) {
			t.Errorf("%s: the sink got %q, want %q", c.name, got, want)
		}
		b := g.Begin()
		b.AddDatagram([]byte("late"), 4, 4, &syslog.FramingStats{})
		if g.Done(true) {
			t.Fatalf("%s: more is gathered", c.name)
		}
		g.Submit(ctx, sink, "test", nil)
		if got[len(got)-1] != "late" {
			t.Errorf("%s: what came too late did not go to the sink, which counts it", c.name)
		}
	}
}
