// Package udp is the input for syslog over UDP (RFC 5426): one message a datagram.
//
// A message is the content of its datagram but for one LF, CR LF or NUL at the
// end, which many senders put there and rsyslog removes, too; line feeds within
// it are kept. Empty datagrams are counted and are no messages.
//
// Each socket has two goroutines. One does nothing but take datagrams out of the
// kernel, many with one system call, and put them behind one another into a batch;
// the other submits it. What arrives while a submit waits for the disk makes the
// next batches. When there are too many of them datagrams wait in the kernel's
// receive buffer, and when this is full the kernel drops them and counts: UDP has
// no way to hold a sender back.
//
// With several sockets the kernel spreads senders over them by address and port
// (SO_REUSEPORT), so that the datagrams of one sender keep their order.
package udp

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/syslog"
)

// Defaults of Config.
const (
	DefaultReceiveBuffer   = 16 << 20
	DefaultShutdownTimeout = 10 * time.Second
)

const (
	maxSockets = 64
	// maxDatagram is the most that a datagram can hold.
	maxDatagram = 65535
)

// Config says where and how the input listens. Zero values are the defaults.
type Config struct {
	// Name is on every event, metric and log line of the input.
	Name string
	// Listen is the address, host:port. 514 is assigned to syslog. An empty host
	// is every address of this machine, IPv4 and IPv6.
	Listen string
	// Sockets is how many sockets share the port, each with a reader of its own;
	// default 1.
	Sockets int
	// ReceiveBuffer is the size of each socket's receive buffer in the kernel, in
	// octets. Beyond net.core.rmem_max it needs CAP_NET_ADMIN; what was granted is
	// logged and a metric. Default 16 MiB.
	ReceiveBuffer int
	// MaxMessageSize is the most octets kept of a message; what is longer is cut
	// and flagged (WarnTruncated). Default 64 KiB, more than a datagram holds.
	MaxMessageSize int
	// ShutdownTimeout is how long submits may take to finish once Run is told to stop.
	ShutdownTimeout time.Duration

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
	// SocketMetrics takes the metrics of the sockets when Listen has them: those of an
	// input that has the same sockets, and the same name, must make way first.
	SocketMetrics prometheus.Registerer
}

func (c *Config) setDefaults() error {
	if c.Name == "" {
		return errors.New("udp input: it needs a name")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("input %q: listen address %q: want host:port: %w", c.Name, c.Listen, err)
	}
	if c.Sockets == 0 {
		c.Sockets = 1
	}
	if c.Sockets < 1 || c.Sockets > maxSockets {
		return fmt.Errorf("input %q: sockets = %d: want 1 to %d", c.Name, c.Sockets, maxSockets)
	}
	if c.ReceiveBuffer == 0 {
		c.ReceiveBuffer = DefaultReceiveBuffer
	}
	if c.ReceiveBuffer < 0 || c.ReceiveBuffer > 1<<30 {
		return fmt.Errorf("input %q: receive_buffer %d: want up to 1 GiB", c.Name, c.ReceiveBuffer)
	}
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = syslog.DefaultMaxMessageSize
	}
	if c.MaxMessageSize < 0 {
		return fmt.Errorf("input %q: max_message_size is negative", c.Name)
	}
	c.MaxMessageSize = min(c.MaxMessageSize, maxDatagram)
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = DefaultShutdownTimeout
	}
	return nil
}
