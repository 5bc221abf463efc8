package elasticsearch

import (
	"fmt"
	"testing"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/outputs/elasticsearch"
)

func TestOpenSearchGetsEachMessageOnceIntoADataStreamWithEveryFieldMapped(t *testing.T) {
	es := peers.StartOpenSearch(t)
	defer es.Close()
	config := func(dataset string) elasticsearch.Config {
		cfg := elasticsearch.DefaultConfig()
		cfg.Hosts = []config.Address{config.Address(es.URL)}
		cfg.DataStream.Dataset = dataset
		cfg.DataStream.Namespace = "e2e"
		return cfg
	}

	everyFieldIsMapped(t, es, elasticsearch.FlavorOpenSearch, config("mapped"))
	_, fields, _ := mapping(t, es, config("mapped").DataStream.Name())
	if got := fields["log.syslog.structured_data"]["type"]; got != "flat_object" {
		t.Errorf("structured data is of the type %v, want flat_object", got)
	}
	for query, want := range map[string]int{
		`log.syslog.structured_data.exampleSDID@32473.iut:3`: 1,
		`message:application`:                                1,
		`host.name:mymachine`:                                1,
	} {
		var answer struct{ Count int }
		body := map[string]any{"query": map[string]any{"query_string": map[string]any{"query": query}}}
		if err := es.Do("GET", "/"+config("mapped").DataStream.Name()+"/_count", body, &answer); err != nil || answer.Count != want {
			t.Errorf("%s finds %d documents, want %d: %v", query, answer.Count, want, err)
		}
	}

	cfg := config("rolled")
	b := batch(t, 3000)
	for range 3 { // each as after a crash before the cursor moved
		if r := write(t, open(t, cfg), b); r != nil {
			t.Fatalf("rejected: %+v", r[0])
		}
		if err := es.Do("POST", "/"+cfg.DataStream.Name()+"/_rollover", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	check(t, es, cfg, cfg.DataStream.Name(), b)

	refusedMessagesAreKept(t, es, config("refused"))

	proxy := newTroubled(t, es.URL)
	l := startLine(t, 50_000, fmt.Sprintf(`
hosts = [%q]
data_stream = { dataset = "killed", namespace = "e2e" }
bulk_max_docs = 500
`, proxy.URL))
	l.send(t)
	l.delivered(t, 0.2)
	l.bounce(t)
	l.delivered(t, 0.4)
	es.Kill()
	es.Start(t)
	l.delivered(t, 0.6)
	l.bounce(t)
	l.exactlyOnce(t, es, "logs-killed-e2e")
	if proxy.cut.Load() == 0 {
		t.Error("no answer was cut")
	}
}
