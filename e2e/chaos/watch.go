package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
)

const (
	// late is the age at which a message that arrives is late.
	late = 2 * time.Second
	// recovery is how long after the last fault all must be as if there had been none.
	recovery = 30 * time.Second
)

// observer watches the collectors' live tails, and notes when each message arrived
// first, and in which order.
type observer struct {
	mu sync.Mutex
	// seen holds, by agent, which numbers have arrived anywhere.
	seen map[string]map[int64]bool
	// newest is the highest number that a collector has of an agent.
	newest map[string]int64
	delays []time.Duration
	// disordered counts messages behind a later one of their agent, at one collector.
	disordered int
	// lastLate is when the last message arrived that was late.
	lastLate time.Time
	tails    sync.WaitGroup
	cancel   context.CancelFunc
}

func observe(t testing.TB, c *cluster) *observer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	o := &observer{seen: map[string]map[int64]bool{}, newest: map[string]int64{}, cancel: cancel}
	for _, n := range c.collectors {
		o.tails.Go(func() { o.follow(ctx, n) })
	}
	t.Cleanup(o.end)
	return o
}

// end stops watching.
func (o *observer) end() {
	o.cancel()
	o.tails.Wait()
}

// follow tails a collector, through its restarts, until ctx ends.
func (o *observer) follow(ctx context.Context, n *node) {
	client := http.Client{Transport: &http.Transport{DialContext: n.host.dial, DisableKeepAlives: true}}
	cursor := ""
	for ctx.Err() == nil {
		o.tail(ctx, &client, n, &cursor)
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (o *observer) tail(ctx context.Context, client *http.Client, n *node, cursor *string) {
	request, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://%s/api/v1/tail?%s", n.syslane().HTTP, url.Values{"q": {"app:chaos"}, "cursor": {*cursor}}.Encode()), nil)
	if err != nil {
		return
	}
	resp, err := client.Do(request)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var item struct {
			Cursor string
			Event  struct{ Message string }
		}
		if json.Unmarshal(lines.Bytes(), &item) != nil {
			return
		}
		if item.Cursor != "" {
			*cursor = item.Cursor
		}
		if m, err := parseText(item.Event.Message); err == nil {
			o.arrived(n.name, m)
		}
	}
}

func (o *observer) arrived(collector string, m message) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at := collector + " " + m.agent; m.number < o.newest[at] {
		o.disordered++
	} else {
		o.newest[at] = m.number
	}
	seen := o.seen[m.agent]
	if seen == nil {
		seen = map[int64]bool{}
		o.seen[m.agent] = seen
	}
	if seen[m.number] {
		return
	}
	seen[m.number] = true
	delay := time.Since(m.sent)
	o.delays = append(o.delays, delay)
	if delay > late {
		o.lastLate = time.Now()
	}
}

// heard is the number after the newest that has arrived of an agent, at any collector.
func (o *observer) heard(agent string) (number int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for n := range o.seen[agent] {
		number = max(number, n+1)
	}
	return number
}

// wait waits until the tails have shown each number that the collectors' logs hold, and
// fails the test where they do not: what they leave out is late without being seen. The
// number of an entry is in its text, for the tails.
func (o *observer) wait(t testing.TB, k *checker) {
	t.Helper()
	if err := await.Nil(recovery, func() error { return o.missing(k) }); err != nil {
		t.Errorf("the live tails have not shown what the logs hold: %v", err)
	}
}

func (o *observer) missing(k *checker) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for name, y := range k.tallies {
		missing := y.numbers(func(n int64) bool { return len(y.events[n]) > 0 && !y.textless[n] && !o.seen[name][n] })
		if len(missing) > 0 {
			return fmt.Errorf("of %s they lack %s", name, ranges(missing))
		}
	}
	return nil
}

// recovered returns how long after since the last late message arrived.
func (o *observer) recovered(since time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return max(0, o.lastLate.Sub(since))
}

func (o *observer) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.delays) == 0 {
		return "saw nothing"
	}
	slices.Sort(o.delays)
	at := func(p float64) time.Duration {
		return o.delays[int(p*float64(len(o.delays)-1))].Round(time.Millisecond)
	}
	return fmt.Sprintf("saw %d messages arrive; delay p50 %v, p99 %v, most %v; %d behind a later one of their agent", len(o.delays), at(0.5), at(0.99), at(1), o.disordered)
}
