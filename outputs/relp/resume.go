package relp

import (
	"context"
	"errors"
)

// ErrNoLink is returned by Resume where the target takes messages, but not over
// the link: it is another program, or it does not let this peer set an envelope.
var ErrNoLink = errors.New("the server offers no link: it must be Syslane, and name this peer's address in link_from or know its certificate")

// Resume connects, if that is not done, and returns the position after the last
// event of the stream that the server has; 0 where it has none. It must not be
// called while Write is running.
func (o *Output) Resume(ctx context.Context, stream string) (uint64, error) {
	s, _, err := o.connect(ctx, stream)
	if err != nil {
		return 0, err
	}
	if !s.link {
		return 0, ErrNoLink
	}
	return s.resume, nil
}
