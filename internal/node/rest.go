package node

import (
	"context"
	"runtime/debug"
	"time"
)

// restAfter is how long nothing may have been stored until the memory of the last
// burst is given back.
const restAfter = 5 * time.Second

// rest gives memory back to the system each time that the log has come to rest. The
// runtime alone would keep what a burst took for minutes, and some of it for ever.
func (n *Node) rest(ctx context.Context) {
	tick := time.NewTicker(restAfter)
	defer tick.Stop()
	head, idle := n.log.Head(), 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := n.log.Head()
		if now != head {
			head, idle = now, 0
			continue
		}
		// The pools of buffers are emptied by the second collection.
		if idle++; idle <= 2 {
			debug.FreeOSMemory()
		}
	}
}
