package forwarding

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	generator "github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

const (
	// watched is for how long an outage is looked at: longer than it takes to compress
	// a segment again, after which a collector's log has room and takes more. idleShare
	// is what part of a processor it may cost.
	watched   = 10 * time.Second
	idleShare = 0.1
)

// The longer an outage lasts, the surer the log is full and all senders wait. The
// machine has other things to do then.
func TestAnOutageWithAFullLogCostsNoProcessor(t *testing.T) {
	nobody := proc.FreeAddr(t)
	for role, output := range map[string]string{
		"relay":     fmt.Sprintf("[[output]]\ntype = \"relp\"\ntargets = [%q]\n", nobody),
		"collector": fmt.Sprintf("[[output]]\ntype = \"elasticsearch\"\nhosts = [\"http://%s\"]\n", nobody),
	} {
		t.Run(role, func(t *testing.T) {
			tcp, udp, relp := proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t)
			node := syslane.Start(t, role, fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n[[input]]\ntype = \"udp\"\nlisten = %q\n"+
				"[[input]]\ntype = \"relp\"\nlisten = %q\n%s[log]\nmax_size = \"16MiB\"\nsegment_size = \"2MiB\"\n", tcp, udp, relp, output))
			messages, err := generator.NewMessages(200_000, "")
			if err != nil {
				t.Fatal(err)
			}
			const conns = 10
			streams, err := generator.Dial(tcp, conns, "")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			var sending sync.WaitGroup
			sending.Go(func() {
				for ctx.Err() == nil && streams.Send(messages) == nil {
				}
			})
			sending.Go(func() {
				for ctx.Err() == nil {
					if _, err := generator.SendDatagrams(udp, messages.Of(1000), 1000); err != nil {
						t.Error(err)
						return
					}
				}
			})
			defer func() {
				cancel()
				streams.Close()
				sending.Wait()
			}()

			sum := func(name string) float64 {
				m, err := node.Metrics()
				if err != nil {
					t.Fatal(err)
				}
				return m.Sum(name)
			}
			node.WaitFor(t, time.Minute, 1, "syslane_log_failing")
			const taken, used = "syslane_input_received_messages_total", "process_cpu_seconds_total"
			var took float64
			for deadline := time.Now().Add(2 * time.Minute); ; {
				received, before, began := sum(taken), sum(used), time.Now()
				time.Sleep(watched)
				took = (sum(used) - before) / time.Since(began).Seconds()
				now := sum(taken)
				if now == received {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("a log of 16 MiB with a dead target goes on to take messages: %.0f in %s", now-received, watched)
				}
			}
			t.Logf("%s with a full log, a dead target and senders that wait: %.3f of a processor", role, took)
			if took > idleShare {
				t.Errorf("an outage costs %.2f of a processor, want at most %.2f", took, idleShare)
			}
		})
	}
}
