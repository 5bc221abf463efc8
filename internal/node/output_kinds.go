package node

import (
	"context"
	"fmt"
	"time"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/elasticsearch"
	"github.com/syslane/syslane/outputs/file"
	"github.com/syslane/syslane/outputs/relp"
	"github.com/syslane/syslane/outputs/syslog"
	"github.com/syslane/syslane/spool"
)

// outputSettings are the keys that every [[output]] has.
type outputSettings struct {
	// Name is the output's name, under which its place in the log is kept. Default:
	// its type.
	Name string `toml:"name"`
	// Start is where an output that is new to the log begins: "oldest" (default)
	// takes all that the log holds, "newest" only what comes.
	Start string `toml:"start" default:"oldest" enum:"oldest,newest"`
	// BatchOctets bounds what is handed over at once.
	BatchOctets config.Size `toml:"batch_size" default:"4MiB"`
	// RetryMin and RetryMax bound the pause between attempts. Defaults 250ms and 2s; of
	// elasticsearch 250ms and 30s.
	RetryMin time.Duration `toml:"retry_min" default:"250ms"`
	RetryMax time.Duration `toml:"retry_max"`

	// interleave delivers new messages between an old backlog, not behind it.
	interleave bool
	// flushInterval is the least time between batches that are not full.
	flushInterval time.Duration
	// elasticsearch is what else an output of that type is told.
	elasticsearch *elasticsearch.Config
	// probe asks the servers; nil where there are none.
	probe func(context.Context) []outputs.Probed
	// file is what else a file output is told.
	file *file.Config
}

func (s *outputSettings) start() spool.Start {
	if s.Start == "newest" {
		return spool.FromHead
	}
	return spool.FromTail
}

// frequent is for outputs whose attempts cost next to nothing: they find out soon
// that a server is back.
func (s *outputSettings) frequent() {
	if s.RetryMax == 0 {
		s.RetryMax = 2 * time.Second
	}
}

// outputKind decodes the table of one type of output and returns what opens it.
type outputKind func(t config.Table, name string, s services) (*outputSettings, func() (outputs.Output, error), error)

// outputKinds are the types that [[output]] knows.
var outputKinds = map[string]outputKind{
	"elasticsearch": elasticsearchOutput,
	"file":          fileOutput,
	"relp":          relpOutput,
	"syslog":        syslogOutput,
}

// planOutput turns a table into an output that can be opened. Its errors are
// kept by the file.
func planOutput(t config.Table, names *names, s services) (PlannedOutput, error) {
	kind, err := t.Type(kinds(outputKinds)...)
	if err != nil {
		return PlannedOutput{}, err
	}
	name, err := names.take(t, t.Text("name"), kind)
	if err != nil {
		return PlannedOutput{}, err
	}
	settings, open, err := outputKinds[kind](t, name, s)
	if err != nil {
		return PlannedOutput{}, err
	}
	switch settings.Start {
	case "", "oldest", "newest":
	default:
		return PlannedOutput{}, t.Errorf("start", "want \"oldest\" or \"newest\"")
	}
	return PlannedOutput{Name: name, settings: *settings, table: t, open: open, metrics: s.staged, print: t.Fingerprint("name")}, nil
}

