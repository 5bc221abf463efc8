package syslog

import (
	"context"

	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/targets"
)

// Probe connects to each target, with TLS where the output does. Of UDP all that can
// be known is whether the name resolves and there is a route.
func Probe(ctx context.Context, cfg Config) []outputs.Probed {
	if err := cfg.setDefaults(); err != nil {
		return []outputs.Probed{{Key: "targets", Err: err}}
	}
	return targets.Probe(ctx, cfg.Targets, nil, func(ctx context.Context, address string) outputs.Probed {
		if cfg.Protocol == UDP {
			d := &datagrams{cfg: &cfg, target: address}
			return outputs.Probed{Err: d.Check(ctx), Note: "there is a route; UDP tells no more"}
		}
		c, err := dial(ctx, &cfg, address)
		if err != nil {
			return outputs.Probed{Err: err}
		}
		c.close()
		return outputs.Probed{Note: "the server takes the connection"}
	})
}
