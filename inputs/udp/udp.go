package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/activation"
	"github.com/syslane/syslane/internal/receive"
)

// dropCheck is how often the kernel is asked whether it dropped datagrams, for
// the log. The metric asks when it is read.
const dropCheck = 10 * time.Second

// Input receives syslog over UDP. It implements inputs.Input.
type Input struct {
	cfg       Config
	log       zerolog.Logger
	framing   *receive.FramingMetrics
	repeats   *receive.Repeats
	sockets   []*socket
	passed    bool // the sockets are systemd's
	inherited bool // they are those of an input before
	// retired ends when another input has the sockets.
	retired context.Context
	retire  context.CancelFunc
}

// New checks the configuration and returns an input. It binds no port.
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

// Addr returns the address that Listen has bound; nil before.
func (in *Input) Addr() net.Addr {
	if len(in.sockets) == 0 {
		return nil
	}
	return in.sockets[0].conn.LocalAddr()
}

// Listen takes the sockets that systemd has passed for the address, or binds the
// port. Run does it where it has not been done.
func (in *Input) Listen() error {
	if in.sockets != nil {
		return nil
	}
	conns, err := in.conns()
	if err != nil {
		return fmt.Errorf("input %q: %w", in.cfg.Name, err)
	}
	for i, conn := range conns {
		s, err := in.open(i, conn)
		if err != nil {
			in.close()
			closeAll(conns[i+1:])
			return fmt.Errorf("input %q: %w", in.cfg.Name, err)
		}
		in.sockets = append(in.sockets, s)
	}
	if in.inherited {
		return nil
	}
	if err := in.begin(); err != nil {
		in.close()
		return fmt.Errorf("input %q: %w", in.cfg.Name, err)
	}
	return nil
}

// begin gives the sockets their buffers. Those of an input before get them when this one
// runs: the other may keep them.
func (in *Input) begin() error {
	for _, s := range in.sockets {
		granted, err := setReceiveBuffer(s.conn, in.cfg.ReceiveBuffer, in.passed)
		if err != nil {
			return err
		}
		s.granted.Store(int64(granted))
		s.pace = newPace(granted)
		if in.inherited {
			s.reported = s.drops.total() // the rest is for the other to tell
		}
	}
	granted := in.sockets[0].granted.Load()
	e := in.log.Info()
	if granted < int64(in.cfg.ReceiveBuffer) {
		e = in.log.Warn().Str("hint", bufferHint(in.passed))
	}
	e.Stringer("listen", in.Addr()).Int("sockets", len(in.sockets)).Bool("passed", in.passed).
		Int64("receive_buffer", granted).Int("receive_buffer_wanted", in.cfg.ReceiveBuffer).
		Msg("listening for datagrams")
	return nil
}

func bufferHint(passed bool) string {
	if passed {
		return "set ReceiveBuffer= in the .socket unit"
	}
	return "raise net.core.rmem_max, grant CAP_NET_ADMIN, or have a .socket unit pass the socket"
}

// conns returns the sockets of the input: those that systemd or an input before has
// passed, however many, or else as many as configured.
func (in *Input) conns() ([]*net.UDPConn, error) {
	conns, ours, err := activation.UDP(in.cfg.Listen)
	if len(conns) > 0 || err != nil {
		in.passed, in.inherited = !ours, ours
		return conns, err
	}
	address := in.cfg.Listen
	for range in.cfg.Sockets {
		conn, err := in.bind(address)
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		conns = append(conns, conn)
		address = conn.LocalAddr().String() // the port, if the system chose it
	}
	return conns, nil
}

func closeAll(conns []*net.UDPConn) {
	for _, c := range conns {
		c.Close()
	}
}

func (in *Input) close() {
	for _, s := range in.sockets {
		s.conn.Close()
	}
	in.sockets = nil
}

// Sockets implements inputs.Successor.
func (in *Input) Sockets() (conns []syscall.Conn) {
	for _, s := range in.sockets {
		conns = append(conns, s.conn)
	}
	return conns
}

// Retire implements inputs.Successor.
func (in *Input) Retire() { in.retire() }

// Run receives until ctx ends. Then it takes what the kernel still holds, submits
// it and closes the sockets.
func (in *Input) Run(ctx context.Context, sink inputs.Sink) error {
	if err := in.Listen(); err != nil {
		return err
	}
	if in.retired.Err() != nil && ctx.Err() != nil { // it was only opened: what has come is for the other
		in.close()
		return nil
	}
	if in.inherited {
		if err := in.begin(); err != nil {
			in.close()
			return fmt.Errorf("input %q: %w", in.cfg.Name, err)
		}
	}
	// Submits outlive ctx, so that what was received is kept, but not for ever.
	submitting, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	ending, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(ending, func() {
		timer := time.AfterFunc(in.cfg.ShutdownTimeout, giveUp)
		context.AfterFunc(submitting, func() { timer.Stop() })
	})()
	// Another input that has the sockets is no reason to give up what these have brought.
	running, cease := context.WithCancel(ending)
	defer cease()
	defer context.AfterFunc(in.retired, cease)()

	var all sync.WaitGroup
	for _, s := range in.sockets {
		all.Go(func() {
			if err := s.run(running, submitting, sink); err != nil {
				end(err) // one socket that fails ends the input
			}
		})
	}
	all.Go(func() { in.watchDrops(running) })

	all.Wait()
	in.reportDrops()
	for _, s := range in.sockets {
		s.conn.Close()
	}
	in.repeats.Flush()
	if err := context.Cause(ending); ctx.Err() == nil && in.retired.Err() == nil && !errors.Is(err, inputs.ErrClosed) {
		return fmt.Errorf("input %q: %w", in.cfg.Name, err)
	}
	return nil
}

// watchDrops logs from time to time what the kernel had to drop.
func (in *Input) watchDrops(ctx context.Context) {
	tick := time.NewTicker(dropCheck)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			in.reportDrops()
		case <-ctx.Done():
			return
		}
	}
}

func (in *Input) reportDrops() {
	for _, s := range in.sockets {
		if now := s.drops.total(); now > s.reported {
			in.log.Warn().Int("socket", s.index).Uint64("dropped", now-s.reported).Int64("receive_buffer", s.granted.Load()).
				Str("hint", "raise receive_buffer or sockets").
				Msg("the kernel dropped datagrams: its receive buffer was full")
			s.reported = now
		}
	}
}
