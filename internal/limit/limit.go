// Package limit holds back what comes too fast: a token bucket for each source,
// host, application or whatever else tells messages apart.
//
// Memory is bounded. Buckets that are full again are forgotten, since a new one is
// full too; when there are still too many, all further keys share one bucket, so
// that nobody escapes a limit by inventing names.
package limit

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/syslog"
)

// MaxBuckets is the most buckets that a rule has, besides the shared one.
const MaxBuckets = 1 << 14

// maxKey is the most octets of a key that are kept.
const maxKey = 256

// Config is one rule.
type Config struct {
	// Name names the rule in metrics and in what is told of it.
	Name string
	// Match is the condition; nil matches every message.
	Match *match.Expr
	// By return the key that has a bucket of its own, part by part; without any there
	// is one bucket.
	By []func(*match.Message) string
	// Rate is how many messages a second may pass for long, Burst how many at once.
	Rate  float64
	Burst int
	// Summarise has what was held back told for each key; otherwise it is told for
	// the rule as a whole.
	Summarise bool
}

// Rule is a rule at work. It may be used by many goroutines at once.
type Rule struct {
	cfg Config

	mu      sync.Mutex
	buckets map[string]*bucket
	// forgot is when full buckets were last forgotten.
	forgot time.Time
	// shared is for keys beyond MaxBuckets.
	shared *bucket
	// excess are the buckets that held something back since it was told, in the
	// order in which they began.
	excess []*bucket
}

// bucket is that of one key.
type bucket struct {
	key    string
	tokens *rate.Limiter
	held   Excess
}

// Excess is what was held back of one key.
type Excess struct {
	// Key is what the key's parts were, with a space between.
	Key string
	// Count is how many messages, First and Last the least and greatest of their
	// times, in nanoseconds since 1970.
	Count       uint64
	First, Last int64
	// Example describes the first of them, as the caller encoded it; nil where the
	// rule does not summarise.
	Example []byte
}

// New returns a rule.
func New(c Config) *Rule {
	r := &Rule{cfg: c, buckets: make(map[string]*bucket)}
	r.shared = r.bucket("(others)")
	return r
}

func (r *Rule) bucket(key string) *bucket {
	return &bucket{key: key, tokens: rate.NewLimiter(rate.Limit(r.cfg.Rate), r.cfg.Burst)}
}

// Name returns the rule's name.
func (r *Rule) Name() string { return r.cfg.Name }

// Summarises tells whether what is held back is told for each key.
func (r *Rule) Summarises() bool { return r.cfg.Summarise }

// Condition returns the rule's condition, nil for none.
func (r *Rule) Condition() *match.Expr { return r.cfg.Match }

// Allow tells whether m, which stands for e, may pass at a time. What may not is
// counted; describe encodes the first of a key, where it is wanted. key is scratch
// space, which is returned.
func (r *Rule) Allow(now time.Time, key []byte, m *match.Message, e *syslog.Event, describe func(*syslog.Event) []byte) (bool, []byte) {
	if r.cfg.Match != nil && !r.cfg.Match.Match(m) {
		return true, key
	}
	key = key[:0]
	for i, part := range r.cfg.By {
		if i > 0 {
			key = append(key, ' ')
		}
		key = append(key, part(m)...)
	}
	key = key[:min(len(key), maxKey)]
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[string(key)]
	if b == nil {
		b = r.add(now, string(key))
	}
	if b.tokens.AllowN(now, 1) {
		return true, key
	}
	at := e.TimeNano()
	if b.held.Count == 0 {
		b.held = Excess{Key: b.key, First: at, Last: at}
		if r.cfg.Summarise {
			b.held.Example = describe(e)
		}
		r.excess = append(r.excess, b)
	}
	b.held.Count++
	b.held.First, b.held.Last = min(b.held.First, at), max(b.held.Last, at)
	return false, key
}

// add makes the bucket of a key. r.mu is held.
func (r *Rule) add(now time.Time, key string) *bucket {
	if len(r.buckets) >= MaxBuckets && now.Sub(r.forgot) >= time.Second {
		r.forget(now) // no oftener: it looks at all of them
	}
	if len(r.buckets) >= MaxBuckets {
		return r.shared
	}
	b := r.bucket(key)
	r.buckets[key] = b
	return b
}

// forget drops the buckets that are full and have nothing to tell.
func (r *Rule) forget(now time.Time) {
	r.forgot = now
	for key, b := range r.buckets {
		if b.held.Count == 0 && b.tokens.TokensAt(now) >= float64(r.cfg.Burst) {
			delete(r.buckets, key)
		}
	}
}

// Told returns what was held back since the last call, the most first.
func (r *Rule) Told(now time.Time) []Excess {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Excess
	for _, b := range r.excess {
		all = append(all, b.held)
		b.held = Excess{}
	}
	r.excess = nil
	r.forget(now)
	slices.SortStableFunc(all, func(a, b Excess) int {
		switch {
		case a.Count > b.Count:
			return -1
		case a.Count < b.Count:
			return 1
		}
		return 0
	})
	return all
}
