package proc

import (
	"context"
	"net"
)

// Place says where a program runs: on this machine as it is (the zero value), or
// in a network of its own.
type Place struct {
	// Enter is the command that runs its arguments there; nil for none.
	Enter []string
	// Dialer makes connections as seen from there; nil for net.Dialer.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Dial connects to addr as seen from the place.
func (p Place) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if p.Dialer == nil {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	return p.Dialer(ctx, network, addr)
}

// Command returns the command that runs args at the place.
func (p Place) Command(args ...string) []string {
	return append(append([]string(nil), p.Enter...), args...)
}
