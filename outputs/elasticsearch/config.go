package elasticsearch

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/tlsconf"
)

// The values of Target.Mode, Config.ID, Config.Compression, Access.Flavor and
// Config.CatchUp.
const (
	ModeDataStream = "data_stream"
	ModeIndex      = "index"

	IDEvent = "event"
	IDAuto  = "auto"

	CompressionNone = "none"
	CompressionGzip = "gzip"

	FlavorAuto          = "auto"
	FlavorElasticsearch = "elasticsearch"
	FlavorOpenSearch    = "opensearch"

	CatchUpInterleave  = "interleave"
	CatchUpOldestFirst = "oldest-first"
)

// Config is the output's table in the configuration.
type Config struct {
	Access
	Target

	// ID is "event" (default): the event's id is the document's _id, so that an
	// event that is sent twice makes one document; or "auto": Elasticsearch
	// chooses the _id, which costs it less, and a lost answer makes duplicates.
	ID string `toml:"id" enum:"event,auto"`
	// Pipeline is the ingest pipeline to go through; "" for the index's default.
	Pipeline string `toml:"pipeline"`
	// Original adds the message as it was received as event.original.
	Original bool `toml:"original"`

	// Compression of requests is "none" (default) or "gzip", which costs several
	// times the CPU of all else here and pays where the network is slow.
	Compression string `toml:"compression" enum:"none,gzip"`
	// Workers is how many requests may be under way at once. Default 2.
	Workers int `toml:"workers"`
	// BulkMaxBytes and BulkMaxDocs bound a request: its octets before
	// compression and its documents. A larger document goes alone. Defaults
	// 5MiB and 5000.
	BulkMaxBytes config.Size `toml:"bulk_max_bytes"`
	BulkMaxDocs  int         `toml:"bulk_max_docs"`
	// FlushInterval is how long messages are gathered after requests that were not
	// full. Default 0: what comes while one is under way is in the next.
	FlushInterval time.Duration `toml:"flush_interval"`
	// BackoffInit and BackoffMax bound the pause before what was turned away for
	// the moment is sent again. Defaults 200ms and 10s.
	BackoffInit time.Duration `toml:"backoff_init"`
	BackoffMax  time.Duration `toml:"backoff_max"`

	// CatchUp is what an output does that has fallen behind, as after an outage:
	// "interleave" (default) sends new messages between the backlog, so that they are
	// found within seconds; "oldest-first" sends all in the order of the log.
	CatchUp string `toml:"catch_up" enum:"interleave,oldest-first"`

	// DeadLetterIndex is a data stream (in mode "index": an index) that takes the
	// messages whose documents are refused for good, as text with the reason. What
	// cannot go there either goes to the file of the dead letter, as all does where
	// this is "", the default.
	DeadLetterIndex string `toml:"dead_letter_index"`

	// ManageTemplate lets the output install its index template where there is
	// none or an older one. Default true.
	ManageTemplate bool `toml:"manage_template"`
	// Retention is after which time the server deletes documents: the lifecycle of
	// the data stream, an ILM policy, or an ISM policy of OpenSearch, installed with
	// the template. 0, the default, leaves that to others.
	Retention time.Duration `toml:"retention"`
}

// Access is how the servers are reached, by who writes there and by who asks them.
type Access struct {
	// Hosts are the nodes: "http://localhost:9200", "https://es1.example.net:9200";
	// without a scheme, http and port 9200 are meant. Requests take turns; a node
	// that fails rests. Default http://localhost:9200.
	Hosts []config.Address `toml:"hosts"`
	// CloudID names an Elastic Cloud deployment, in place of hosts.
	CloudID string `toml:"cloud_id"`
	// APIKey is an API key as Elasticsearch shows it, either encoded or "id:key".
	APIKey config.Secret `toml:"api_key"`
	// Username and Password are for basic authentication.
	Username string        `toml:"username"`
	Password config.Secret `toml:"password"`
	// ServiceToken is a bearer token of a service account.
	ServiceToken config.Secret `toml:"service_token"`

	// Timeout bounds one request with its answer.
	Timeout time.Duration `toml:"timeout"`
	// Headers are added to each request.
	Headers map[string]config.Secret `toml:"headers"`
	// ProxyURL is the HTTP proxy; "" for what the environment says.
	ProxyURL config.Address `toml:"proxy_url"`
	// TLS applies to hosts with https.
	TLS TLS `toml:"tls"`

	// Flavor is "auto" (default), "elasticsearch" or "opensearch".
	Flavor string `toml:"flavor" enum:"auto,elasticsearch,opensearch"`
}

