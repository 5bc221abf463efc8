package elasticsearch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/elasticsearch"
	"github.com/syslane/syslane/parser"
)

// stream is a configuration with a data stream of the test's own.
func stream(t *testing.T) elasticsearch.Config {
	t.Helper()
	cfg := elasticsearch.DefaultConfig()
	cfg.Hosts = []config.Address{config.Address(server(t).URL)}
	cfg.DataStream.Dataset = "syslane_" + strings.ToLower(t.Name())
	cfg.DataStream.Namespace = run
	return cfg
}

// index is a configuration with an index of the test's own, made with mappings.
func index(t *testing.T, mappings any) elasticsearch.Config {
	t.Helper()
	cfg := stream(t)
	cfg.Mode, cfg.ManageTemplate = elasticsearch.ModeIndex, false
	cfg.Index = strings.ToLower(t.Name()) + "-" + run
	call(t, "PUT", "/"+cfg.Index, map[string]any{"mappings": mappings}, nil)
	return cfg
}

func open(t *testing.T, cfg elasticsearch.Config) *elasticsearch.Output {
	t.Helper()
	o, err := elasticsearch.New(cfg, elasticsearch.Options{Name: "es", Observer: "collector1", Logger: zerolog.New(zerolog.NewTestWriter(t))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close() })
	return o
}

// lines parses messages as the pipeline does.
func lines(t *testing.T, messages ...string) *outputs.Batch {
	t.Helper()
	b := &outputs.Batch{Stream: "log/es", First: 1, Next: 1 + uint64(len(messages)), Count: len(messages)}
	received := time.Date(2026, 8, 7, 6, 5, 4, 0, time.UTC)
	for i, m := range messages {
		e := syslog.Event{ID: syslog.MakeID(received, [4]byte{9}, uint32(i)), Source: netip.MustParseAddrPort("192.0.2.7:40000"), Identity: "web1.example.net", Input: "tls-in"}
		e.Raw = []byte(m)
		parser.Parse(&e.Message, &parser.Options{Received: received, Location: time.UTC})
		b.Events = syslog.AppendRecord(b.Events, &e)
	}
	return b
}

func batch(t *testing.T, n int) *outputs.Batch {
	t.Helper()
	messages := make([]string, n)
	for i := range messages {
		messages[i] = fmt.Sprintf("<13>1 2026-08-07T06:05:04.%06dZ web%d app %d - - message %d", i%1000000, i%10, i, i)
	}
	return lines(t, messages...)
}

// write hands b over as the delivery does.
func write(t *testing.T, o *elasticsearch.Output, b *outputs.Batch) []outputs.Rejection {
	t.Helper()
	err := o.Write(t.Context(), b)
	var r *outputs.Rejected
	if errors.As(err, &r) {
		return r.Items
	}
	if err != nil {
		t.Fatal(err)
	}
	return nil
}

// documents are what the documents of b should be, by _id.
func documents(t *testing.T, cfg elasticsearch.Config, b *outputs.Batch) map[string][]byte {
	t.Helper()
	docs := map[string][]byte{}
	var e syslog.Event
	for rest := b.Events; len(rest) > 0; {
		var record []byte
		record, rest = syslog.NextRecord(rest)
		if err := e.Decode(record, nil); err != nil {
			t.Fatal(err)
		}
		docs[e.ID.String()] = ecs.AppendDocument(nil, &e, ecs.Options{
			Dataset: cfg.DataStream.Dataset, Observer: "collector1", Original: cfg.Original,
		})
	}
	return docs
}

