package elasticsearch

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/syslog"
)

func TestNodesTakeTurnsAndRestAfterAFailure(t *testing.T) {
	now := batchTime
	var conns []*elastictransport.Connection
	for _, host := range []string{"a:1", "b:1", "c:1"} {
		conns = append(conns, &elastictransport.Connection{URL: &url.URL{Scheme: "http", Host: host}})
	}
	h := newHosts(conns, func() time.Time { return now })
	f := func(want string) {
		t.Helper()
		got := ""
		for range len(want) {
			c, err := h.Next()
			if err != nil {
				t.Fatal(err)
			}
			got += c.URL.Host[:1]
		}
		if got != want {
			t.Errorf("turns %s, want %s", got, want)
		}
	}
	f("abcabc")
	h.report("b:1", false)
	f("acac")
	now = now.Add(restMin)
	f("abc")
	h.report("a:1", false)
	h.report("b:1", false)
	h.report("b:1", false)
	h.report("c:1", false)
	f("aca") // all rest: those whose rest ends first
	now = now.Add(restMin)
	f("caca")
	for range 100 {
		h.report("b:1", false)
	}
	now = now.Add(restMax)
	f("bca")
	h.report("b:1", true)
	h.report("b:1", false)
	now = now.Add(restMin)
	f("bca")
}

func TestPaceSlowsDownAndRecovers(t *testing.T) {
	p := newPace(8, 8<<20)
	step := func(turnedAway bool) {
		t.Helper()
		if err := p.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.end(time.Now(), turnedAway)
	}
	if step(true); int(p.limit) != 4 || p.request() != 4<<20 {
		t.Fatalf("limit %v, size %d", p.limit, p.request())
	}
	// What was under way when the pace was reduced does not reduce it again.
	if err := p.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.end(batchTime, true)
	if int(p.limit) != 4 {
		t.Fatalf("limit %v", p.limit)
	}
	for range 50 {
		step(true)
	}
	if p.limit != 1 || p.request() != minSize {
		t.Fatalf("limit %v, size %d", p.limit, p.request())
	}
	for range 200 {
		step(false)
	}
	if int(p.limit) != 8 || p.request() != 8<<20 {
		t.Errorf("limit %v, size %d", p.limit, p.request())
	}
	p.tooLarge(3 << 20)
	for range 200 {
		step(false)
	}
	if p.request() != 3<<20/2 {
		t.Errorf("size %d after 413", p.request())
	}
}

func TestPaceBoundsRequestsUnderWay(t *testing.T) {
	p := newPace(1, 1<<20)
	if err := p.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.begin(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("a second request may begin: %v", err)
	}
	began := make(chan error)
	go func() { began <- p.begin(t.Context()) }()
	p.end(time.Now(), false)
	if err := <-began; err != nil {
		t.Error(err)
	}
}

func TestIndexNames(t *testing.T) {
	f := func(pattern string, event, received time.Time, want string) {
		t.Helper()
		p, err := parseIndexPattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		e := &syslog.Event{ID: syslog.MakeID(received, [4]byte{}, 0)}
		if e.Timestamp = syslog.NoTimestamp; !event.IsZero() {
			e.Timestamp = event.UnixNano()
		}
		for range 2 { // the second from the cache
			if got := string(p.name(e)); got != want {
				t.Errorf("%s at %v gives %s, want %s", pattern, event, got, want)
			}
		}
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f("all", at, at, "all")
	f("syslog-%Y.%m.%d", at, at, "syslog-2026.01.02")
	f("%y%j-%H.x", at, at, "26002-03.x")
	f("w-%G-%V", time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), "w-2026-53")
	f("s-%d", at.Add(-3*time.Hour-4*time.Minute-6*time.Second), at, "s-01")
	f("s-%d", time.Time{}, at, "s-02")
	f("s-%Y", time.Date(1903, 1, 1, 0, 0, 0, 0, time.UTC), at, "s-2026")
	f("s-%Y", time.Unix(0, 1<<63-1), at, "s-2026")
	f("s-%Y", time.Unix(0, -1<<63+1), at, "s-2026")
	f("s-%m.%d", at.Add(maxSkew), at, "s-01.09")
	f("s-%m.%d", at.Add(maxSkew+1), at, "s-01.02")
	f("s-%Y.%m.%d", time.Unix(-1, 0), time.Unix(0, 0), "s-1969.12.31")

	p, _ := parseIndexPattern("h-%H")
	for hour := range 50 {
		e := &syslog.Event{ID: syslog.MakeID(at.Add(time.Duration(hour)*time.Hour), [4]byte{}, 0)}
		e.Timestamp = syslog.NoTimestamp
		if got, want := string(p.name(e)), at.Add(time.Duration(hour)*time.Hour).Format("h-15"); got != want {
			t.Fatalf("hour %d: %s", hour, got)
		}
	}
	bad := func(pattern string) {
		t.Helper()
		if _, err := parseIndexPattern(pattern); err == nil || !strings.Contains(err.Error(), "index = ") {
			t.Errorf("%q: %v", pattern, err)
		}
	}
	for _, pattern := range []string{"", "%", "%Y", "a%", "a%q", "Upper-%Y", "a b", "a*", "a,b", "-a", "_a", "+a", ".a", "a\"", strings.Repeat("a", 300)} {
		bad(pattern)
	}
}

