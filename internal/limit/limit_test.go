package limit

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/syslog"
)

func event(host string) *syslog.Event {
	e := &syslog.Event{Host: host}
	e.Timestamp = 1
	return e
}

func byHost(rate float64, burst int) *Rule {
	return New(Config{Name: "r", By: []func(*match.Message) string{match.Text("host")}, Rate: rate, Burst: burst, Summarise: true})
}

func describe(e *syslog.Event) []byte { return []byte(e.Host) }

var start = time.Unix(1_800_000_000, 0)

func TestABurstPassesAndThenTheRate(t *testing.T) {
	r := byHost(10, 5)
	var m match.Message
	passed := 0
	for i := range 1000 { // in ten seconds
		e := event("web1")
		m.Reset(e)
		if ok, _ := r.Allow(start.Add(time.Duration(i)*10*time.Millisecond), nil, &m, e, describe); ok {
			passed++
		}
	}
	if passed < 100 || passed > 106 {
		t.Errorf("%d of 1000 messages passed in ten seconds", passed)
	}
	told := r.Told(start)
	if len(told) != 1 || told[0].Count != uint64(1000-passed) || told[0].Key != "web1" || string(told[0].Example) != "web1" {
		t.Errorf("told: %+v", told)
	}
	if len(r.Told(start)) != 0 {
		t.Error("told twice")
	}
}

// Whoever sends however much: what passed and what is told is what came, no key has
// more than its share, and no more buckets than there may be.
func TestTheCountsAddUpAndNobodyHasMoreThanItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		perSecond, burst := rapid.IntRange(1, 50).Draw(t, "rate"), rapid.IntRange(1, 20).Draw(t, "burst")
		r := byHost(float64(perSecond), burst)
		var m match.Message
		passed, came, told := map[string]int{}, map[string]int{}, map[string]int{}
		now := start
		for range rapid.IntRange(1, 200).Draw(t, "messages") {
			now = now.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "pause")) * time.Millisecond)
			e := event(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "host"))
			m.Reset(e)
			came[e.Host]++
			if ok, _ := r.Allow(now, nil, &m, e, describe); ok {
				passed[e.Host]++
			}
			if rapid.IntRange(0, 20).Draw(t, "tell") == 0 {
				for _, x := range r.Told(now) {
					told[x.Key] += int(x.Count)
				}
			}
		}
		for _, x := range r.Told(now) {
			told[x.Key] += int(x.Count)
		}
		for host, n := range came {
			if passed[host]+told[host] != n {
				t.Fatalf("%s sent %d, %d passed and %d are told", host, n, passed[host], told[host])
			}
			if most := float64(burst) + float64(perSecond)*now.Sub(start).Seconds() + 1; float64(passed[host]) > most {
				t.Fatalf("%d of %s passed, at most %v may", passed[host], host, most)
			}
		}
	})
}

func TestInventedNamesShareABucket(t *testing.T) {
	r := byHost(1, 2)
	var m match.Message
	passed := 0
	const names = 3 * MaxBuckets
	for i := range names {
		for range 3 {
			e := event(fmt.Sprint("host", i))
			m.Reset(e)
			if ok, _ := r.Allow(start, nil, &m, e, describe); ok {
				passed++
			}
		}
	}
	if len(r.buckets) > MaxBuckets || passed > 2*MaxBuckets+2 {
		t.Errorf("%d buckets, %d messages passed", len(r.buckets), passed)
	}
	var told uint64
	for _, x := range r.Told(start) {
		told += x.Count
	}
	if told+uint64(passed) != 3*names {
		t.Errorf("%d are told and %d passed of %d", told, passed, 3*names)
	}
	r.Told(start.Add(time.Hour))
	if len(r.buckets) != 0 {
		t.Errorf("%d buckets are left after an hour", len(r.buckets))
	}
}

func BenchmarkAllow(b *testing.B) {
	r := byHost(1000, 1000)
	var m match.Message
	e := event("web1")
	var key []byte
	b.ReportAllocs()
	for b.Loop() {
		m.Reset(e)
		_, key = r.Allow(start, key, &m, e, describe)
	}
}
