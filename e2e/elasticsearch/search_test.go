package elasticsearch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	es "github.com/elastic/go-elasticsearch/v8"

	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

// queries are asked of the log and of Elasticsearch.
var queries = []string{
	"", "failed", "FAILED password", `"failed password"`, `"password for inv"`, "inval*", "*word", "*ail*", "not failed", "failed or accepted",
	"bar", "foo.bar", "10.0.0.1", "0.0.1", "under_score", "score", "émile", "ÉMILE", "naïve", "中文", "don't", "t", "a-b", "b",
	"host:web1", "host:web*", "host:*1", "host:WEB1", "host:(web1 or db1)", "app:sshd", "-app:sshd", "app:*", "-procid:*", "procid:70*", "msgid:ID47",
	"severity<=err", "severity>4", "severity:e*", "not severity:info", "facility:auth", "facility:(kern or auth)",
	"format:rfc5424", "tags:*", "input:*", "path:*", "sd.x@1.user:bob", "sd.x@1.user:*", "sd.x@1:*", `sd.x@1.user:"b]o\"b"`, "bob",
	"@timestamp>=2026-01-31T10:00:05Z", "@timestamp<2026-01-31T10:00:05.0005Z", "not @timestamp<2026-01-31T10:00:03Z", "@timestamp>2026-01-31T10:00:03Z failed",
	`/fail(ed|ure)/`, `/(?i)FAILED .* admin/`, `host:/^web\d$/`, "message:failed", "message:sshd", "host:web1 (failed or accepted) severity<=warning",
	"failed | first 3", "failed | last 2", "| sort host, -severity | first 5", "host:web1 | sort message | fields host, message", "app:sshd | fields id, @timestamp",
	"| count", "nothing | count", "| count by host", "| count by host, app", "failed | count by host", "severity<=err | count by app, severity",
	"| top 2 host", "| top 1 app, severity", "| count by sd.x@1.user", "| count by source", "| count by msgid", "| count by facility",
	"| histogram 1s", "| histogram 2s by severity", "failed | histogram 3s by host", "| histogram", "| rate 5s by app", "| facets 2 host, app, severity, procid",
	"host:web* | histogram 1m by app", "| count by app | sort app | last 2", "@timestamp>=2026-01-31T10:00:05Z | count by host",
	"/fail/ | count by host", "not (host:web1 and app:sshd) | count by host, app",
}

func TestElasticsearchAnswersAsTheLogDoes(t *testing.T) {
	server := server(t)
	cfg := stream(t)
	out := open(t, cfg)
	var messages []string
	texts := []string{"Failed password for invalid user admin from 10.0.0.1 port 22", "Accepted publickey for bob", "foo.bar baz", "see under_score here",
		"Émile is naïve", "don't a-b 中文", "connection failure", "", "110.0.0.1 and 10.0.0.10", "failed", "x_failed", "user:bar,bar2"}
	for i := range 60 {
		host := []string{"web1", "web2", "db1", "Web1"}[i%4]
		app := []string{"sshd", "cron", "-", "nginx", "kernel"}[i%5]
		procid := []string{"-", "701", "702"}[i%3]
		sd := []string{"-", `[x@1 user="bob"]`, `[x@1 user="b\]o\"b" n="1"][y z="2"]`}[i/4%3]
		messages = append(messages, fmt.Sprintf("<%d>1 2026-01-31T10:00:%02d.%03dZ %s %s %s %s %s %s", (i%3)*32+i%8, i/6, i*7%1000, host, app, procid,
			[]string{"-", "ID47"}[i%2], sd, texts[i%len(texts)]))
	}
	b := lines(t, messages...)
	if rejected := write(t, out, b); len(rejected) > 0 {
		t.Fatal(rejected)
	}
	if n, err := server.Count(cfg.DataStream.Name()); err != nil || n != len(messages) {
		t.Fatal(n, err)
	}
	first := time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)
	log, err := spool.Open(spool.Config{Dir: t.TempDir(), KeepDelivered: true, Sync: spool.SyncOS, MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if _, err := log.Append(context.Background(), spool.Batch{Records: b.Events, Count: b.Count, MinTime: first.UnixNano(), MaxTime: first.Add(10*time.Second).UnixNano() - 1}); err != nil {
		t.Fatal(err)
	}
	client, err := es.NewBaseClient(es.Config{Addresses: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	local, remote := search.NewLocal(log.View()), &search.Elastic{Client: client, Index: cfg.DataStream.Name(), Page: 7}
	for _, query := range queries {
		for _, limit := range []int{0, 4} {
			for _, order := range []search.Order{search.NewestFirst, search.OldestFirst} {
				r := search.Request{Query: query, Limit: limit, Order: order}
				want, got := answers(t, local, r), answers(t, remote, r)
				if !slices.Equal(got, want) {
					t.Errorf("%q, limit %d, %s first: %d and %d results\nElasticsearch: %q\nthe log:       %q", query, limit, order, len(got), len(want), got, want)
				}
			}
		}
	}
}

// answers returns the ids of the events, or the rows, that a search finds.
func answers(t *testing.T, s search.Searcher, r search.Request) (list []string) {
	t.Helper()
	_, err := s.Search(context.Background(), r, func(doc []byte) error {
		var d struct{ Event *struct{ ID string } }
		if err := json.Unmarshal(doc, &d); err != nil {
			return err
		}
		if d.Event != nil {
			doc = []byte(d.Event.ID)
		}
		list = append(list, string(doc))
		return nil
	})
	if err != nil {
		t.Errorf("%q: %v", r.Query, err)
	}
	return list
}
