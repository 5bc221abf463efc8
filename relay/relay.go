// Package relay is the relay of RFC 5424 §3: it takes messages from the hosts
// around it and forwards them.
//
// The way of a message: an input frames it; the pipeline parses it, gives it its
// event id and appends it to the log, which fsyncs; the input acknowledges. A
// delivery reads it at the output's cursor and hands it over until the collector
// has acknowledged. A segment of the log is deleted once every output's cursor
// has passed it.
package relay

import (
	"context"

	"github.com/syslane/syslane/internal/node"
)

// Name is the relay's name in commands and folders.
const Name = "relay"

// Role is what a relay does.
var Role = node.Role{Name: Name}

// Run runs a relay until ctx ends. What is not delivered by then stays in the
// log for the next start.
func Run(ctx context.Context, p *node.Plan) error {
	n, err := node.Open(Role, p)
	if err != nil {
		return err
	}
	return n.Run(ctx)
}
