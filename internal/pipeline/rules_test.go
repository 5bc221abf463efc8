package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/route"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/transform"
	"github.com/syslane/syslane/spool"
)

// ruledPipeline is newTestPipeline with rules.
func ruledPipeline(t testing.TB, rules Rules) (*Pipeline, *memoryLog) {
	t.Helper()
	log := &memoryLog{streams: NewStreams()}
	p := New(Config{Log: log, Streams: log.streams, Rules: rules, Registerer: prometheus.NewRegistry(), Logger: zerolog.New(zerolog.NewTestWriter(t))})
	t.Cleanup(p.Close)
	return p, log
}

func compiled(t testing.TB, source string) *match.Expr {
	t.Helper()
	e, err := match.Compile(source)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// sum adds up what an input's messages came to, by the sides of its account.
func sum(p *Pipeline, input string) (received, rest float64) {
	c := p.metrics.of(input)
	value := func(c prometheus.Collector) (v float64) {
		ch := make(chan prometheus.Metric, 64)
		c.Collect(ch)
		close(ch)
		for m := range ch {
			v += testutil.ToFloat64(constant{m})
		}
		return v
	}
	return testutil.ToFloat64(c.received), testutil.ToFloat64(c.stored) + testutil.ToFloat64(c.redelivered) +
		testutil.ToFloat64(c.suppressed) + value(c.filtered.MetricVec) + value(c.limited.MetricVec) + value(c.dropped.MetricVec)
}

// constant shows one metric as a collector.
type constant struct{ prometheus.Metric }

func (c constant) Describe(ch chan<- *prometheus.Desc) { ch <- c.Desc() }
func (c constant) Collect(ch chan<- prometheus.Metric) { ch <- c.Metric }

func balanced(t testing.TB, p *Pipeline, input string) {
	t.Helper()
	if received, rest := sum(p, input); received != rest || received == 0 {
		t.Errorf("input %s received %v, and the rest of its account is %v", input, received, rest)
	}
}

func routes(t testing.TB) Rules {
	return Rules{Routes: route.New([]route.Route{
		{Name: "noise", Match: compiled(t, `app == "cron"`), Drop: true},
		{Name: "auth", Match: compiled(t, `facility == auth`), To: []string{"es"}},
		{Name: "kept", Match: compiled(t, `severity == debug`), To: []string{}},
	})}
}

// What rules and the envelope add to messages may be more than the log takes at once.
func TestABatchThatRulesMakeTooLargeForTheLogIsStoredInSeveralParts(t *testing.T) {
	const count = 430
	var messages []string
	for i := range count {
		messages = append(messages, fmt.Sprintf("<13>1 - host app - - - text %d", i))
	}
	rules := Rules{Transforms: transform.NewChain([]*transform.Transform{{Tags: []string{strings.Repeat("t", 40<<10)}}})}
	f := func(name, input string, submit func(p *Pipeline) error) *Streams {
		t.Helper()
		p, log := ruledPipeline(t, rules)
		if err := submit(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		balanced(t, p, input)
		events := log.events(t)
		if got := testutil.ToFloat64(p.metrics.of(input).stored); len(events) != count || got != count {
			t.Fatalf("%s: %d events are stored, %v counted", name, len(events), got)
		}
		for i, e := range events {
			if want := fmt.Sprintf("text %d", i); string(e.Field(e.Text)) != want {
				t.Fatalf("%s: event %d says %q", name, i, e.Field(e.Text))
			}
		}
		for _, b := range log.batches {
			if n, ok := syslog.CountRecords(b.Records); !ok || n != b.Count || b.MinTime > b.MaxTime {
				t.Errorf("%s: a part of %d says that it has %d, times %d to %d", name, n, b.Count, b.MinTime, b.MaxTime)
			}
		}
		return log.streams
	}
	f("enqueued", "edge", func(p *Pipeline) error { return p.Enqueue(t.Context(), batchOf(messages...))() })
	streams := f("submitted", "edge", func(p *Pipeline) error {
		return p.SubmitMarked(t.Context(), batchOf(messages...), []inputs.Mark{{Key: "file/a/1", Value: 20}})
	})
	if marks := streams.withPrefix("file/"); len(marks) != 1 {
		t.Errorf("the marks are %v", marks)
	}
	plain, log := ruledPipeline(t, Rules{})
	if err := plain.Submit(t.Context(), batchOf(messages...)); err != nil {
		t.Fatal(err)
	}
	streams = f("from a link", "link", func(p *Pipeline) error {
		return p.SubmitEvents(t.Context(), &inputs.EventBatch{Stream: "log/out", First: 1, Next: 1 + count, Count: count, Events: log.records, Input: "link"})
	})
	if r := streams.resume("log/out", 1); r.End != 1+count {
		t.Errorf("the stream resumes at %d", r.End)
	}
}

// A sender that were told would send it for ever, and nothing behind it.
func TestAMessageThatRulesMakeTooLargeForAnyLogIsDroppedAlone(t *testing.T) {
	messages := []string{
		"<13>1 - host app - - - before",
		"<13>1 - host app - - - " + strings.Repeat("x", 15<<20),
		"<13>1 - host app - - - after",
	}
	rules := Rules{Transforms: transform.NewChain([]*transform.Transform{{Tags: []string{strings.Repeat("t", 2<<20)}}})}
	plain, sender := ruledPipeline(t, Rules{})
	if err := plain.Submit(t.Context(), batchOf(messages...)); err != nil {
		t.Fatal(err)
	}
	f := func(name, input string, submit func(p *Pipeline) error) {
		t.Helper()
		p, log := ruledPipeline(t, rules)
		if err := submit(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		balanced(t, p, input)
		if n := testutil.ToFloat64(p.metrics.dropped.WithLabelValues(input, "too-large")); n != 1 {
			t.Errorf("%s: %v messages are counted as too large", name, n)
		}
		var texts []string
		for _, e := range log.events(t) {
			texts = append(texts, string(e.Field(e.Text)))
		}
		if !slices.Equal(texts, []string{"before", "after"}) {
			t.Errorf("%s: %q are stored", name, texts)
		}
	}
	f("enqueued", "edge", func(p *Pipeline) error { return p.Enqueue(t.Context(), batchOf(messages...))() })
	f("submitted", "edge", func(p *Pipeline) error { return p.Submit(t.Context(), batchOf(messages...)) })
	f("from a link", "link", func(p *Pipeline) error {
		err := p.SubmitEvents(t.Context(), &inputs.EventBatch{Stream: "log/out", First: 1, Next: 4, Count: 3, Events: sender.records, Input: "link"})
		if r := p.Resume("log/out", 1); r.End != 4 {
			t.Errorf("the stream resumes at %d", r.End)
		}
		return err
	})
}

func TestEventsAreStoredWithTheirRoute(t *testing.T) {
	p, log := ruledPipeline(t, routes(t))
	if err := p.Submit(t.Context(), batchOf("<13>1 - h cron - - - x", "<34>1 - h su - - - y", "<15>1 - h a - - - z", "<14>1 - h a - - - w")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range log.events(t) {
		got = append(got, fmt.Sprintf("%s %q", e.Field(e.Text), e.Route.Outputs()))
	}
	if want := []string{`y ["es"]`, `z []`, `w []`}; !slices.Equal(got, want) {
		t.Errorf("the log holds %q, want %q", got, want)
	}
	events := log.events(t)
	if events[1].Route == nil || events[2].Route != nil {
		t.Error("only the log, and every output, are not told apart")
	}
	balanced(t, p, "edge")
	if n := testutil.ToFloat64(p.metrics.filtered.WithLabelValues("edge", "noise")); n != 1 {
		t.Errorf("%v messages are counted as filtered", n)
	}
}

func TestWhatIsAllDroppedStillMovesItsPlace(t *testing.T) {
	p, log := ruledPipeline(t, routes(t))
	if err := p.SubmitMarked(t.Context(), batchOf("<13>1 - h cron - - - x"), []inputs.Mark{{Key: "file", Value: 7}}); err != nil {
		t.Fatal(err)
	}
	if len(log.records) != 0 || !slices.Equal(p.Marks("file"), []inputs.Mark{{Key: "file", Value: 7}}) {
		t.Errorf("the log holds %d octets, the marks are %v", len(log.records), p.Marks("file"))
	}
	balanced(t, p, "edge")
}

func TestEventsOfTheLinkAreRoutedAnew(t *testing.T) {
	for _, rules := range []Rules{{}, routes(t)} {
		p, log := ruledPipeline(t, rules)
		b := &inputs.EventBatch{Stream: "s", First: 1, Next: 3, Count: 2, Input: "relp"}
		for i, app := range []string{"cron", "a"} {
			e := syslog.Event{ID: syslog.ID{1, byte(i)}, Route: syslog.NewRoute("theirs")}
			e.Raw, e.Timestamp, e.AppName = []byte(app), syslog.NoTimestamp, syslog.Span{End: uint32(len(app))}
			b.Events = syslog.AppendRecord(b.Events, &e)
		}
		if err := p.SubmitEvents(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		events := log.events(t)
		if want := 2 - min(1, len(routesOf(rules))); len(events) != want {
			t.Fatalf("%d events are stored, want %d", len(events), want)
		}
		for _, e := range events {
			if e.Route != nil || e.ID[0] != 1 {
				t.Errorf("event %v has the route %q", e.ID, e.Route.Outputs())
			}
		}
		if r := p.Resume("s", 1); r.End != 3 {
			t.Errorf("the stream is at %d", r.End)
		}
		balanced(t, p, "relp")
	}
}

func routesOf(r Rules) []int {
	if r.Routes == nil {
		return nil
	}
	return make([]int, r.Routes.Routes())
}

// noLog takes everything and keeps nothing.
type noLog struct{}

func (noLog) Append(context.Context, spool.Batch) (uint64, error) { return 1, nil }

func (noLog) Enqueue(context.Context, spool.Batch) (func(context.Context) (uint64, error), error) {
	return func(context.Context) (uint64, error) { return 1, nil }, nil
}

// BenchmarkSubmit is the cost of one message on its way through the pipeline, by
// the number of routes, of which none but the last takes it.
func BenchmarkSubmit(b *testing.B) {
	for _, n := range []int{0, 1, 10, 50} {
		b.Run(fmt.Sprintf("%d routes", n), func(b *testing.B) {
			var rules Rules
			var table []route.Route
			for i := range n {
				source := fmt.Sprintf(`severity <= warning and app == "app-%d" or host startsWith "db%d"`, i, i)
				table = append(table, route.Route{Name: fmt.Sprint(i), Match: compiled(b, source), To: []string{"es"}})
			}
			if n > 0 {
				rules.Routes = route.New(append(table, route.Route{To: []string{"es"}}))
			}
			p := New(Config{Log: noLog{}, Streams: NewStreams(), Rules: rules})
			defer p.Close()
			const size = 512
			messages := make([]string, size)
			for i := range messages {
				messages[i] = fmt.Sprintf("<%d>1 2026-03-04T05:06:00.5Z web%d nginx %d - - GET /index.html 200 in %d ms", 8+i%8, i%50, i, i)
			}
			batch := batchOf(messages...)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N/size + 1 {
				if err := p.Submit(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
