package node

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/syslane/syslane/internal/activation"
	"github.com/syslane/syslane/spool"
)

const (
	// pulseEvery is how often the log is looked at where no service manager asks.
	pulseEvery = 10 * time.Second
	// pulsesPerWatchdog is how many looks there are in the time after which a service
	// manager takes the node for dead.
	pulsesPerWatchdog = 4
)

// supervise tells the service manager (sd_notify(3)) that the node is ready, how it
// is doing, that it lives for as long as it does, and that it stops when ctx ends.
// Without a manager it still notices a log that has come to a halt.
func (n *Node) supervise(ctx context.Context) {
	every := pulseEvery
	watchdog, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		n.logger.Warn().Err(err).Msg("the service manager's watchdog is not understood: it gets no sign of life")
	}
	if watchdog > 0 {
		every = max(watchdog/pulsesPerWatchdog, time.Millisecond)
	}
	for _, s := range activation.Untaken() {
		n.logger.Warn().Str("socket", s).Msg("systemd has passed a socket on which no input listens: what is sent there is heard by none; add an [[input]] with this address, or take it out of the .socket unit")
	}
	n.notify(daemon.SdNotifyReady, "STATUS="+n.statusLine())
	defer func() { n.notify(daemon.SdNotifyStopping, "STATUS=stopping") }()
	tick := time.NewTicker(every)
	defer tick.Stop()
	p := newPulse(n.log.Stats())
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		halted := !p.beats(n.log.Stats())
		if was := n.halted.Swap(halted); halted != was {
			if halted {
				n.logger.Error().Msg("the log has stood still with messages waiting: the disk hangs, or the program does; without progress there is no sign of life for the watchdog")
			} else {
				n.logger.Info().Msg("the log goes on")
			}
		}
		states := []string{"STATUS=" + n.statusLine()}
		if !halted {
			states = append(states, daemon.SdNotifyWatchdog)
		}
		n.notify(states...)
	}
}

// notify sends states to the service manager, where there is one.
func (n *Node) notify(states ...string) {
	if _, err := daemon.SdNotify(false, strings.Join(states, "\n")); err != nil {
		n.logger.Warn().Err(err).Msg("the service manager cannot be told")
	}
}

// statusLine is what "systemctl status" shows.
func (n *Node) statusLine() string {
	if err := n.probeLog(); err != nil {
		return err.Error()
	}
	s := n.log.Stats()
	line := fmt.Sprintf("%d messages stored since the start, %d in the log", s.Records, s.Head-s.Tail)
	for _, o := range n.sendings() {
		line += fmt.Sprintf("; output %s: %d to deliver", o.name, o.cursor.Status().Lag)
		if o.delivery.Failing() != nil {
			line += " (failing)"
		}
	}
	for _, c := range n.unclaimed() {
		line += fmt.Sprintf("; %d kept for output %s, which is not in the configuration", c.Lag, c.Name)
	}
	return line
}

// pulse tells from what the log says of itself, from time to time, whether it lives.
type pulse struct{ groups uint64 }

func newPulse(s spool.Stats) *pulse { return &pulse{s.Groups + s.Failures} }

// beats reports whether the log has nothing to write or has written, or failed to,
// since the last call. A full log, and one whose disk fails, lives: it says so and
// tries again.
func (p *pulse) beats(s spool.Stats) bool {
	groups := s.Groups + s.Failures
	alive := s.Pending == 0 || groups != p.groups
	p.groups = groups
	return alive
}