func TestConfigurationMistakesNameTheirKey(t *testing.T) {
	f := func(change func(*Config), want string) {
		t.Helper()
		cfg := DefaultConfig()
		change(&cfg)
		err := cfg.Validate()
		if want == "" {
			if err != nil {
				t.Errorf("%v", err)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	secret := config.NewSecret("hunter2")
	f(func(*Config) {}, "")
	f(func(c *Config) {
		c.Hosts = []config.Address{"es1", "es1:9201", "https://es.example.net/path", "http://u:hunter2@[::1]:9200"}
	}, "")
	f(func(c *Config) { c.Hosts = []config.Address{"ftp://x"} }, "hosts")
	f(func(c *Config) { c.Hosts = []config.Address{""} }, "hosts")
	f(func(c *Config) { c.Hosts = []config.Address{"http://u:hunter2@"} }, "hosts")
	f(func(c *Config) { c.Hosts = []config.Address{"http://x?y=1"} }, "hosts")
	f(func(c *Config) { c.Hosts, c.CloudID = []config.Address{"x"}, "y" }, "cloud_id")
	f(func(c *Config) { c.APIKey, c.ServiceToken = secret, secret }, "api_key")
	f(func(c *Config) { c.Username = "u" }, "password")
	f(func(c *Config) { c.Password = secret }, "username")
	f(func(c *Config) { c.Mode = "stream" }, `mode = "stream"`)
	f(func(c *Config) { c.ID = "x" }, "id = ")
	f(func(c *Config) { c.Compression = "zstd" }, "compression = ")
	f(func(c *Config) { c.Flavor = "x" }, "flavor = ")
	f(func(c *Config) { c.FlushInterval = time.Hour }, "flush_interval = ")
	f(func(c *Config) { c.CatchUp = "newest-first" }, "catch_up = ")
	f(func(c *Config) { c.DeadLetterIndex = "Dead" }, "dead_letter_index = ")
	f(func(c *Config) { c.DeadLetterIndex = "dead-%Y" }, "dead_letter_index = ")
	f(func(c *Config) { c.DeadLetterIndex = "logs-syslog-default" }, "dead_letter_index = ")
	f(func(c *Config) { c.DataStream.Dataset = "a-b" }, "data_stream.dataset")
	f(func(c *Config) { c.DataStream.Namespace = "" }, "data_stream.namespace")
	f(func(c *Config) { c.DataStream.Type = "_logs" }, "data_stream.type")
	f(func(c *Config) { c.DataStream.Type = "Logs" }, "data_stream.type")
	f(func(c *Config) { c.Mode, c.Index = ModeIndex, "A" }, "index = ")
	f(func(c *Config) { c.Workers = 0 }, "workers")
	f(func(c *Config) { c.BulkMaxBytes = 1 }, "bulk_max_bytes")
	f(func(c *Config) { c.BulkMaxBytes = 1 << 40 }, "bulk_max_bytes")
	f(func(c *Config) { c.BulkMaxDocs = 0 }, "bulk_max_docs")
	f(func(c *Config) { c.Timeout = 0 }, "timeout")
	f(func(c *Config) { c.BackoffMax = 0 }, "backoff_max")
	f(func(c *Config) { c.Headers = map[string]config.Secret{"a": config.NewSecret("b\n")} }, "headers")
	f(func(c *Config) { c.Headers = map[string]config.Secret{"content-type": config.NewSecret("b")} }, "headers")
	f(func(c *Config) { c.ProxyURL = "proxy" }, "proxy_url")
	f(func(c *Config) { c.ProxyURL = "u:hunter2@proxy:3128" }, "proxy_url")
	f(func(c *Config) { c.TLS.CAFingerprint = "12:34" }, "ca_fingerprint")
	f(func(c *Config) { c.TLS.CAFingerprint, c.TLS.CAFile = strings.Repeat("ab:", 31)+"ab", "x" }, "ca_fingerprint")
	f(func(c *Config) { c.TLS.CAFingerprint = strings.Repeat("ab:", 31) + "ab" }, "")
}

func TestHostsWithoutASchemeMeanPort9200(t *testing.T) {
	f := func(host config.Address, want string) {
		t.Helper()
		if u, err := hostURL(host); err != nil || u.String() != want {
			t.Errorf("%s gives %v, %v, want %s", host, u, err, want)
		}
	}
	f("es1", "http://es1:9200")
	f("es1:9201", "http://es1:9201")
	f("[::1]", "http://[::1]:9200")
	f("http://es1", "http://es1")
	f("https://es1/prefix/", "https://es1/prefix")
}

func TestAPIKeyIsTakenInBothForms(t *testing.T) {
	if got := apiKey("VuaCfGcBCdbkQm-e5aOx:ui2lp2axTNmsyakw9tvNnw"); got != "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==" {
		t.Error(got)
	}
	if got := apiKey("VnVhQ2ZHY0JDZGJrUW0tZTVhT3g="); got != "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g=" {
		t.Error(got)
	}
}
