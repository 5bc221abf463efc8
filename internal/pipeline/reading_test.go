package pipeline

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/transform"
	"github.com/syslane/syslane/parser"
)

func TestMessagesAreReadAsTheirInputSays(t *testing.T) {
	zurich, err := time.LoadLocation("Europe/Zurich")
	if err != nil {
		t.Fatal(err)
	}
	charset, err := parser.NewCharset("windows-1252")
	if err != nil {
		t.Fatal(err)
	}
	p, log, _ := newTestPipeline(t)
	readings := map[string]Reading{"edge": {
		Zones:   parser.NewZoneMap(map[netip.Prefix]*time.Location{netip.MustParsePrefix("192.0.2.0/24"): zurich}, time.UTC),
		Charset: charset,
	}}
	p.Replace(Rules{}, readings)
	b := batchOf("<13>Mar  4 06:06:07 host7 app: caf\xe9", "<13>Mar  4 05:06:07 host8 app: caf\xc3\xa9")
	b.Frames[1].Origin = 1
	b.Origins = append(b.Origins, b.Origins[0])
	b.Origins[1].Source = netip.MustParseAddrPort("198.51.100.9:514")
	if err := p.Submit(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	want := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for i, e := range log.events(t) {
		if !e.Time().Equal(want) {
			t.Errorf("message %d is of %v, want %v", i, e.Time(), want)
		}
		if text := string(e.Field(e.Text)); text != "café" {
			t.Errorf("message %d says %q", i, text)
		}
		if converted := e.Warnings&syslog.WarnConverted != 0; converted != (i == 0) {
			t.Errorf("message %d is flagged as converted: %v", i, converted)
		}
	}
}

func TestFieldsAreTakenOutOfTextsOnDemand(t *testing.T) {
	extract, err := parser.NewExtractor([]string{"kv", "json"})
	if err != nil {
		t.Fatal(err)
	}
	p, log, _ := newTestPipeline(t)
	f := func(reading Reading, text, want string) {
		t.Helper()
		p.Replace(Rules{}, map[string]Reading{"edge": reading})
		if err := p.Submit(t.Context(), batchOf("<13>1 - host app - - - "+text)); err != nil {
			t.Fatal(err)
		}
		events := log.events(t)
		if got := string(events[len(events)-1].Extracted); got != want {
			t.Errorf("of %q the fields %s are taken, want %s", text, got, want)
		}
	}
	f(Reading{Extract: extract}, `src=10.0.0.1 user="a b"`, `[fields src="10.0.0.1" user="a b"]`)
	f(Reading{Extract: extract}, `{"a":{"b":[1,"x"]}}`, `[fields a.b="[1,\"x\"\]"]`)
	f(Reading{Extract: extract}, `nothing here`, ``)
	f(Reading{}, `src=10.0.0.1`, ``)
}

// A text of less than two KiB can have 64 KiB of fields: nobody may grow a batch so that
// the log refuses it, with what others sent in it.
func TestFieldsNeverMakeABatchThatTheLogRefuses(t *testing.T) {
	extract, err := parser.NewExtractor([]string{"json"})
	if err != nil {
		t.Fatal(err)
	}
	message := `<13>1 - host app - - - {"` + strings.Repeat("k", 248) + `":{` + strings.Repeat(`"b":1,`, 255) + `"b":1}}`
	const count = 300
	f := func(name string, p *Pipeline, log *memoryLog, submit func() error) {
		t.Helper()
		if err := submit(); err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		events := log.events(t)
		if len(events) != count {
			t.Errorf("%s: %d events are stored, want %d", name, len(events), count)
		}
		for i, e := range events {
			if string(e.Raw) != message {
				t.Fatalf("%s: event %d is %.40q", name, i, e.Raw)
			}
		}
		if first, last := events[0].Extracted, events[len(events)-1].Extracted; len(first) < maxExtractedOctets/2 || last != nil {
			t.Errorf("%s: the first has %d octets of fields, the last %d", name, len(first), len(last))
		}
	}
	batch := batchOf(slices.Repeat([]string{message}, count)...)
	p, log, _ := newTestPipeline(t)
	p.Replace(Rules{}, map[string]Reading{"edge": {Extract: extract}})
	f("as the input says", p, log, func() error { return p.Submit(t.Context(), batch) })

	p, log, _ = newTestPipeline(t)
	if err := p.Submit(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	events := &inputs.EventBatch{Stream: "log/out", First: 1, Next: 1 + count, Count: count, Events: log.records, Input: "link"}
	p, log = ruledPipeline(t, Rules{Transforms: transform.NewChain([]*transform.Transform{{Extract: extract}})})
	f("as a transform says", p, log, func() error { return p.SubmitEvents(t.Context(), events) })
}
