package relp

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/targets"
)

// probeStream is the stream by which the link is asked for. Nothing is ever sent in it.
const probeStream = "syslane-check"

// Probe opens a session with each target, says what is behind it and whether it grants
// the link, and closes the session. Nothing is sent.
func Probe(ctx context.Context, cfg Config) []outputs.Probed {
	if err := cfg.setDefaults(); err != nil {
		return []outputs.Probed{{Key: "targets", Err: err}}
	}
	return targets.Probe(ctx, cfg.Targets, cfg.Resolver, func(ctx context.Context, address string) outputs.Probed {
		l := &lane{cfg: &cfg, log: zerolog.Nop(), target: address}
		s, err := l.openSession(ctx, &outputs.Batch{Stream: probeStream, First: 1, Next: 1})
		if err != nil {
			return outputs.Probed{Err: err}
		}
		defer s.close()
		switch {
		case s.link:
			return outputs.Probed{Note: "RELP answers, and grants the link"}
		case s.software == "syslane" && !cfg.Plain:
			return outputs.Probed{Warning: "the Syslane there does not grant the link and takes plain messages, without their envelopes; give this one a client certificate (tls.cert_file), or list its address in link_from there"}
		}
		return outputs.Probed{Note: fmt.Sprintf("RELP answers (%.60q), and is sent plain messages", s.software)}
	})
}