func relpOutput(t config.Table, name string, s services) (*outputSettings, func() (outputs.Output, error), error) {
	var c struct {
		outputSettings
		// Targets are servers, as host:port or the name of an SRV record.
		Targets []string `toml:"targets,required"`
		// Mode is "failover" (default): the first target that works; or "balance".
		Mode           string           `toml:"mode" default:"failover" enum:"failover,balance"`
		TLS            *tlsconf.Options `toml:"tls"`
		Window         int              `toml:"window" default:"128"`
		Compression    string           `toml:"compression" enum:"auto,stored,zstd,s2,none"`
		Plain          bool             `toml:"plain"`
		ConnectTimeout time.Duration    `toml:"connect_timeout"`
		AckTimeout     time.Duration    `toml:"ack_timeout"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	conf, err := clientTLS(t, name, c.TLS, s)
	if err != nil {
		return nil, nil, err
	}
	c.frequent()
	full := relp.Config{
		Name: name, Targets: c.Targets, Mode: c.Mode, TLS: conf, Window: c.Window, Compression: c.Compression, Plain: c.Plain,
		ConnectTimeout: c.ConnectTimeout, AckTimeout: c.AckTimeout, Logger: s.logger, Registerer: s.registerer,
	}
	if err := full.Validate(); err != nil {
		return nil, nil, t.Errorf("type", "%v", err)
	}
	c.probe = func(ctx context.Context) []outputs.Probed { return relp.Probe(ctx, full) }
	return &c.outputSettings, func() (outputs.Output, error) { return relp.New(full) }, nil
}

func syslogOutput(t config.Table, name string, s services) (*outputSettings, func() (outputs.Output, error), error) {
	var c struct {
		outputSettings
		// Targets are servers, as host:port or the name of an SRV record.
		Targets []string `toml:"targets,required"`
		// Mode is "failover" (default): the first target that works; or "balance".
		Mode           string           `toml:"mode" default:"failover" enum:"failover,balance"`
		Protocol       string           `toml:"protocol" enum:"udp,tcp,tls"`
		Format         string           `toml:"format" enum:"auto,raw,rfc5424,rfc3164"`
		Framing        string           `toml:"framing" enum:"octet-counting,lf"`
		TLS            *tlsconf.Options `toml:"tls"`
		MaxMessageSize config.Size      `toml:"max_message_size"`
		Rate           int              `toml:"rate"`
		ConnectTimeout time.Duration    `toml:"connect_timeout"`
		SendTimeout    time.Duration    `toml:"send_timeout"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	conf, err := clientTLS(t, name, c.TLS, s)
	if err != nil {
		return nil, nil, err
	}
	c.frequent()
	full := syslog.Config{
		Name: name, Targets: c.Targets, Mode: c.Mode, Protocol: c.Protocol, Format: c.Format, Framing: c.Framing,
		TLS: conf, MaxMessageSize: int(c.MaxMessageSize), Rate: c.Rate,
		ConnectTimeout: c.ConnectTimeout, SendTimeout: c.SendTimeout, Logger: s.logger, Registerer: s.registerer,
	}
	if err := full.Validate(); err != nil {
		return nil, nil, t.Errorf("type", "%v", err)
	}
	c.probe = func(ctx context.Context) []outputs.Probed { return syslog.Probe(ctx, full) }
	return &c.outputSettings, func() (outputs.Output, error) { return syslog.New(full) }, nil
}

func fileOutput(t config.Table, name string, s services) (*outputSettings, func() (outputs.Output, error), error) {
	var c struct {
		outputSettings
		Path     string        `toml:"path,required"`
		Format   string        `toml:"format" enum:"text,json,raw"`
		MaxSize  config.Size   `toml:"max_size"`
		MaxAge   time.Duration `toml:"max_age"`
		Keep     int           `toml:"keep"`
		Compress string        `toml:"compress" enum:"none,gzip,zstd"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	c.frequent()
	full := file.Config{
		Name: name, Path: c.Path, Format: c.Format, MaxSize: int64(c.MaxSize), MaxAge: c.MaxAge, Keep: c.Keep,
		Compress: c.Compress, Observer: s.host, Beside: s.beside, Logger: s.logger, Registerer: s.registerer,
	}
	if err := full.Validate(); err != nil {
		return nil, nil, t.Errorf("path", "%v", err)
	}
	c.file = &full
	return &c.outputSettings, func() (outputs.Output, error) { return file.New(full) }, nil
}

// clientTLS makes the configuration of a tls table; nil where there is none.
func clientTLS(t config.Table, name string, o *tlsconf.Options, s services) (*tlsconf.Client, error) {
	if o == nil {
		return nil, nil
	}
	o.Name, o.Logger, o.Registerer = fmt.Sprintf("output %q", name), s.logger, s.staged
	s.note(t, *o)
	conf, err := tlsconf.NewClient(*o)
	if err != nil {
		return nil, t.Errorf("tls", "%v", err)
	}
	return conf, nil
}

// elasticsearchBatch is the default of batch_size for Elasticsearch: documents are three
// times the size of their events, and of so many two workers have full requests.
const elasticsearchBatch = 2 << 20

func elasticsearchOutput(t config.Table, name string, s services) (*outputSettings, func() (outputs.Output, error), error) {
	c := struct {
		outputSettings
		elasticsearch.Config
	}{outputSettings{BatchOctets: elasticsearchBatch}, elasticsearch.DefaultConfig()}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	c.TLS.Name, c.TLS.Logger, c.TLS.Registerer = fmt.Sprintf("output %q", name), s.logger, s.staged
	if err := c.Config.Validate(); err != nil {
		return nil, nil, t.Errorf("type", "%v", err)
	}
	s.note(t, c.TLS.Options)
	// Its files and cloud_id are read when it is made: here what a start would refuse is
	// found with its place.
	read := c.Access
	read.TLS.Registerer = nil
	if _, err := tlsconf.NewClient(read.TLS.Options); err != nil {
		return nil, nil, t.Errorf("tls", "%v", err)
	}
	if _, _, err := elasticsearch.Reader(read, c.Target, name); err != nil {
		return nil, nil, t.Errorf("cloud_id", "%v", err)
	}
	c.elasticsearch, c.interleave = &c.Config, c.CatchUp == elasticsearch.CatchUpInterleave
	c.flushInterval = c.FlushInterval
	c.probe = func(ctx context.Context) []outputs.Probed { return elasticsearch.Probe(ctx, c.Config) }
	return &c.outputSettings, func() (outputs.Output, error) {
		return elasticsearch.New(c.Config, elasticsearch.Options{
			Name: name, Observer: s.host, Logger: s.logger, Registerer: s.registerer,
		})
	}, nil
}
