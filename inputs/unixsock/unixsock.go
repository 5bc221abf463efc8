package unixsock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/activation"
	"github.com/syslane/syslane/internal/receive"
)

// Input receives syslog from programs on this host. It implements inputs.Input.
type Input struct {
	cfg     Config
	log     zerolog.Logger
	framing *receive.FramingMetrics
	repeats *receive.Repeats

	// What Listen has made: one of the two, and the socket's file, nil once it is for
	// another input to remove.
	datagrams *net.UnixConn
	streams   *net.UnixListener
	file      atomic.Pointer[socketFile]
	// aside is where the file of the socket before is until Run takes its place; "" for
	// nowhere.
	aside     string
	inherited bool // an input before has made the file
	// retired ends when another input has the socket.
	retired context.Context
	retire  context.CancelFunc
}

// New checks the configuration and returns an input. It binds no socket.
func New(cfg Config) (*Input, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	framing, err := receive.NewFramingMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("input %q: register metrics: %w", cfg.Name, err)
	}
	log := cfg.Logger.With().Str("input", cfg.Name).Logger()
	in := &Input{cfg: cfg, log: log, framing: framing, repeats: receive.NewRepeats(log)}
	in.retired, in.retire = context.WithCancel(context.Background())
	return in, nil
}

// Name returns the configured name.
func (in *Input) Name() string { return in.cfg.Name }

// Listen binds the socket. Run does it where it has not been done.
func (in *Input) Listen() error {
	if in.datagrams != nil || in.streams != nil {
		return nil
	}
	if err := in.listen(); err != nil {
		in.close()
		in.datagrams, in.streams = nil, nil
		in.file.Store(nil)
		return fmt.Errorf("input %q: %w", in.cfg.Name, err)
	}
	in.log.Info().Str("path", in.cfg.Path).Bool("stream", in.cfg.Stream).Bool("from_systemd", in.file.Load() == nil).
		Msg("listening on a unix socket")
	return nil
}

func (in *Input) listen() error {
	given, ours, err := activation.Unix(in.cfg.Path, in.cfg.Stream)
	if err != nil {
		return err
	}
	if given != nil {
		err = in.take(given)
		given.Close()
		if ours && err == nil {
			in.inherited = true
			err = in.keepFile(findFile(in.cfg.Path))
		}
	} else {
		err = in.bind()
	}
	if err != nil || in.datagrams == nil {
		return err
	}
	return receive.PassCredentials(in.datagrams)
}

// take takes over a socket that was passed.
func (in *Input) take(f *os.File) error {
	if in.cfg.Stream {
		l, err := net.FileListener(f)
		if err != nil {
			return err
		}
		in.streams = l.(*net.UnixListener)
		in.streams.SetUnlinkOnClose(false)
		return nil
	}
	c, err := net.FilePacketConn(f)
	if err != nil {
		return err
	}
	in.datagrams = c.(*net.UnixConn)
	return nil
}

// bind makes the socket and its file.
func (in *Input) bind() error {
	path := in.cfg.Path
	aside, err := setAside(path)
	if err != nil {
		return err
	}
	in.aside = aside
	if err = clear(path); err != nil {
		return err
	}
	if in.cfg.Stream {
		if in.streams, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err != nil {
			return err
		}
		in.streams.SetUnlinkOnClose(false)
	} else if in.datagrams, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"}); err != nil {
		return err
	}
	return in.keepFile(settle(path, in.cfg.Mode))
}

// keepFile keeps the file of the socket, to remove it at the end.
func (in *Input) keepFile(f *socketFile, err error) error {
	in.file.Store(f)
	return err
}

// close gives up the socket.
func (in *Input) close() {
	in.file.Load().remove()
	if in.datagrams != nil {
		in.datagrams.Close()
	}
	if in.streams != nil {
		in.streams.Close()
	}
	in.restore()
}

// restore gives the file that was set aside back to the input that goes on.
func (in *Input) restore() {
	if in.aside != "" {
		os.Rename(in.aside, in.cfg.Path)
		in.aside = ""
	}
}

// Sockets implements inputs.Successor.
func (in *Input) Sockets() []syscall.Conn {
	switch {
	case in.datagrams != nil:
		return []syscall.Conn{in.datagrams}
	case in.streams != nil:
		return []syscall.Conn{in.streams}
	}
	return nil
}

// Retire implements inputs.Successor.
func (in *Input) Retire() {
	in.file.Store(nil)
	in.retire()
}

// Run receives until ctx ends. Then it takes what the kernel still holds, submits
// it, and gives up the socket.
func (in *Input) Run(ctx context.Context, sink inputs.Sink) error {
	if err := in.Listen(); err != nil {
		return err
	}
	defer in.close()
	defer in.repeats.Flush()
	switch {
	case in.aside == "":
	case ctx.Err() != nil: // it was only opened, and what has come may wait long for the log
		in.restore()
	default:
		os.Remove(in.aside)
		in.aside = ""
	}
	if in.retired.Err() != nil && ctx.Err() != nil {
		return nil // it was only opened: what has come is for the other
	}
	if in.inherited { // before it was the other's
		if err := os.Chmod(in.cfg.Path, in.cfg.Mode); err != nil {
			in.log.Warn().Err(err).Msg("the socket file keeps the permissions that it had")
		}
	}
	// Submits outlive ctx, so that what was received is kept, but not for ever.
	submitting, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(in.cfg.ShutdownTimeout, giveUp)
		context.AfterFunc(submitting, func() { timer.Stop() })
	})
	defer stop()
	var err error
	if in.cfg.Stream {
		err = in.serveStreams(ctx, submitting, sink)
	} else {
		err = in.serveDatagrams(ctx, submitting, sink)
	}
	if err != nil && ctx.Err() == nil && in.retired.Err() == nil && !errors.Is(err, inputs.ErrClosed) {
		return fmt.Errorf("input %q: %w", in.cfg.Name, err)
	}
	return nil
}
