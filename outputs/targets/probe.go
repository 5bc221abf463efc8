package targets

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/syslane/syslane/outputs"
)

// Probe looks at all servers of a list at once, those that SRV records name too. look
// is given host:port and need not fill in Key and Target. A nil resolver is the
// system's.
func Probe(ctx context.Context, list []string, resolver *net.Resolver, look func(ctx context.Context, address string) outputs.Probed) []outputs.Probed {
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	found := make([][]outputs.Probed, len(list))
	var all sync.WaitGroup
	for i, target := range list {
		all.Go(func() {
			key := fmt.Sprintf("targets[%d]", i)
			servers := []address{{hostPort: target}}
			if isService(target) {
				var err error
				if servers, err = lookup(ctx, resolver, target); err != nil {
					found[i] = []outputs.Probed{{Key: key, Target: target, Err: err}}
					return
				}
			}
			found[i] = make([]outputs.Probed, len(servers))
			var several sync.WaitGroup
			for k, server := range servers {
				several.Go(func() {
					p := look(ctx, server.hostPort)
					p.Key, p.Target = key, server.hostPort
					found[i][k] = p
				})
			}
			several.Wait()
		})
	}
	all.Wait()
	var flat []outputs.Probed
	for _, list := range found {
		flat = append(flat, list...)
	}
	return flat
}
