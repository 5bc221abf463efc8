// Package relp is the RELP output: it forwards events to another Syslane over
// the link of docs/LINK.md, envelope and all, and to any other RELP server
// (rsyslog's imrelp) as plain syslog messages.
//
// Which of the two it is shows when a session opens: the output offers the batch
// command, and a server that does not know it leaves it out of its answer.
package relp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/outputs/targets"
)

// Defaults of Config.
const (
	DefaultWindow         = 128
	DefaultCompression    = "zstd"
	DefaultConnectTimeout = 10 * time.Second
	DefaultAckTimeout     = 30 * time.Second
	// SeveralTimeout stands for both time-outs where there are several targets.
	SeveralTimeout = 3 * time.Second
)

// maxWindow bounds Config.Window; more in flight brings nothing and costs memory.
const maxWindow = 65536

// Config says where to forward to, and how. Zero values are the defaults.
type Config struct {
	// Name is on every metric and log line of the output.
	Name string
	// Targets, Mode, Resolver and ResolveEvery are those of targets.Config.
	Targets      []string
	Mode         string
	Resolver     *net.Resolver
	ResolveEvery time.Duration
	// TLS makes every connection begin with a TLS handshake; nil is plain TCP.
	// Where it has no ServerName the host of the target is used.
	TLS *tls.Config
	// Window is the most messages on their way without an answer, to a plain
	// RELP server.
	Window int
	// Compression of the link: "zstd", "s2" or "none". On log text zstd (at its
	// fastest, of the split run) leaves a sixth or less, s2 a third to a fifth at
	// several times the speed.
	Compression string
	// Plain never offers the link: every server is sent plain syslog messages.
	Plain bool
	// ConnectTimeout is how long it may take until a target has answered "open".
	ConnectTimeout time.Duration
	// AckTimeout is how long a target may answer nothing while messages wait for
	// its answer; then the connection is given up.
	AckTimeout time.Duration

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

// Validate tells what New would refuse.
func (c Config) Validate() error { return c.setDefaults() }

func (c *Config) setDefaults() error {
	if c.Name == "" {
		return errors.New("relp output: it needs a name")
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("relp output %q: "+format, append([]any{c.Name}, args...)...)
	}
	if err := errors.Join(targets.Parse(c.Targets), targets.CheckMode(c.Mode)); err != nil {
		return fail("%w", err)
	}
	if c.Window < 0 || c.Window > maxWindow {
		return fail("window %d is not between 1 and %d", c.Window, maxWindow)
	}
	if c.ConnectTimeout < 0 || c.AckTimeout < 0 {
		return fail("a time-out is negative")
	}
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	if c.Compression == "" {
		c.Compression = DefaultCompression
	}
	if _, err := relp.ParseCodec(c.Compression); err != nil {
		return fail("%w", err)
	}
	several := targets.Several(c.Targets)
	if c.ConnectTimeout == 0 {
		if c.ConnectTimeout = DefaultConnectTimeout; several {
			c.ConnectTimeout = SeveralTimeout
		}
	}
	if c.AckTimeout == 0 {
		if c.AckTimeout = DefaultAckTimeout; several {
			c.AckTimeout = SeveralTimeout
		}
	}
	return nil
}

func (c *Config) newEncoder() (*relp.BatchEncoder, error) {
	codec, err := relp.ParseCodec(c.Compression)
	if err != nil {
		return nil, err
	}
	return relp.NewBatchEncoder(codec)
}
