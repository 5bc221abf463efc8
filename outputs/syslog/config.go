// Package syslog is the syslog output: it forwards events as plain syslog
// messages over UDP (RFC 5426), TCP (RFC 6587) or TLS (RFC 5425), to any server
// that speaks one of them.
//
// None of the three has acknowledgements, so none can promise what RELP does.
// What is done, and what stays open:
//
//   - TCP, TLS: Write returns once the peer's TCP has acknowledged every octet
//     (on Linux; elsewhere once the kernel has taken them). After a broken
//     connection what it has not acknowledged is sent again, and after a reset, by
//     which a peer says that it threw octets away, the whole batch. Still lost is
//     what the peer's kernel had acknowledged and its process never read, of
//     batches before the last: at most the peer's receive buffer.
//   - A connection that the peer has closed is noticed before anything is written.
//   - UDP: a message is delivered when it was handed to the network. Only a host
//     that says by ICMP that nobody listens there is noticed.
package syslog

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/outputs/targets"
)

// The protocols.
const (
	UDP = "udp"
	TCP = "tcp"
	TLS = "tls"
)

// The formats.
const (
	// Auto sends the octets of a message as they were received, and puts before
	// one that has no header the one that RFC 3164 §4.3 has a relay put there.
	Auto = "auto"
	// Raw sends the octets as they were received, whatever they are.
	Raw = "raw"
	// RFC5424 and RFC3164 render every message in that form.
	RFC5424 = "rfc5424"
	RFC3164 = "rfc3164"
)

// The framings of TCP (RFC 6587 §3.4). TLS always counts octets (RFC 5425 §4.3).
const (
	OctetCounting = "octet-counting"
	// LF ends each message with a line feed; those within it become "#012", as
	// rsyslog writes them.
	LF = "lf"
)

// Defaults of Config.
const (
	DefaultConnectTimeout = 10 * time.Second
	DefaultSendTimeout    = 30 * time.Second
	// SeveralTimeout stands for both where there are several targets.
	SeveralTimeout = 3 * time.Second
)

// maxDatagram is the most that a UDP datagram over IPv4 can carry.
const maxDatagram = 65507

// Config says where to forward to, and how. Zero values are the defaults.
type Config struct {
	// Name is on every metric and log line of the output.
	Name string
	// Targets and Mode are those of targets.Config.
	Targets []string
	Mode    string
	// Protocol is UDP, TCP (default) or TLS.
	Protocol string
	// Format is Auto (default), Raw, RFC5424 or RFC3164.
	Format string
	// Framing is OctetCounting (default) or LF, for TCP.
	Framing string
	// TLS is for Protocol TLS.
	TLS *tlsconf.Client
	// MaxMessageSize cuts longer messages, in octets, header included and counted.
	// Default 65507 for UDP, no limit otherwise.
	MaxMessageSize int
	// Rate is the most messages a second over UDP, which has no other way to spare a
	// receiver; 0 is no limit.
	Rate int
	// ConnectTimeout is how long a connection may take, TLS included.
	ConnectTimeout time.Duration
	// SendTimeout is how long a target may take nothing of what is sent; then it
	// is given up.
	SendTimeout time.Duration

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

// Validate tells what New would refuse.
func (c Config) Validate() error { return c.setDefaults() }

func (c *Config) setDefaults() error {
	if c.Name == "" {
		return errors.New("syslog output: it needs a name")
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("syslog output %q: "+format, append([]any{c.Name}, args...)...)
	}
	if err := errors.Join(targets.Parse(c.Targets), targets.CheckMode(c.Mode)); err != nil {
		return fail("%w", err)
	}
	set := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	set(&c.Protocol, TCP)
	set(&c.Format, Auto)
	switch {
	case c.Protocol != UDP && c.Protocol != TCP && c.Protocol != TLS:
		return fail("protocol %q: want %q, %q or %q", c.Protocol, UDP, TCP, TLS)
	case c.Format != Auto && c.Format != Raw && c.Format != RFC5424 && c.Format != RFC3164:
		return fail("format %q: want %q, %q, %q or %q", c.Format, Auto, Raw, RFC5424, RFC3164)
	case c.Framing != "" && c.Framing != OctetCounting && c.Framing != LF:
		return fail("framing %q: want %q or %q", c.Framing, OctetCounting, LF)
	case c.Framing != "" && c.Protocol == UDP:
		return fail("framing is for streams: a datagram is a message (RFC 5426 §3.1)")
	case c.Framing == LF && c.Protocol == TLS:
		return fail("framing %q is not for TLS, where octets are counted (RFC 5425 §4.3)", LF)
	case c.Protocol == TLS && c.TLS == nil:
		return fail("protocol %q needs a tls table", TLS)
	case c.Protocol != TLS && c.TLS != nil:
		return fail("a tls table needs protocol = %q", TLS)
	case c.Rate < 0:
		return fail("rate %d is negative", c.Rate)
	case c.Rate > 0 && c.Protocol != UDP:
		return fail("rate is for UDP: over a stream the receiver holds back by itself")
	case c.MaxMessageSize < 0 || c.Protocol == UDP && c.MaxMessageSize > maxDatagram:
		return fail("max_message_size %d: want 1 to %d octets", c.MaxMessageSize, maxDatagram)
	case c.ConnectTimeout < 0 || c.SendTimeout < 0:
		return fail("a time-out is negative")
	}
	if c.Protocol != UDP {
		set(&c.Framing, OctetCounting)
	} else if c.MaxMessageSize == 0 {
		c.MaxMessageSize = maxDatagram
	}
	several := targets.Several(c.Targets)
	c.ConnectTimeout = timeout(c.ConnectTimeout, DefaultConnectTimeout, several)
	c.SendTimeout = timeout(c.SendTimeout, DefaultSendTimeout, several)
	return nil
}

func timeout(set, otherwise time.Duration, several bool) time.Duration {
	switch {
	case set != 0:
		return set
	case several:
		return SeveralTimeout
	}
	return otherwise
}
