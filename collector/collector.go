// Package collector is the collector of RFC 5424 §3: it takes messages from hosts
// and relays, keeps them in a log that can be searched, and writes them to
// Elasticsearch.
//
// The way of a message is the relay's, with two differences: the log keeps
// segments after delivery, for as long as the retention says, and the HTTP API
// searches it.
package collector

import (
	"context"

	"github.com/syslane/syslane/internal/node"
)

// Name is the collector's name in commands and folders.
const Name = "collector"

// Role is what a collector does.
var Role = node.Role{Name: Name, KeepDelivered: true, Search: true}

// Run runs a collector until ctx ends. What is not delivered by then stays in
// the log for the next start.
func Run(ctx context.Context, p *node.Plan) error {
	n, err := node.Open(Role, p)
	if err != nil {
		return err
	}
	return n.Run(ctx)
}
