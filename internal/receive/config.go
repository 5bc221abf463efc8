// Package receive holds what the network inputs share. A Listener takes TCP
// connections: it keeps to the limits on how many there may be, in all and from
// one address, reads the PROXY protocol header of trusted load balancers, makes
// the TLS handshake, and says of each connection who the peer is.
//
// Whatever depends on the peer happens in the connection's own goroutine and has
// a deadline, so that no peer can hold up the accepting of others.
package receive

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Defaults of Config.
const (
	DefaultMaxConnections           = 10_000
	DefaultMaxConnectionsPerAddress = 1_000
	DefaultHandshakeTimeout         = 10 * time.Second
	DefaultKeepAlive                = time.Minute
)

// maxKeepAlive is the most that Linux takes.
const maxKeepAlive = 32767 * time.Second

// Config says where to listen and whom to let in. Zero values are the defaults.
type Config struct {
	// Name is the input's name: the label of the metrics and an attribute of the log.
	Name string
	// Listen is the address, host:port. An empty host is every address of this
	// machine, IPv4 and IPv6; port 0 lets the system choose.
	Listen string
	// TLS makes every connection begin with a TLS handshake; nil is plain TCP.
	TLS *tls.Config
	// MaxConnections is the most connections at once, MaxConnectionsPerAddress
	// the most from one address (behind a load balancer: the address that its
	// PROXY header names). Further ones are closed when they arrive. Negative
	// is no limit.
	MaxConnections           int
	MaxConnectionsPerAddress int
	// Proxies are the load balancers that begin each connection with a PROXY
	// header (version 1 or 2), before TLS; without one it is closed. From other
	// addresses no header is looked for: anybody could forge it.
	Proxies []netip.Prefix
	// HandshakeTimeout is how long a peer may take for the PROXY header and the
	// TLS handshake together.
	HandshakeTimeout time.Duration
	// KeepAlive is how long a connection is silent before the system probes
	// whether the peer still lives; it is given up after nine probes, a quarter
	// of that time apart. At most 32767 seconds, as Linux has it. Negative is never,
	// but where an input has reason to ask at once (Conn.Probe).
	KeepAlive time.Duration

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

func (c *Config) setDefaults() error {
	if c.Name == "" {
		return errors.New("listener: it needs a name")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("input %q: listen address %q: want host:port: %w", c.Name, c.Listen, err)
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = DefaultMaxConnections
	}
	if c.MaxConnectionsPerAddress == 0 {
		c.MaxConnectionsPerAddress = DefaultMaxConnectionsPerAddress
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if c.HandshakeTimeout < 0 {
		return fmt.Errorf("input %q: handshake_timeout is negative", c.Name)
	}
	if c.KeepAlive == 0 {
		c.KeepAlive = DefaultKeepAlive
	}
	if c.KeepAlive > maxKeepAlive {
		return fmt.Errorf("input %q: keep_alive %v: at most %v", c.Name, c.KeepAlive, maxKeepAlive)
	}
	return nil
}

func (c *Config) keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{
		Enable:   c.KeepAlive > 0,
		Idle:     c.KeepAlive,
		Interval: max(c.KeepAlive/4, time.Second),
		Count:    9,
	}
}
