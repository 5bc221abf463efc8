// Package relp is the RELP output: it forwards events to another Syslane over
// the link of docs/LINK.md, envelope and all, and to any other RELP server
// (rsyslog's imrelp) as plain syslog messages.
//
// Which of the two it is shows when a session opens: the output offers the batch
// command, and a server that does not know it leaves it out of its answer.
package relp

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/tlsconf"
	"github.com/syslane/syslane/outputs/targets"
)

// Defaults of Config.
const (
	DefaultWindow         = 128
	DefaultCompression    = CompressionAuto
	DefaultConnectTimeout = 10 * time.Second
	DefaultAckTimeout     = 30 * time.Second
	// SeveralTimeout stands for both time-outs where there are several targets.
	SeveralTimeout = 3 * time.Second
)

// The values of Config.Compression.
const (
	// CompressionAuto is CompressionStored, but CompressionZstd where the network
	// carries less than 100 Mbit/s.
	CompressionAuto = "auto"
	// CompressionStored sends the blocks of the log as they stand, which takes next
	// to no CPU time, and what does not allow that compressed by S2.
	CompressionStored = "stored"
	// CompressionZstd (at its fastest, of the split run) leaves a sixth of plain
	// syslog or less, and takes more CPU time than all else that a relay does.
	CompressionZstd = "zstd"
	// CompressionS2 leaves a third to a fifth.
	CompressionS2   = "s2"
	CompressionNone = "none"
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
	TLS *tlsconf.Client
	// Window is the most messages on their way without an answer, to a plain
	// RELP server.
	Window int
	// Compression of the link: CompressionAuto or another. Receivers that do not
	// take stored blocks get what CompressionZstd or CompressionS2 would send.
	Compression string
	// Plain never offers the link: every server is sent plain syslog messages.
	Plain bool
	// ConnectTimeout is how long it may take until a target has answered "open".
	ConnectTimeout time.Duration
	// AckTimeout is how long a target may answer nothing while messages wait for
	// its answer, nor acknowledge an octet; then the connection is given up.
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
	switch c.Compression {
	case CompressionAuto, CompressionStored, CompressionZstd, CompressionS2, CompressionNone:
	default:
		return fail("compression %q is none of %q, %q, %q, %q, %q", c.Compression,
			CompressionAuto, CompressionStored, CompressionZstd, CompressionS2, CompressionNone)
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

// packs tells whether the blocks of the log are sent as they stand, where the
// network is not narrow.
func (c *Config) packs() bool {
	return c.Compression == CompressionAuto || c.Compression == CompressionStored
}

// newEncoders returns the encoder of what is not sent as it stands, and the one in its
// place where the network is narrow.
func (c *Config) newEncoders() (wide, narrow *relp.BatchEncoder, err error) {
	codecs := [2]relp.Codec{relp.CodecS2, relp.CodecS2}
	switch c.Compression {
	case CompressionAuto:
		codecs[1] = relp.CodecZstd
	case CompressionZstd, CompressionNone:
		codec, err := relp.ParseCodec(c.Compression)
		if err != nil {
			return nil, nil, err
		}
		codecs = [2]relp.Codec{codec, codec}
	}
	if wide, err = relp.NewBatchEncoder(codecs[0]); err == nil {
		narrow, err = relp.NewBatchEncoder(codecs[1])
	}
	return wide, narrow, err
}
