// Package tcp is the input for syslog over TCP (RFC 6587) and over TLS (RFC 5425,
// RFC 9662): octet counting and non-transparent framing on one port, told apart
// frame by frame (syslog.Framer).
//
// Neither has acknowledgements. A message counts as accepted when it was read
// from the connection; what a sender has written and this side has not yet read
// is lost when the connection breaks. While the Sink takes nothing, nothing is
// read, so that TCP holds the sender back.
//
// One goroutine serves a connection: it reads what has arrived into the buffer,
// submits all complete messages in it as one batch without copying them, and
// reads on. While a submit waits for the disk the kernel's receive buffer goes on
// filling, and becomes the next batch.
package tcp

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/syslog"
)

// DefaultShutdownTimeout is how long submits may take to finish at the end.
const DefaultShutdownTimeout = 10 * time.Second

// maxMessageSizeLimit is the greatest max_message_size: a message must fit into
// a batch of the log with its envelope.
const maxMessageSizeLimit = 8 << 20

// Config says where and how the input listens. Zero values are the defaults.
type Config struct {
	// Name is on every event, metric and log line of the input.
	Name string
	// Listen is the address, host:port. 514 is customary for TCP, 6514 is
	// assigned to TLS.
	Listen string
	// TLS makes every connection begin with a TLS handshake (tlsconf.Server);
	// nil is plain TCP.
	TLS *tls.Config
	// Framing says which framings are looked for; the default is to tell them
	// apart frame by frame.
	Framing syslog.Framing
	// Compression is that of the streams, within TLS if there is any.
	Compression Compression
	// MaxMessageSize is the most octets kept of a message; what is longer is cut
	// and flagged (WarnTruncated), and the connection kept. Default 64 KiB.
	MaxMessageSize int
	// IdleTimeout closes a connection on which nothing arrived for so long. 0
	// keeps idle connections for ever: a host may have nothing to say for days.
	// Keepalive finds the dead ones.
	IdleTimeout time.Duration
	// ShutdownTimeout is how long submits may take to finish once Run is told to stop.
	ShutdownTimeout time.Duration

	// MaxConnections, MaxConnectionsPerAddress, Proxies, HandshakeTimeout and
	// KeepAlive are those of receive.Config.
	MaxConnections           int
	MaxConnectionsPerAddress int
	Proxies                  []netip.Prefix
	HandshakeTimeout         time.Duration
	KeepAlive                time.Duration

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

func (c *Config) setDefaults() error {
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = syslog.DefaultMaxMessageSize
	}
	if c.MaxMessageSize < 1 || c.MaxMessageSize > maxMessageSizeLimit {
		return fmt.Errorf("input %q: max_message_size %d: want 1 to %d octets", c.Name, c.MaxMessageSize, maxMessageSizeLimit)
	}
	if c.IdleTimeout < 0 {
		return fmt.Errorf("input %q: idle_timeout is negative", c.Name)
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = DefaultShutdownTimeout
	}
	return nil
}
