// Package unixsock is the input for programs on this host: a unix socket such as
// /dev/log, or /run/systemd/journal/syslog, to which journald forwards.
//
// A datagram is one message, without the LF, CR LF or NUL at its end. On a stream
// socket, as glibc's syslog(3) tries it next, messages end with NUL or LF, or are
// counted (syslog.Framer).
//
// The messages name no host: their header is "<13>Nov 23 10:42:03 tag[pid]: text".
// The configured name of this machine stands in. Each event has the credentials
// of the process that sent it, which the kernel vouches for: of each datagram, or
// of the program that opened the stream.
//
// Nothing is dropped. While the log takes nothing, the kernel's queue fills
// (net.unix.max_dgram_qlen datagrams), and then senders wait in their send.
//
// The socket may come from systemd (sd_listen_fds(3)): where it was given one that
// is bound to the configured path, the input takes that, and leaves the socket file
// alone. Otherwise it makes the file, and removes it at the end. Of a program that
// was killed it replaces the socket file; that something else has the name, or that
// somebody listens there, is an error.
package unixsock

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/syslog"
)

// Defaults of Config.
const (
	DefaultMode            = fs.FileMode(0o666)
	DefaultMaxConnections  = 1000
	DefaultShutdownTimeout = 10 * time.Second
)

const (
	// maxPath is the longest name of a socket: sun_path of unix(7) and its NUL.
	maxPath = 107
	// maxMessageSizeLimit is the greatest max_message_size: a message must fit
	// into a batch of the log with its envelope.
	maxMessageSizeLimit = 8 << 20
)

// Config says where and how the input listens. Zero values are the defaults.
type Config struct {
	// Name is on every event, metric and log line of the input.
	Name string
	// Path is the socket's name in the file system, absolute.
	Path string
	// Stream makes it a stream socket; the default is datagrams.
	Stream bool
	// Mode are the permissions of the socket file; to write to the socket is to be
	// allowed to write to the file. Default 0666: every program may log.
	Mode fs.FileMode
	// Host is the name of this machine, for messages that name none.
	Host string
	// MaxMessageSize is the most octets kept of a message; what is longer is cut
	// and flagged (WarnTruncated). Default 64 KiB.
	MaxMessageSize int
	// MaxConnections is the most connections to a stream socket at once; further
	// ones wait in the kernel. Default 1000.
	MaxConnections int
	// ShutdownTimeout is how long submits may take to finish once Run is told to stop.
	ShutdownTimeout time.Duration

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

func (c *Config) setDefaults() error {
	if c.Name == "" {
		return errors.New("unix input: it needs a name")
	}
	if !filepath.IsAbs(c.Path) || len(c.Path) > maxPath {
		return fmt.Errorf("input %q: path %q: want an absolute path of at most %d octets, as /dev/log", c.Name, c.Path, maxPath)
	}
	if c.Mode == 0 {
		c.Mode = DefaultMode
	}
	if c.Mode&^fs.ModePerm != 0 {
		return fmt.Errorf("input %q: mode %o: want permissions, as 0666", c.Name, uint32(c.Mode))
	}
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = syslog.DefaultMaxMessageSize
	}
	if c.MaxMessageSize < 1 || c.MaxMessageSize > maxMessageSizeLimit {
		return fmt.Errorf("input %q: max_message_size %d: want 1 to %d octets", c.Name, c.MaxMessageSize, maxMessageSizeLimit)
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = DefaultMaxConnections
	}
	if c.MaxConnections < 0 {
		return fmt.Errorf("input %q: max_connections is negative", c.Name)
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = DefaultShutdownTimeout
	}
	return nil
}
