package node

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// restEvery is how often it is looked whether something was stored, restTurns after
	// how many looks in vain the memory of the last burst is given back: the log has
	// given up its buffers by then. So is later, at each so many looks, what was used
	// meanwhile. restSlack is how many octets are not worth the work.
	restEvery = time.Second
	restTurns = 2
	restSlack = 2 << 20
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
	tick := time.NewTicker(restEvery)
	defer tick.Stop()
	head, idle, least := n.log.Head(), 0, uint64(0)
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if now := n.log.Head(); now != head {
			head, idle = now, 0
			continue
		}
		if idle++; idle%restTurns == 0 && resident() > least+restSlack {
			runtime.GC() // pools give up their buffers at the second collection
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
