package relp

import (
	"context"
	"errors"

	"github.com/syslane/syslane/outputs"
)

// ErrNoLink is returned by Resume where the target takes messages, but not over
// the link: it is another program, or it does not let this peer set an envelope.
var ErrNoLink = errors.New("the server offers no link: it must be Syslane, and name this peer's address in link_from or know its certificate")

// Resume connects, if that is not done, and returns the position up to which the
// server has the stream from its first event on: 1 where it has none. It must not
// be called while Write is running, and makes sense only with one target.
func (o *Output) Resume(ctx context.Context, stream string) (uint64, error) {
	only, err := o.group.Only(ctx)
	if err != nil {
		return 0, err
	}
	return only.(*lane).position(ctx, stream)
}

func (o *lane) position(ctx context.Context, stream string) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s, _, err := o.connect(ctx, &outputs.Batch{Stream: stream, First: 1})
	if err != nil {
		return 0, err
	}
	if !s.link {
		return 0, ErrNoLink
	}
	if len(s.have) > 0 && s.have[0].first == 1 {
		return s.have[0].next, nil
	}
	return 1, nil
}
