package elasticsearch

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/syslane/syslane/internal/config"
)

func TestRequestsCarryTheCredentialsAndHeadersThatAreConfigured(t *testing.T) {
	f := func(name string, change func(*Config), header, want string) {
		t.Run(name, func(t *testing.T) {
			s := newBulkServer(t)
			cfg := testConfig(s.url)
			change(&cfg)
			deliver(t, newOutput(t, cfg), newBatch(3, nil), 1)
			for _, r := range s.requests {
				if got := r.header.Get(header); got != want {
					t.Errorf("%s is %q, want %q", header, got, want)
				}
			}
			if len(s.requests) == 0 {
				t.Error("no request came")
			}
		})
	}
	pair := base64.StdEncoding.EncodeToString([]byte("id:key"))
	f("encoded API key", func(c *Config) { c.APIKey = config.NewSecret(pair) }, "Authorization", "APIKey "+pair)
	f("API key as a pair", func(c *Config) { c.APIKey = config.NewSecret("id:key") }, "Authorization", "APIKey "+pair)
	f("password", func(c *Config) { c.Username, c.Password = "u", config.NewSecret("p") }, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("u:p")))
	f("service token", func(c *Config) { c.ServiceToken = config.NewSecret("AAEAAW") }, "Authorization", "Bearer AAEAAW")
	f("headers", func(c *Config) { c.Headers = map[string]config.Secret{"X-Tenant": config.NewSecret("blue")} }, "X-Tenant", "blue")
	f("name of the program", func(*Config) {}, "User-Agent", "Syslane")
}

func TestRequestsGoThroughTheProxy(t *testing.T) {
	s := newBulkServer(t)
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	var through atomic.Int64
	forward := httputil.NewSingleHostReverseProxy(target)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "es.example.net:9200" {
			t.Errorf("proxy was asked for %q", r.Host)
		}
		through.Add(1)
		forward.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	cfg := testConfig("http://es.example.net:9200")
	cfg.ProxyURL = config.Address(proxy.URL)
	b := newBatch(30, nil)
	checkDocuments(t, s, b, deliver(t, newOutput(t, cfg), b, 1))
	if through.Load() == 0 {
		t.Error("nothing went through the proxy")
	}
}

func TestCloudIDNamesTheDeployment(t *testing.T) {
	cfg := DefaultConfig()
	cfg.CloudID = "name:" + base64.StdEncoding.EncodeToString([]byte("eu-west-1.aws.example.net$abc$def"))
	_, transport, err := newClient(&cfg.Access, 2, "es")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(transport.hosts.URLs()); !strings.Contains(got, "https://abc.eu-west-1.aws.example.net") {
		t.Errorf("requests go to %s", got)
	}
}