// check compares what an index holds with the documents of b.
func check(t *testing.T, es *peers.Elastic, cfg elasticsearch.Config, target string, b *outputs.Batch) {
	t.Helper()
	want := documents(t, cfg, b)
	if err := es.Each(target, func(id string, source json.RawMessage) error {
		if !bytes.Equal(want[id], source) {
			return fmt.Errorf("document %s is %s, want %s", id, source, want[id])
		}
		delete(want, id)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(want) > 0 {
		t.Errorf("%d documents are missing", len(want))
	}
}

// leaves lists the fields of a mapping by path.
func leaves(into map[string]map[string]any, path string, properties map[string]any) {
	for key, v := range properties {
		f := v.(map[string]any)
		if inner, ok := f["properties"].(map[string]any); ok {
			leaves(into, path+key+".", inner)
		} else {
			into[path+key] = f
		}
	}
}

// mapping reads back the fields of the one index behind a name.
func mapping(t *testing.T, es *peers.Elastic, name string) (index string, fields map[string]map[string]any, dynamic any) {
	t.Helper()
	var answer map[string]struct{ Mappings map[string]any }
	if err := es.Do("GET", "/"+name+"/_mapping", nil, &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer) != 1 {
		t.Fatalf("%d indices behind %s", len(answer), name)
	}
	fields = map[string]map[string]any{}
	for i, m := range answer {
		properties, _ := m.Mappings["properties"].(map[string]any)
		leaves(fields, "", properties)
		index, dynamic = i, m.Mappings["dynamic"]
	}
	return index, fields, dynamic
}

// everything uses every field that a document can have.
var everything = []string{
	`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 8710 ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011" a.b="1" a="2"][origin ip="192.0.2.1" ip="192.0.2.129"] ` + "\ufeff" + `An application event log entry…`,
	"<34>Oct 11 22:14:15 mymachine su[231]: 'su root' failed for lonvick on /dev/pts/8",
	"no header \xff\xfe at all \x00\x1b[31m",
	"<0>1 - - - - - -",
	`<13>1 1903-10-11T22:14:15Z h worker-3 worker-3 - [x@1 y="\"\\\]"]`,
}

func TestEveryFieldIsMappedAsTheTemplateSays(t *testing.T) {
	everyFieldIsMapped(t, server(t), elasticsearch.FlavorElasticsearch, stream(t))
}

// everyFieldIsMapped reads back from the server what the template made.
func everyFieldIsMapped(t *testing.T, es *peers.Elastic, flavor string, cfg elasticsearch.Config) {
	t.Helper()
	cfg.Original = true
	b := lines(t, everything...)
	if r := write(t, open(t, cfg), b); r != nil {
		t.Fatalf("rejected: %+v", r)
	}
	_, body := elasticsearch.Template(&cfg, elasticsearch.Server{Flavor: flavor})
	isMappedAs(t, es, cfg.DataStream.Name(), body)
	check(t, es, cfg, cfg.DataStream.Name(), b)
}

// isMappedAs compares the one index behind a data stream with the body of the
// template that it should come from.
func isMappedAs(t *testing.T, es *peers.Elastic, stream string, body []byte) {
	t.Helper()
	backing, got, dynamic := mapping(t, es, stream)
	if !strings.HasPrefix(backing, ".ds-"+stream) {
		t.Errorf("%s is no data stream but the index %s", stream, backing)
	}
	if dynamic != "false" {
		t.Errorf("dynamic is %v", dynamic)
	}
	var template struct {
		Template struct {
			Mappings struct{ Properties map[string]any }
		}
	}
	if err := json.Unmarshal(body, &template); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]any{}
	leaves(want, "", template.Template.Mappings.Properties)
	// A server made for tests lacks modules; the output says so in its log.
	instead := map[any]map[string]any{"match_only_text": {"type": "text"}, "constant_keyword": {"type": "keyword"}}
	for path, f := range want {
		if !reflect.DeepEqual(got[path], f) && !reflect.DeepEqual(got[path], instead[f["type"]]) {
			t.Errorf("field %s is %v, want %v", path, got[path], f)
		}
		delete(got, path)
	}
	if len(got) > 0 {
		t.Errorf("fields that the template does not have: %v", got)
	}
}

func TestFieldsAreFoundBySearch(t *testing.T) {
	cfg := stream(t)
	b := lines(t, everything...)
	write(t, open(t, cfg), b)
	call(t, "POST", "/"+cfg.DataStream.Name()+"/_refresh", nil, nil)
	f := func(query string, want int) {
		t.Helper()
		var answer struct{ Count int }
		call(t, "GET", "/"+cfg.DataStream.Name()+"/_count?q="+url.QueryEscape(query), nil, &answer)
		if answer.Count != want {
			t.Errorf("%s finds %d documents, want %d", query, answer.Count, want)
		}
	}
	f(`message:application`, 1)
	f(`log.syslog.facility.name:local4 AND log.syslog.severity.code:5`, 1)
	f(`log.level:crit`, 1)
	f(`log.syslog.structured_data.exampleSDID@32473.iut:3`, 1)
	f(`log.syslog.structured_data.exampleSDID@32473.a.b:1`, 1)
	f(`log.syslog.structured_data.origin.ip:"192.0.2.129"`, 1)
	f(`process.pid:[200 TO 300]`, 1)
	f(`process.pid:8710 AND log.syslog.procid:8710`, 1)
	f(`log.syslog.procid:worker-3`, 1)
	f(`source.ip:"192.0.2.0/24"`, len(everything))
	f(`host.name:mymachine`, 1)
	f(`tags:not-utf8 AND labels.format:unparsed`, 1)
	f(`tls.client.subject:web1.example.net AND labels.input:tls-in`, len(everything))
	f(`@timestamp:[2003-01-01 TO 2004-01-01]`, 1)
	f(`@timestamp:[1903-01-01 TO 1904-01-01]`, 1)
	f(`event.created:[2026-08-07 TO 2026-08-08]`, len(everything))
}

func TestReplaysMakeNoSecondDocument(t *testing.T) {
	cfg := stream(t)
	cfg.BulkMaxDocs = 700
	b := batch(t, 5000)
	for range 3 { // each as after a crash before the cursor moved
		if r := write(t, open(t, cfg), b); r != nil {
			t.Fatalf("rejected: %+v", r[0])
		}
	}
	check(t, server(t), cfg, cfg.DataStream.Name(), b)
}

func TestRolloverBetweenAttemptsMakesNoSecondDocument(t *testing.T) {
	cfg := stream(t)
	b := batch(t, 3000)
	parts := split(b, 1500)
	o := open(t, cfg)
	write(t, o, parts[0])
	for range 2 {
		call(t, "POST", "/"+cfg.DataStream.Name()+"/_rollover", nil, nil)
		again := open(t, cfg) // as after a crash before the cursor moved
		write(t, again, parts[0])
		write(t, again, parts[1])
	}
	check(t, server(t), cfg, cfg.DataStream.Name(), b)
	if n, err := server(t).Count(cfg.DataStream.Name()); n != 3000 || err != nil {
		t.Errorf("%d documents, %v", n, err)
	}
}

func TestGzipIsUnderstood(t *testing.T) {
	cfg := stream(t)
	cfg.Compression = elasticsearch.CompressionGzip
	b := batch(t, 3000)
	write(t, open(t, cfg), b)
	check(t, server(t), cfg, cfg.DataStream.Name(), b)
}

func TestDocumentsThatDoNotFitTheMappingAreRejected(t *testing.T) {
	cfg := index(t, map[string]any{"properties": map[string]any{"message": map[string]any{"type": "long"}}})
	b := lines(t, "<13>1 - h a - - - 1", "<13>1 - h a - - - two", "<13>1 - h a - - - 3")
	r := write(t, open(t, cfg), b)
	if len(r) != 1 || r[0].Index != 1 || r[0].Status != 400 || !strings.Contains(r[0].Reason, "failed to parse field [message]") {
		t.Fatalf("rejections %+v", r)
	}
	if n, err := server(t).Count(cfg.Index); n != 2 || err != nil {
		t.Errorf("%d documents, %v", n, err)
	}
}

func TestConfigurationFaultsHoldAndLoseNothing(t *testing.T) {
	f := func(name string, cfg elasticsearch.Config, want string, mend func(cfg *elasticsearch.Config)) {
		t.Run(name, func(t *testing.T) {
			target := cfg.Index
			if cfg.Mode == elasticsearch.ModeDataStream {
				target = cfg.DataStream.Name()
			}
			b := batch(t, 10)
			o := open(t, cfg)
			err := o.Write(t.Context(), b)
			var r *outputs.Rejected
			if err == nil || errors.As(err, &r) || !strings.Contains(err.Error(), want) {
				t.Fatalf("Write returned %v", err)
			}
			before := cfg
			if mend(&cfg); !reflect.DeepEqual(before, cfg) {
				o = open(t, cfg)
			}
			write(t, o, b)
			check(t, server(t), cfg, target, b)
		})
	}
	settings := func(settings any) func(*elasticsearch.Config) {
		return func(cfg *elasticsearch.Config) { call(t, "PUT", "/"+cfg.Index+"/_settings", settings, nil) }
	}
	cfg := index(t, map[string]any{"dynamic": false})
	call(t, "PUT", "/"+cfg.Index+"/_settings", map[string]any{"index.blocks.write": true}, nil)
	f("write block", cfg, "index write", settings(map[string]any{"index.blocks.write": nil}))

	cfg.Index += "-closed"
	call(t, "PUT", "/"+cfg.Index, map[string]any{"mappings": map[string]any{"dynamic": false}}, nil)
	call(t, "POST", "/"+cfg.Index+"/_close", nil, nil)
	f("closed index", cfg, "index_closed_exception", func(cfg *elasticsearch.Config) {
		call(t, "POST", "/"+cfg.Index+"/_open?wait_for_active_shards=1", nil, nil)
	})

	cfg = stream(t)
	cfg.Pipeline = "nope"
	f("pipeline that is not there", cfg, "pipeline with id [nope] does not exist", func(cfg *elasticsearch.Config) { cfg.Pipeline = "" })

	cfg = stream(t)
	cfg.Mode, cfg.ManageTemplate, cfg.Index = elasticsearch.ModeIndex, false, "noautocreate-"+run
	call(t, "PUT", "/_cluster/settings", map[string]any{"persistent": map[string]any{"action.auto_create_index": "-noautocreate-*,+*"}}, nil)
	f("index that may not be created", cfg, "index_not_found_exception", func(*elasticsearch.Config) {
		call(t, "PUT", "/_cluster/settings", map[string]any{"persistent": map[string]any{"action.auto_create_index": nil}}, nil)
	})
}

func TestRandomNamesDoNotMakeTheMappingGrow(t *testing.T) {
	cfg := stream(t)
	o := open(t, cfg)
	write(t, o, lines(t, everything...))
	_, before, _ := mapping(t, server(t), cfg.DataStream.Name())
	messages := make([]string, 2000)
	for i := range messages {
		messages[i] = fmt.Sprintf(`<13>1 - h a - - [id%d@1 k%d="v%d" n%d.x="%s" n%d="1"] text`, i, i, i, i, strings.Repeat("long", 3000*(i%2)), i)
	}
	b := lines(t, messages...)
	b.First = 100
	if r := write(t, o, b); r != nil {
		t.Fatalf("rejected: %+v", r[0])
	}
	if _, after, _ := mapping(t, server(t), cfg.DataStream.Name()); !reflect.DeepEqual(before, after) {
		t.Errorf("the mapping grew from %d to %d fields", len(before), len(after))
	}
}

func TestLargeDocumentsAreTakenOrRejected(t *testing.T) {
	cfg := stream(t)
	b := lines(t, "<13>1 - h a - - - small", "<13>1 - h a - - - "+strings.Repeat("large ", 2<<20), "<13>1 - h a - - - small as well")
	if r := write(t, open(t, cfg), b); r != nil {
		t.Fatalf("rejected: %.300s", r[0].Reason)
	}
	check(t, server(t), cfg, cfg.DataStream.Name(), b)
	b = lines(t, "<13>1 - h c - - - before", "<13>1 - h c - - - "+strings.Repeat("large ", 50<<20/6), "<13>1 - h c - - - after")
	b.First = 100
	cfg.DataStream.Namespace += "c"
	if r := write(t, open(t, cfg), b); r != nil {
		t.Fatalf("50 MB rejected: %.300s", r[0].Reason)
	}
	check(t, server(t), cfg, cfg.DataStream.Name(), b)
	b = lines(t, "<13>1 - h b - - - before", "<13>1 - h b - - - "+strings.Repeat("huge ", 21<<20), "<13>1 - h b - - - after")
	cfg.DataStream.Namespace += "b"
	r := write(t, open(t, cfg), b)
	if len(r) != 1 || r[0].Index != 1 {
		t.Fatalf("%d rejections of a document of over 100 MB and two small ones", len(r))
	}
	t.Logf("status %d: %.200s", r[0].Status, r[0].Reason)
	if n, err := server(t).Count(cfg.DataStream.Name()); n != 2 || err != nil {
		t.Errorf("%d documents, %v", n, err)
	}
}

func TestIndicesFollowTheTime(t *testing.T) {
	cfg := stream(t)
	cfg.Mode, cfg.Index = elasticsearch.ModeIndex, "syslane"+run+"-%Y.%m.%d"
	b := batch(t, 10)
	write(t, open(t, cfg), b)
	check(t, server(t), cfg, "syslane"+run+"-2026.08.07", b)
	if _, fields, _ := mapping(t, server(t), "syslane"+run+"-2026.08.07"); fields["log.syslog.structured_data"]["type"] != "flattened" {
		t.Errorf("the template did not apply: %v", fields)
	}
}
