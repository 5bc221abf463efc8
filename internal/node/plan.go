// Package node is what a relay and a collector have in common: it checks a
// configuration whole, opens the log, puts inputs, pipeline, log, deliveries and
// outputs together, starts them and stops them in order.
package node

import (
	"crypto/tls"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/alert"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/pipeline"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/elasticsearch"
)

// Options are what the command line says beside the configuration file.
type Options struct {
	// State goes before the file's state folder where it is not "".
	State string
	// Version is told to peers and on the HTTP API.
	Version string
	// NewLogger makes the log in which Syslane speaks of itself.
	NewLogger func(LoggingConfig) zerolog.Logger
	// Read reads the configuration again, for a reload; nil where there is no file.
	Read func() (*config.File, error)
	// Reloads asks for a reload with each value.
	Reloads <-chan os.Signal
	// Beside says that outputs are opened beside a process that may have them open.
	Beside bool
}

// Plan is a configuration found good: everything in it is understood, the
// certificates it names can be used, and nothing is started, bound or written.
type Plan struct {
	Config   Config
	Inputs   []PlannedInput
	Outputs  []PlannedOutput
	Rules    pipeline.Rules
	Alerts   []*alert.Rule
	Channels []alert.Channel
	options  Options
	logger   zerolog.Logger
	httpTLS  *tls.Config // nil: plain HTTP
	// httpMetrics are those of its certificate.
	httpMetrics *staged
	older       *olderSearch // nil: searches ask the log alone
	registry    *prometheus.Registry
	// alertMetrics are those of the certificates of [[notify]].
	alertMetrics *staged
	// host names this machine.
	host string
	// prints are the fingerprints of the parts of the file, by their keys.
	prints map[string]string
	hash   string
	memory memory
	// file is what all was read from, certificates the tls tables in it.
	file         config.Table
	certificates []certificates
}

// PlannedInput is one [[input]] table.
type PlannedInput struct {
	// Name is the configured name, or the type; with a number where a file has
	// several of a type.
	Name string
	// settings hold for every type of input.
	settings inputSettings
	table    config.Table
	// open makes the input; it does not listen yet.
	open func() (inputs.Input, error)
	// metrics are those of its certificates and sockets.
	metrics *staged
	// print is of what the input itself works with, peers of what decides who may
	// connect and where, reading of the rest.
	print, peers, reading string
}

// PlannedOutput is one [[output]] table.
type PlannedOutput struct {
	// Name is the configured name, or the type. The output's place in the log
	// is kept under it.
	Name string
	// settings hold for every type of output.
	settings outputSettings
	table    config.Table
	open     func() (outputs.Output, error)
	metrics  *staged
	print    string
}

// Open makes the output; it is not connected yet.
func (o *PlannedOutput) Open() (outputs.Output, error) { return o.open() }

// Elasticsearch returns the settings of an output of that type, nil of another.
func (o *PlannedOutput) Elasticsearch() *elasticsearch.Config { return o.settings.elasticsearch }

// services are what the parts of a node are given to speak and count with.
type services struct {
	logger     zerolog.Logger
	registerer prometheus.Registerer
	// staged takes the metrics of certificates and sockets until the part starts.
	staged *staged
	// certificates takes note of each tls table.
	certificates *[]certificates
	// host names this machine, as the observer in documents.
	host string
	// beside is Options.Beside.
	beside bool
}

// Load checks a configuration. All errors are returned at once, with file and
// line.
func Load(f *config.File, o Options) (*Plan, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return newPlan(f, o, registry)
}

