package syslog

import (
	"context"
	"fmt"

	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/targets"
)

// Output forwards events to syslog servers. It implements outputs.Output.
type Output struct{ *targets.Group }

// New checks the configuration and returns an output. It connects at the first Write.
func New(cfg Config) (*Output, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	cfg.Logger = cfg.Logger.With().Str("output", cfg.Name).Logger()
	m, err := newMetrics(cfg.Name, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("syslog output %q: register metrics: %w", cfg.Name, err)
	}
	group, err := targets.New(targets.Config{
		Output: cfg.Name, Targets: cfg.Targets, Mode: cfg.Mode,
		Open: func(address string) targets.Lane {
			if cfg.Protocol == UDP {
				return newDatagrams(&cfg, m, address)
			}
			return newStream(&cfg, m, address)
		},
		Refused:  func(error) bool { return false }, // syslog knows no answer
		Patience: cfg.SendTimeout,
		Logger:   cfg.Logger, Registerer: cfg.Registerer,
	})
	if err != nil {
		return nil, fmt.Errorf("syslog output %q: %w", cfg.Name, err)
	}
	return &Output{group}, nil
}

// place is how far a lane is with a batch, from one Write of it to the next.
type place struct {
	stream string
	first  uint64
	// start is the index of the first event that the target does not own.
	start    int
	rejected []outputs.Rejection
}

func (p *place) begin(b *outputs.Batch) {
	if p.stream != b.Stream || p.first != b.First {
		*p = place{stream: b.Stream, first: b.First}
	}
}

// reject notes an event that can never be sent.
func (p *place) reject(i int, reason string) {
	for _, r := range p.rejected {
		if r.Index == i {
			return // by an earlier attempt
		}
	}
	p.rejected = append(p.rejected, outputs.Rejection{Index: i, Reason: reason})
}

// owned is what targets.Lane.Write returns beside an error. Rejections are not
// passed on; another target finds them again.
func (p *place) owned() int {
	if len(p.rejected) > 0 {
		return min(p.start, p.rejected[0].Index)
	}
	return p.start
}

// done is what Write returns when every event is owned or rejected.
func (p *place) done() error {
	rejected := p.rejected
	*p = place{}
	if len(rejected) == 0 {
		return nil
	}
	return &outputs.Rejected{Items: rejected}
}

// Write implements outputs.Output. What a second Write sends again is what the
// first does not know to have arrived.
func (o *Output) Write(ctx context.Context, b *outputs.Batch) error { return o.Group.Write(ctx, b) }