// Target is where documents are.
type Target struct {
	// Mode is "data_stream" (default) or "index".
	Mode string `toml:"mode" enum:"data_stream,index"`
	// DataStream is the stream's name in its three parts.
	DataStream DataStream `toml:"data_stream"`
	// Index is the name in mode "index". %Y %y %m %d %H %j %G and %V stand for
	// parts of the event's time in UTC (of its receive time, where the two are
	// more than a week apart). Default "syslog-%Y.%m.%d".
	Index string `toml:"index"`
}

// DataStream is the naming scheme <type>-<dataset>-<namespace>.
type DataStream struct {
	// Defaults "logs", "syslog" and "default".
	Type      string `toml:"type"`
	Dataset   string `toml:"dataset"`
	Namespace string `toml:"namespace"`
}

// Name returns the name of the stream.
func (d DataStream) Name() string { return d.Type + "-" + d.Dataset + "-" + d.Namespace }

// TLS is the tls table.
type TLS struct {
	tlsconf.Options
	// CAFingerprint is the SHA-256 fingerprint in hex of a CA certificate that
	// the server shows, as Elasticsearch prints it on its first start.
	CAFingerprint string `toml:"ca_fingerprint"`
}

// DefaultConfig returns the defaults, to decode a table onto.
func DefaultConfig() Config {
	return Config{
		Access: Access{Timeout: 90 * time.Second, Flavor: FlavorAuto},
		Target: Target{
			Mode:       ModeDataStream,
			DataStream: DataStream{Type: "logs", Dataset: "syslog", Namespace: "default"},
			Index:      "syslog-%Y.%m.%d",
		},
		ID:             IDEvent,
		Compression:    CompressionNone,
		Workers:        2,
		BulkMaxBytes:   5 << 20,
		BulkMaxDocs:    5000,
		BackoffInit:    200 * time.Millisecond,
		BackoffMax:     10 * time.Second,
		CatchUp:        CatchUpInterleave,
		ManageTemplate: true,
	}
}

// The limits that Validate holds.
const (
	maxWorkers      = 64
	minBulkMaxBytes = 4 << 10
	maxBulkMaxBytes = 100 << 20 // http.max_content_length of a server left alone
	maxBulkMaxDocs  = 100_000
	maxIndexName    = 255 // octets, a limit of Elasticsearch
)

// mistakes are what is wrong with a configuration.
type mistakes []error

func (m *mistakes) fail(format string, args ...any) { *m = append(*m, fmt.Errorf(format, args...)) }

func (m *mistakes) oneOf(key, value string, accepted ...string) {
	if !slices.Contains(accepted, value) {
		m.fail("%s = %q: want one of %q", key, value, accepted)
	}
}

// Validate checks what decoding cannot. It reads no file and opens no connection.
// The errors name the key.
func (c *Config) Validate() error {
	var m mistakes
	m.oneOf("id", c.ID, IDEvent, IDAuto)
	m.oneOf("compression", c.Compression, CompressionNone, CompressionGzip)
	m.oneOf("catch_up", c.CatchUp, CatchUpInterleave, CatchUpOldestFirst)
	if name := c.DeadLetterIndex; name != "" {
		if p, err := parseIndexPattern(name); err != nil || !p.fixed() {
			m.fail("dead_letter_index = %q: want lower case, at most %d octets, without space and any of %s, and not one of -_+. first", name, maxIndexName/2, forbiddenShown)
		} else if c.Mode == ModeDataStream && name == c.DataStream.Name() || c.Mode == ModeIndex && name == c.Index {
			m.fail("dead_letter_index = %q: is where documents are refused; name another", name)
		}
	}
	if c.Workers < 1 || c.Workers > maxWorkers {
		m.fail("workers = %d: want 1 to %d", c.Workers, maxWorkers)
	}
	if c.BulkMaxBytes < minBulkMaxBytes || c.BulkMaxBytes > maxBulkMaxBytes {
		m.fail("bulk_max_bytes = %s: want %s to %s", c.BulkMaxBytes, config.Size(minBulkMaxBytes), config.Size(maxBulkMaxBytes))
	}
	if c.BulkMaxDocs < 1 || c.BulkMaxDocs > maxBulkMaxDocs {
		m.fail("bulk_max_docs = %d: want 1 to %d", c.BulkMaxDocs, maxBulkMaxDocs)
	}
	if c.FlushInterval < 0 || c.FlushInterval > time.Minute {
		m.fail("flush_interval = %s: want at most 1m", c.FlushInterval)
	}
	if c.BackoffInit < time.Millisecond || c.BackoffMax < c.BackoffInit {
		m.fail("backoff_init = %s and backoff_max = %s: want at least 1ms, and the second not below the first", c.BackoffInit, c.BackoffMax)
	}
	if c.Retention != 0 && (c.Retention < time.Hour || c.Retention%time.Hour != 0) {
		m.fail("retention = %s: want whole hours or days, such as \"30d\"", c.Retention)
	}
	return errors.Join(c.Access.Validate(), c.Target.Validate(), errors.Join(m...))
}