func newPlan(f *config.File, o Options, registry *prometheus.Registry) (*Plan, error) {
	p := &Plan{options: o, registry: registry, file: f.Table}
	if err := f.Decode(&p.Config); err != nil {
		return nil, f.Check()
	}
	p.logger = o.NewLogger(p.Config.Logging)
	p.Config.check(f)
	if o := p.Config.HTTP.TLS; o != nil && p.Config.HTTP.Listen != "" {
		p.httpMetrics = &staged{Registerer: p.registry}
		o.Name, o.Logger, o.Registerer = "http", p.logger, p.httpMetrics
		var err error
		if p.httpTLS, err = tlsconf.Server(*o); err != nil {
			f.Errorf("http.tls", "%v", err)
		}
		p.certificates = append(p.certificates, certificates{f.Table, "http.tls", *o})
	}
	host, err := os.Hostname()
	if err != nil {
		p.logger.Warn().Err(err).Msg("this host has no name: documents will not say who observed them")
	}
	p.host = host
	s := services{logger: p.logger, registerer: p.registry, host: host, certificates: &p.certificates, beside: o.Beside}
	names := newNames("input")
	for _, t := range p.Config.Inputs {
		s.staged = &staged{Registerer: p.registry}
		if in, err := planInput(t, names, s); err == nil {
			p.Inputs = append(p.Inputs, in)
		}
	}
	p.checkAddresses()
	names = newNames("output")
	for _, t := range p.Config.Outputs {
		s.staged = &staged{Registerer: p.registry}
		if out, err := planOutput(t, names, s); err == nil {
			p.Outputs = append(p.Outputs, out)
		}
	}
	p.checkFiles()
	p.planRules(f)
	p.planAlerts()
	p.planSearch()
	if err := f.Check(); err != nil {
		return nil, err
	}
	p.prints, p.hash = make(map[string]string), f.Fingerprint()
	for _, key := range []string{"state", "log", "http", "search", "logging", "transform", "route", "dedupe", "limit", "alert", "notify"} {
		p.prints[key] = f.FingerprintOf(key)
	}
	return p, nil
}

// checkAddresses refuses two inputs of one kind of socket on one address.
func (p *Plan) checkAddresses() {
	first := make(map[string]config.Table)
	for _, in := range p.Inputs {
		address := in.table.Text("listen")
		if address == "" {
			address = in.table.Text("path")
		}
		if address == "" || strings.HasSuffix(address, ":0") {
			continue // the system chooses a port
		}
		socket := "tcp " + address
		switch in.table.Text("type") {
		case "udp":
			socket = "udp " + address
		case "unix":
			socket = "unix " + address
		}
		if before, ok := first[socket]; ok {
			in.table.ErrorHere("%s is taken by the input at %s", address, before.Pos())
			continue
		}
		first[socket] = in.table
	}
}

// checkFiles refuses file outputs by which a message could name the rotated files of
// another: that would compress and delete them.
func (p *Plan) checkFiles() {
	for _, out := range p.Outputs {
		for _, other := range p.Outputs {
			if out.settings.file != nil && other.settings.file != nil && out.settings.file.NamesRotated(*other.settings.file) {
				out.table.Errorf("path", "a message could name a file as a rotated one of the output at %s; add an ending such as .log, or write into another folder", other.table.Pos())
			}
		}
	}
}

// names gives each table of a kind a name of its own.
type names struct {
	kind string
	used map[string]config.Pos
}

func newNames(kind string) *names { return &names{kind: kind, used: make(map[string]config.Pos)} }

// take returns the name that the table sets, or one made from its type.
func (n *names) take(t config.Table, set, fallback string) (string, error) {
	name := set
	if name == "" {
		name = fallback
		for i := 2; n.taken(name); i++ {
			name = fmt.Sprintf("%s-%d", fallback, i)
		}
	}
	if !validName(name) {
		return "", t.Errorf("name", "want 1 to 64 letters, digits, dots, dashes and underscores")
	}
	if n.taken(name) {
		return "", t.Errorf("name", "another %s has this name, that at %s; names must differ", n.kind, n.used[name])
	}
	n.used[name] = t.Pos()
	return name, nil
}

func (n *names) taken(name string) bool {
	_, ok := n.used[name]
	return ok
}

// validName keeps names fit for metrics, file names and the link.
func validName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '.' {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
