package node

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/journal"
	"github.com/syslane/syslane/inputs/relp"
	"github.com/syslane/syslane/inputs/tcp"
	"github.com/syslane/syslane/inputs/udp"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/pipeline"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/parser"
)

// inputSettings are the keys that every [[input]] has.
type inputSettings struct {
	// Name is the input's name in the log and in metrics. Default: its type.
	Name string `toml:"name"`
	// MaxMessageSize is the most octets kept of a message. Default 64KiB; of journal 1MiB.
	MaxMessageSize config.Size `toml:"max_message_size"`
	// TimeZone is that of RFC 3164 timestamps which carry none, as the time zone
	// database names it ("Europe/Zurich"). Default: that of this host.
	TimeZone string `toml:"time_zone"`
	// TimeZones names it by the network of the source: the narrowest counts, and
	// TimeZone for sources in none.
	TimeZones map[string]string `toml:"time_zones"`
	// MaxClockSkew is how far an originator's time may be from the receive time
	// before the message is flagged. Default 24h.
	MaxClockSkew time.Duration `toml:"max_clock_skew" default:"24h"`
	// Charset is the character set of messages that are not UTF-8, as IANA names
	// it ("windows-1252", "GBK").
	Charset string `toml:"charset"`
	// Extract names the kinds of texts out of which fields are taken: "kv", "json"
	// and "cef". Default none.
	Extract []string `toml:"extract" enum:"kv,json,cef"`
	// Dedupe suppresses repeats among the input's messages, or with window = "0s"
	// none, whatever the table [dedupe] says.
	Dedupe *dedupeKeys `toml:"dedupe"`

	reading pipeline.Reading
	// include are the patterns of the files that are read.
	include []string
}

// listenKeys are the keys of inputs that have a network address.
type listenKeys struct {
	inputSettings
	// Listen is host:port, as "0.0.0.0:514" or "[::]:514".
	Listen string `toml:"listen,required"`
}

// openInput makes an input, whose metrics go to r; nil for none. It does not listen yet.
type openInput func(r prometheus.Registerer) (inputs.Input, error)

// inputKind decodes the table of one type of input and returns what opens it.
type inputKind func(t config.Table, name string, s services) (*inputSettings, openInput, error)

// inputKinds are the types that [[input]] knows.
var inputKinds = map[string]inputKind{
	"journal": journalInput,
	"udp":     udpInput,
	"tcp":     tcpInput,
	"tls":     tlsInput,
	"relp":    relpInput,
	"unix":    unixInput,
	"file":    fileInput,
}

// planInput turns a table into an input that can be opened. Its errors are kept
// by the file.
func planInput(t config.Table, names *names, s services) (PlannedInput, error) {
	kind, err := t.Type(kinds(inputKinds)...)
	if err != nil {
		return PlannedInput{}, err
	}
	name, err := names.take(t, t.Text("name"), kind)
	if err != nil {
		return PlannedInput{}, err
	}
	settings, open, err := inputKinds[kind](t, name, s)
	if err != nil {
		return PlannedInput{}, err
	}
	if err := settings.check(t); err != nil {
		return PlannedInput{}, err
	}
	if _, err := open(nil); err != nil { // what only a start would refuse
		return PlannedInput{}, t.Errorf("type", "%v", err)
	}
	// What is done with messages afterwards is for the pipeline.
	reading := []string{"time_zone", "time_zones", "max_clock_skew", "charset", "extract", "dedupe"}
	in := PlannedInput{Name: name, settings: *settings, table: t, open: func() (inputs.Input, error) { return open(s.registerer) }, metrics: s.staged}
	in.print = t.Fingerprint(append(reading, "name")...)
	for _, key := range []string{"type", "listen", "path", "stream", "tls", "proxy_protocol_from", "link_from"} {
		in.peers += t.FingerprintOf(key) + ";"
	}
	for _, key := range reading {
		in.reading += t.FingerprintOf(key) + ";"
	}
	return in, nil
}

// check refuses values that no input can work with.
func (s *inputSettings) check(t config.Table) error {
	if t.Has("listen") {
		if _, _, err := net.SplitHostPort(t.Text("listen")); err != nil {
			return t.Errorf("listen", "want host:port, as \"0.0.0.0:514\" or \"[::]:514\"")
		}
	}
	if s.Charset != "" {
		var err error
		if s.reading.Charset, err = parser.NewCharset(s.Charset); err != nil {
			return t.Errorf("charset", "%v", err)
		}
	}
	if len(s.Extract) > 0 {
		var err error
		if s.reading.Extract, err = parser.NewExtractor(s.Extract); err != nil {
			return t.Errorf("extract", "%v", err)
		}
	}
	s.reading.MaxSkew = s.MaxClockSkew
	return s.readZones(t)
}

