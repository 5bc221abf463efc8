package search

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// sieveQueries are queries with and without a text that can be looked for.
var sieveQueries = []string{"", "failed", "FAILED", "host:web1", "host:web*", "app:sshd failed", "not failed", "failed or accepted", "severity<=err", `"for bob"`, "/b[oa]b/", "émile", "nothing"}

func sieveOf(t testing.TB, texts ...string) *Sieve {
	t.Helper()
	var queries []*Query
	for _, text := range texts {
		q, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		queries = append(queries, q)
	}
	return NewSieve(queries)
}

func TestASieveFindsWhatEachQueryWouldFind(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	texts := []string{"Failed password for bob", "accepted for alice", "Émile has failed", "", "nothing to see", "bab"}
	s := sieveOf(t, sieveQueries...)
	for round := range 200 {
		var run []byte
		var events []syslog.Event
		for i := range random.IntN(20) {
			e := syslog.Event{ID: syslog.MakeID(time.Unix(int64(round), 0), [4]byte{1}, uint32(i)), Host: fmt.Sprint("web", random.IntN(3))}
			app, text := []string{"sshd", "cron"}[random.IntN(2)], texts[random.IntN(len(texts))]
			e.Raw = []byte(app + text)
			e.AppName, e.Text = syslog.Span{End: 4}, syslog.Span{Start: 4, End: uint32(len(e.Raw))}
			e.Severity = syslog.Severity(random.IntN(8))
			run = syslog.AppendRecord(run, &e)
			events = append(events, e)
		}
		var want, got []string
		for _, e := range events {
			for i, q := range s.queries {
				if q.Matcher().Match(&e) {
					want = append(want, fmt.Sprint(i, " ", e.ID))
				}
			}
		}
		unreadable := s.Each(run, func(query int, e *syslog.Event) { got = append(got, fmt.Sprint(query, " ", e.ID)) })
		if unreadable != 0 || !slices.Equal(got, want) {
			t.Fatalf("round %d: %d unreadable\n%q\n%q", round, unreadable, got, want)
		}
		if len(run) > 0 {
			s.Each(run[:random.IntN(len(run))], func(int, *syslog.Event) {}) // torn
		}
	}
}

func BenchmarkSieve(b *testing.B) {
	var run []byte
	const n = 1000
	for i := range n {
		e := syslog.Event{ID: syslog.MakeID(time.Unix(0, 0), [4]byte{1}, uint32(i)), Host: "web1.example.net"}
		e.Raw = []byte("sshdAccepted publickey for alice from 10.0.0.7 port 50122 ssh2: RSA SHA256:abcdefghijklmnopqrstuvwxyz")
		e.AppName, e.Text = syslog.Span{End: 4}, syslog.Span{Start: 4, End: uint32(len(e.Raw))}
		run = syslog.AppendRecord(run, &e)
	}
	for _, queries := range [][]string{{"failed"}, {"failed", "oom", `"disk full"`, "segfault"}, {"severity<=err"}, {""}} {
		b.Run(fmt.Sprint(len(queries), queries[0]), func(b *testing.B) {
			s := sieveOf(b, queries...)
			b.SetBytes(int64(len(run)))
			b.ReportAllocs()
			for b.Loop() {
				s.Each(run, func(int, *syslog.Event) {})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/msg")
		})
	}
}
