package node

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// restAfter is how long nothing may have been stored until the memory of the last
	// burst is given back, and restSlack how many octets of it are not worth the work.
	restAfter = time.Second
	restSlack = 2 << 20
	// restTurns is how many collections that takes: the second empties the pools of
	// buffers, and the log gives up its own in the meantime.
	restTurns = 3
	// gcPercent is GOGC where the environment sets none. Messages allocate nothing of
	// their own, so that collections are rare, and half the memory for them costs no CPU
	// that can be measured.
	gcPercent = 50
)

// frugal sets how much memory the runtime may use beside what is in use.
func frugal() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}

// rest gives memory back to the system each time that the log has come to rest. The
// runtime alone would keep what a burst took for minutes, and some of it for ever.
func (n *Node) rest(ctx context.Context) {
	tick := time.NewTicker(restAfter)
	defer tick.Stop()
	head, idle := n.log.Head(), 0
	least, giving := uint64(0), false
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
		if idle++; idle == 1 {
			giving = resident() > least+restSlack
		}
		if giving && idle <= restTurns {
			debug.FreeOSMemory()
			least = resident()
		}
	}
}

// resident is what the runtime has of the system, in octets.
func resident() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64() - s[1].Value.Uint64()
}
