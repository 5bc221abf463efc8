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
	// watched is for how long an outage is looked at, and idleShare what part of a
	// processor it may cost.
	watched   = 5 * time.Second
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

			cpu := func() float64 {
				m, err := node.Metrics()
				if err != nil {
					t.Fatal(err)
				}
				return m.Sum("process_cpu_seconds_total")
			}
			node.WaitFor(t, time.Minute, 1, "syslane_log_failing")
			time.Sleep(time.Second) // what was under way when it became full
			before, began := cpu(), time.Now()
			time.Sleep(watched)
			took := (cpu() - before) / time.Since(began).Seconds()
			t.Logf("%s with a full log, a dead target and senders that wait: %.3f of a processor", role, took)
			if took > idleShare {
				t.Errorf("an outage costs %.2f of a processor, want at most %.2f", took, idleShare)
			}
		})
	}
}
