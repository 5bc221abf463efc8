package pipeline

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/syslane/syslane/internal/limit"
	"github.com/syslane/syslane/internal/match"
)

func limits(t *testing.T, summarise bool) []*limit.Rule {
	t.Helper()
	return []*limit.Rule{limit.New(limit.Config{
		Name: "chatty", Match: compiled(t, `app == "app"`), By: []func(*match.Message) string{match.Text("host"), match.Text("app")},
		Rate: 0.001, Burst: 2, Summarise: summarise,
	})}
}

// submitChatter sends ten messages of each of three hosts, all different.
func submitChatter(t *testing.T, p *Pipeline) {
	t.Helper()
	var messages []string
	for i := range 30 {
		messages = append(messages, fmt.Sprintf("<13>1 2026-03-04T05:06:%02dZ host%d app 7 - - text %d", i, i%3, i))
	}
	if err := p.Submit(t.Context(), batchOf(append(messages, "<13>1 - host0 other - - - free")...)); err != nil {
		t.Fatal(err)
	}
	balanced(t, p, "edge")
}

func TestWhatALimitHeldBackIsToldByOneEvent(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Limits: limits(t, false)})
	p.cfg.Host = "relay1"
	submitChatter(t, p)
	if n := len(log.events(t)); n != 7 {
		t.Fatalf("%d messages passed, want 7", n)
	}
	flush(t, p)
	flush(t, p)
	events := log.events(t)
	if len(events) != 8 {
		t.Fatalf("%d events are stored, want one that tells", len(events)-7)
	}
	got := string(events[7].Raw)
	for _, want := range []string{"<44>1 ", " relay1 syslane ", ` limit [limit@32473 rule="chatty" count="24" keys="3" first="2026-03-04T05:06:06Z" last="2026-03-04T05:06:29Z"] `,
		`limit "chatty" held 24 messages back: host0 app (8), host1 app (8), host2 app (8)`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nis without %q", got, want)
		}
	}
}

func TestWhatALimitHeldBackIsToldForEachKey(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Limits: limits(t, true), Dedupe: Dedupe{Default: repeatTable()}})
	submitChatter(t, p)
	flush(t, p)
	events := log.events(t)[7:]
	if len(events) != 3 {
		t.Fatalf("%d events tell of three hosts", len(events))
	}
	for i, e := range events {
		want := fmt.Sprintf(`<13>1 2026-03-04T05:06:%dZ host%d app 7 - [limit@32473 rule="chatty" count="8" keys="1" first="2026-03-04T05:06:%02dZ" last="2026-03-04T05:06:%dZ"] text %d`, 27+i, i, 6+i, 27+i, 6+i)
		if string(e.Raw) != want {
			t.Errorf("it is\n%s, want\n%s", e.Raw, want)
		}
	}
}

// What there is to tell may be more than the log takes at once.
func TestWhatALimitHeldBackOfManyKeysIsToldInSeveralBatches(t *testing.T) {
	const keys, size = 4200, 100
	p, log := ruledPipeline(t, Rules{Limits: []*limit.Rule{limit.New(limit.Config{
		Name: "chatty", By: []func(*match.Message) string{match.Text("host")}, Rate: 0.0001, Burst: 1, Summarise: true,
	})}})
	for n := 0; n < keys; n += size {
		var messages []string
		for i := range size {
			m := fmt.Sprintf("<13>1 - host%d app - - - text", n+i)
			messages = append(messages, m, m)
		}
		b := batchOf(messages...)
		b.Origins[0].Path = "/" + strings.Repeat("x", 4000)
		if err := p.Submit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		log.records, log.batches = nil, nil
	}
	balanced(t, p, "edge")
	p.tellExcess(t.Context(), time.Now())
	told := make(map[string]bool)
	for _, e := range log.events(t) {
		told[string(e.Field(e.Hostname))] = true
	}
	if n := testutil.ToFloat64(p.metrics.generated.WithLabelValues("limit")); len(told) != keys || n != keys {
		t.Errorf("%d of %d hosts are told of, %v events are counted", len(told), keys, n)
	}
}

// What is held back was never a first message: its repeats are not counted as such.
func TestRepeatsCostNoTokensAndWhatIsHeldBackHasNone(t *testing.T) {
	p, log := ruledPipeline(t, Rules{Limits: limits(t, false), Dedupe: Dedupe{Default: repeatTable()}})
	var messages []string
	for range 10 {
		for _, text := range []string{"a", "b", "c"} { // c is one too many
			messages = append(messages, "<13>1 - host0 app - - - "+text)
		}
	}
	if err := p.Submit(t.Context(), batchOf(messages...)); err != nil {
		t.Fatal(err)
	}
	balanced(t, p, "edge")
	flush(t, p)
	counts, plain := repeated(t, log)
	if counts["a"] != 9 || counts["b"] != 9 || counts["c"] != 0 || plain != 3 {
		t.Errorf("repeats: %v, others %d", counts, plain)
	}
	if last := string(log.events(t)[2].Raw); !strings.Contains(last, `count="10"`) {
		t.Errorf("what was held back is told by %s", last)
	}
}