// readZones looks up the time zones.
func (s *inputSettings) readZones(t config.Table) error {
	const noZone = "is no zone of the time zone database, as \"Europe/Zurich\" or \"UTC\""
	if s.TimeZone == "" && len(s.TimeZones) == 0 {
		return nil
	}
	fallback := time.Local
	if s.TimeZone != "" {
		var err error
		if fallback, err = time.LoadLocation(s.TimeZone); err != nil {
			return t.Errorf("time_zone", noZone)
		}
	}
	networks := make(map[netip.Prefix]*time.Location)
	for text, name := range s.TimeZones {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return t.Errorf("time_zones", "%q is no network, as \"10.0.0.0/8\"", text)
		}
		if networks[prefix], err = time.LoadLocation(name); err != nil {
			return t.Errorf("time_zones", "%q "+noZone, name)
		}
	}
	s.reading.Zones = parser.NewZoneMap(networks, fallback)
	return nil
}

func udpInput(t config.Table, name string, s services) (*inputSettings, openInput, error) {
	var c struct {
		listenKeys
		// ReceiveBuffer is what the kernel is asked to hold for the socket.
		ReceiveBuffer config.Size `toml:"receive_buffer" default:"16MiB"`
		Sockets       int         `toml:"sockets" default:"1"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	return &c.inputSettings, func(r prometheus.Registerer) (inputs.Input, error) {
		return udp.New(udp.Config{
			Name: name, Listen: c.Listen, MaxMessageSize: int(c.MaxMessageSize),
			ReceiveBuffer: int(c.ReceiveBuffer), Sockets: c.Sockets,
			Logger: s.logger, Registerer: r, SocketMetrics: s.staged,
		})
	}, nil
}

// connectionKeys are the keys of inputs that have connections.
type connectionKeys struct {
	listenKeys
	// MaxConnections bounds the open connections, MaxConnectionsPerAddress those from
	// one address.
	MaxConnections           int `toml:"max_connections" default:"10000"`
	MaxConnectionsPerAddress int `toml:"max_connections_per_address" default:"1000"`
	// IdleTimeout is after how long without a message a connection is closed. Default:
	// never; of journal 5m.
	IdleTimeout time.Duration `toml:"idle_timeout"`
	// HandshakeTimeout bounds the TLS handshake with the PROXY header, and the wait for
	// the open of RELP.
	HandshakeTimeout time.Duration `toml:"handshake_timeout" default:"10s"`
	// KeepAlive is after how much silence TCP asks whether the peer is there.
	KeepAlive time.Duration `toml:"keep_alive" default:"1m"`
}

// streamKeys are the keys of the types tcp and tls.
type streamKeys struct {
	connectionKeys
	// Framing is "auto" (default), "octet-counting" or "non-transparent".
	Framing string `toml:"framing" default:"auto" enum:"auto,octet-counting,non-transparent"`
	// Compression is "none" (default) or "zlib".
	Compression string `toml:"compression" default:"none" enum:"none,zlib"`
	// ProxyProtocolFrom are the networks of load balancers whose connections
	// begin with a PROXY header.
	ProxyProtocolFrom []string `toml:"proxy_protocol_from"`
}

func tcpInput(t config.Table, name string, s services) (*inputSettings, openInput, error) {
	var c streamKeys
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	return streamInput(t, &c, name, nil, s)
}

func tlsInput(t config.Table, name string, s services) (*inputSettings, openInput, error) {
	var c struct {
		streamKeys
		TLS tlsconf.Options `toml:"tls"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	conf, err := serverTLS(t, name, &c.TLS, s)
	if err != nil {
		return nil, nil, err
	}
	return streamInput(t, &c.streamKeys, name, conf, s)
}

func streamInput(t config.Table, c *streamKeys, name string, conf *tls.Config, s services) (*inputSettings, openInput, error) {
	framing, err := syslog.ParseFraming(c.Framing)
	if err != nil {
		return nil, nil, t.Errorf("framing", "%v", err)
	}
	compression, err := tcp.ParseCompression(c.Compression)
	if err != nil {
		return nil, nil, t.Errorf("compression", "%v", err)
	}
	proxies, err := networks(t, "proxy_protocol_from", c.ProxyProtocolFrom)
	if err != nil {
		return nil, nil, err
	}
	return &c.inputSettings, func(r prometheus.Registerer) (inputs.Input, error) {
		return tcp.New(tcp.Config{
			Name: name, Listen: c.Listen, TLS: conf, Framing: framing, Compression: compression, Proxies: proxies,
			MaxMessageSize: int(c.MaxMessageSize), MaxConnections: c.MaxConnections,
			MaxConnectionsPerAddress: c.MaxConnectionsPerAddress, IdleTimeout: c.IdleTimeout,
			HandshakeTimeout: c.HandshakeTimeout, KeepAlive: c.KeepAlive,
			Logger: s.logger, Registerer: r,
		})
	}, nil
}

func journalInput(t config.Table, name string, s services) (*inputSettings, openInput, error) {
	var c struct {
		connectionKeys
		TLS *tlsconf.Options `toml:"tls"`
		// MaxFieldSize is the most octets kept of one field. Default 64KiB, and at
		// most half of max_message_size, whose default here is 1MiB.
		MaxFieldSize config.Size `toml:"max_field_size"`
		// MaxFields is the most fields kept of one entry. Default 1024.
		MaxFields int `toml:"max_fields" default:"1024"`
		// ProxyProtocolFrom is as for tcp.
		ProxyProtocolFrom []string `toml:"proxy_protocol_from"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	conf, err := serverTLS(t, name, c.TLS, s)
	if err != nil {
		return nil, nil, err
	}
	proxies, err := networks(t, "proxy_protocol_from", c.ProxyProtocolFrom)
	if err != nil {
		return nil, nil, err
	}
	return &c.inputSettings, func(r prometheus.Registerer) (inputs.Input, error) {
		return journal.New(journal.Config{
			Name: name, Listen: c.Listen, TLS: conf, Proxies: proxies, MaxMessageSize: int(c.MaxMessageSize),
			MaxFieldSize: int(c.MaxFieldSize), MaxFields: c.MaxFields, MaxConnections: c.MaxConnections,
			MaxConnectionsPerAddress: c.MaxConnectionsPerAddress, IdleTimeout: c.IdleTimeout,
			HandshakeTimeout: c.HandshakeTimeout, KeepAlive: c.KeepAlive,
			Logger: s.logger, Registerer: r,
		})
	}, nil
}

func relpInput(t config.Table, name string, s services) (*inputSettings, openInput, error) {
	var c struct {
		connectionKeys
		TLS *tlsconf.Options `toml:"tls"`
		// LinkFrom are the addresses of relays that may use the link without a
		// client certificate. Default: this host.
		LinkFrom []string `toml:"link_from"`
	}
	if err := t.Decode(&c); err != nil {
		return nil, nil, err
	}
	conf, err := serverTLS(t, name, c.TLS, s)
	if err != nil {
		return nil, nil, err
	}
	from, err := networks(t, "link_from", c.LinkFrom)
	if err != nil {
		return nil, nil, err
	}
	return &c.inputSettings, func(r prometheus.Registerer) (inputs.Input, error) {
		return relp.New(relp.Config{
			Name: name, Listen: c.Listen, TLS: conf, MaxMessageSize: int(c.MaxMessageSize),
			MaxConnections: c.MaxConnections, MaxConnectionsPerAddress: c.MaxConnectionsPerAddress,
			IdleTimeout: c.IdleTimeout, HandshakeTimeout: c.HandshakeTimeout, KeepAlive: c.KeepAlive, LinkFrom: from,
			Logger: s.logger, Registerer: r,
		})
	}, nil
}

// networks reads a list of networks: nil where the file does not set the key,
// empty but not nil where it is [].
func networks(t config.Table, key string, texts []string) ([]netip.Prefix, error) {
	if !t.Has(key) {
		return nil, nil
	}
	list := make([]netip.Prefix, 0, len(texts))
	for i, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, t.Errorf(fmt.Sprintf("%s[%d]", key, i), "want a network, as \"10.0.0.0/8\" or \"192.0.2.7/32\"")
		}
		list = append(list, prefix)
	}
	return list, nil
}

// serverTLS makes the configuration of an input's tls table, nil where there is none. It
// reads the certificates, so that one that cannot be used is found before any port is bound.
func serverTLS(t config.Table, name string, o *tlsconf.Options, s services) (*tls.Config, error) {
	if o == nil {
		return nil, nil
	}
	o.Name, o.Logger, o.Registerer = fmt.Sprintf("input %q", name), s.logger, s.staged
	s.note(t, *o)
	conf, err := tlsconf.Server(*o)
	if err != nil {
		return nil, t.Errorf("tls", "%v", err)
	}
	return conf, nil
}

// kinds returns the names that a map has, in order.
func kinds[K any](m map[string]K) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