// Validate is that of Config for its part.
func (a *Access) Validate() error {
	var m mistakes
	if len(a.Hosts) > 0 && a.CloudID != "" {
		m.fail("hosts and cloud_id are both given; keep one of them")
	}
	for _, h := range a.Hosts {
		if _, err := hostURL(h); err != nil {
			m = append(m, err)
		}
	}
	ways := 0
	for _, given := range []bool{!a.APIKey.Empty(), a.Username != "" || !a.Password.Empty(), !a.ServiceToken.Empty()} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		m.fail("more than one of api_key, username and service_token is given; keep one of them")
	}
	if (a.Username == "") != a.Password.Empty() {
		m.fail("username and password belong together; give both or neither")
	}
	m.oneOf("flavor", a.Flavor, FlavorAuto, FlavorElasticsearch, FlavorOpenSearch)
	if a.Timeout < time.Second {
		m.fail("timeout = %s: want at least 1s", a.Timeout)
	}
	for name, value := range a.Headers {
		if name == "" || strings.ContainsAny(name+value.Value(), "\r\n") || http.CanonicalHeaderKey(name) == "Content-Type" {
			m.fail("headers.%q: not a header that can be set", name)
		}
	}
	if a.ProxyURL != "" {
		if u, err := url.Parse(string(a.ProxyURL)); err != nil || u.Host == "" {
			m.fail("proxy_url = %q: want a URL such as \"http://proxy.example.net:3128\"", a.ProxyURL)
		}
	}
	if _, err := parseFingerprint(a.TLS.CAFingerprint); err != nil {
		m = append(m, err)
	}
	if a.TLS.CAFingerprint != "" && (a.TLS.CAFile != "" || len(a.TLS.PermittedPeers) > 0) {
		m.fail("tls.ca_fingerprint stands in for tls.ca_file and tls.permitted_peers; keep one of them")
	}
	return errors.Join(m...)
}

// Validate is that of Config for its part.
func (t *Target) Validate() error {
	var m mistakes
	m.oneOf("mode", t.Mode, ModeDataStream, ModeIndex)
	if t.Mode == ModeDataStream {
		for key, part := range map[string]string{"type": t.DataStream.Type, "dataset": t.DataStream.Dataset, "namespace": t.DataStream.Namespace} {
			if part == "" || len(part) > 100 || strings.ContainsAny(part, forbiddenInNames+"-") || part != strings.ToLower(part) {
				m.fail("data_stream.%s = %q: want 1 to 100 octets, lower case, without hyphen, space and any of %s", key, part, forbiddenShown)
			}
		}
		if strings.ContainsAny(t.DataStream.Type[:min(1, len(t.DataStream.Type))], "_+.") {
			m.fail("data_stream.type = %q: must not start with any of _ + .", t.DataStream.Type)
		}
	} else if _, err := parseIndexPattern(t.Index); err != nil {
		m = append(m, err)
	}
	return errors.Join(m...)
}

// hostURL reads an entry of hosts.
func hostURL(host config.Address) (*url.URL, error) {
	full := string(host)
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("hosts: %q is not a node; write \"https://es.example.net:9200\"", host)
	}
	if full != string(host) && u.Port() == "" {
		u.Host += ":9200"
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// apiKey returns the key in the encoded form that the header wants.
func apiKey(s string) string {
	if strings.Contains(s, ":") {
		return base64.StdEncoding.EncodeToString([]byte(s))
	}
	return s
}

const (
	forbiddenInNames = `\/*?"<>| ,#:`
	forbiddenShown   = `\ / * ? " < > | , # :`
)
