// Package relp is the RELP input: the server side of the protocol that rsyslog's
// omrelp speaks, and of the link between two Syslanes (docs/LINK.md).
//
// A message is acknowledged (rsp 200) only once the Sink has it durable. While
// one batch is on its way to the disk the connection goes on reading the next,
// so that a peer is never made to stop and wait; what piles up meanwhile goes to
// the disk together. A peer is never told 500 for a message: librelp, which
// rsyslog uses, drops a message on it. Where the Sink cannot take a message the
// connection is closed, and the peer sends it again.
//
// The octets of a message are exactly DATA of its frame but for one LF at the
// end, if there is one: rsyslog's own receiver removes that too, and a template
// made for files brings it along.
package relp

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/syslog"
)

// Defaults of Config.
const (
	DefaultWriteTimeout    = 30 * time.Second
	DefaultShutdownTimeout = 10 * time.Second
)

// Config says where and how the input listens. Zero values are the defaults.
type Config struct {
	// Name is on every event, metric and log line of the input.
	Name string
	// Listen is the address, host:port. IANA knows no port for RELP; 2514 and
	// 20514 are customary.
	Listen string
	// TLS makes every connection begin with a TLS handshake; nil is plain TCP. It
	// must let no client certificate through that it has not verified or been
	// told to permit (tlsconf.Server): such a client may set envelopes.
	TLS *tls.Config
	// MaxMessageSize is the most octets kept of a message; what is longer is cut
	// and flagged (WarnTruncated), and the connection kept. Default 64 KiB.
	MaxMessageSize int
	// LinkFrom are the addresses from which a peer without a client certificate
	// may set envelopes, that is, use the batch command. nil is this host alone
	// (127.0.0.0/8, ::1/128); empty but not nil is none.
	LinkFrom []netip.Prefix
	// IdleTimeout closes a connection on which nothing arrived for so long. 0
	// keeps idle connections for ever, as rsyslog does; TCP keepalive finds the
	// dead ones.
	IdleTimeout time.Duration
	// HandshakeTimeout is how long a peer may take for the TLS handshake, and
	// then until its "open" has arrived. Default receive.DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration
	// WriteTimeout is how long a peer may take none of its acknowledgements.
	WriteTimeout time.Duration
	// ShutdownTimeout is how long submits in flight may take to finish once Run
	// is told to stop. What is not durable by then was not acknowledged either.
	ShutdownTimeout time.Duration

	// MaxConnections, MaxConnectionsPerAddress and KeepAlive are those of
	// receive.Config.
	MaxConnections           int
	MaxConnectionsPerAddress int
	KeepAlive                time.Duration

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

// loopback is where a peer is trusted with envelopes by default.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

func (c *Config) setDefaults() error {
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = syslog.DefaultMaxMessageSize
	}
	if c.MaxMessageSize < 1 || c.MaxMessageSize > maxMessageSizeLimit {
		return fmt.Errorf("input %q: max_message_size %d: want 1 to %d octets", c.Name, c.MaxMessageSize, maxMessageSizeLimit)
	}
	if c.IdleTimeout < 0 || c.WriteTimeout < 0 || c.ShutdownTimeout < 0 {
		return fmt.Errorf("input %q: a time-out is negative", c.Name)
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = receive.DefaultHandshakeTimeout
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = DefaultWriteTimeout
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = DefaultShutdownTimeout
	}
	if c.LinkFrom == nil {
		c.LinkFrom = loopback()
	}
	return nil
}
