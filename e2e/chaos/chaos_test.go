package chaos

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/syslane"
)

var (
	seed    = flag.Uint64("seed", 0, "the seed of the faults; 0 draws one")
	length  = flag.Duration("length", 5*time.Minute, "how long there are faults")
	without = flag.String("without", "", "a kind of fault to leave out")
	rate    = flag.Int("rate", 200, "messages a second of each agent")
)

// calm is how long agents go on after the last fault.
const calm = recovery + 10*time.Second

func TestMain(m *testing.M) { syslane.Main(m) }

// requirements leaves the test out where the machine cannot do it.
func requirements(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		peers.LeaveOut(t, "making networks and disks needs root")
	}
	for _, program := range []string{"ip", "tc", "nft", "mkfs.ext4", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			peers.LeaveOut(t, program+" is not installed: run e2e/setup/install-peers.sh")
		}
	}
}

func TestNothingAcknowledgedIsLostOrDoubledUnderFaults(t *testing.T) {
	requirements(t)
	if *seed == 0 {
		*seed = rand.Uint64N(1e6)
	}
	t.Logf("replay with: go test ./e2e/chaos -count=1 -v -timeout 0 -run UnderFaults -seed=%d -length=%v -rate=%d -without=%q", *seed, *length, *rate, *without)
	binary := buildWithClock(t, "")
	first, upgrade := binary, ""
	if *without != "upgrade" {
		if before := buildPrevious(t); before != "" {
			first, upgrade = before, binary
		}
	}
	c := startCluster(t, first)
	seen := observe(t, c)
	for _, a := range c.agents {
		a.send(*rate)
	}
	began := time.Now()
	inflict(t, c, plan(*seed, *length, c, kinds(upgrade, *without)), began)
	calmSince := time.Now()
	t.Logf("%5.1f s: the last fault has ended", time.Since(began).Seconds())
	resume(t, c, calmSince)
	time.Sleep(time.Until(calmSince.Add(calm)))
	listen(t, c, seen, *rate)
	for _, a := range c.agents {
		if err := a.stopSending(); err != nil {
			t.Errorf("%s: %v", a.name, err)
		}
	}
	settle(t, c)
	t.Logf("%5.1f s: settled", time.Since(began).Seconds())
	k := newChecker(t, c)
	for _, n := range c.collectors {
		k.collector(n)
	}
	seen.wait(t, k)
	seen.end()
	t.Log(seen)
	if took := seen.recovered(calmSince); took > recovery {
		t.Errorf("messages were late for %v after the last fault", took)
	} else {
		t.Logf("the last message that was late arrived %v after the last fault", took.Round(100*time.Millisecond))
	}
	for _, n := range c.nodes() {
		n.syslane().Balance(t)
	}
	k.elastic(c.elastic)
	k.verdict()
}

// inflict carries out a plan, and returns when all is mended.
func inflict(t *testing.T, c *cluster, faults []fault, began time.Time) {
	type place struct {
		host *host
		part part
	}
	locks := map[place]*sync.Mutex{}
	var all sync.WaitGroup
	for _, f := range faults {
		p := place{f.host, f.kind.part}
		if locks[p] == nil {
			locks[p] = new(sync.Mutex)
		}
		all.Go(func() {
			time.Sleep(time.Until(began.Add(f.at)))
			// Mending the one before may take longer than planned, as a start of
			// Elasticsearch does.
			locks[p].Lock()
			defer locks[p].Unlock()
			started := time.Since(began)
			if n := c.nodeAt(f.host); n != nil && f.kind.part == process {
				if err := n.crashed(); err != nil {
					t.Errorf("before %v: %v", f, err)
				}
			}
			end, err := f.kind.begin(t, c, f.host, rand.New(rand.NewPCG(f.seed, 2)))
			if err != nil {
				t.Errorf("%v: %v", f, err)
				return
			}
			time.Sleep(f.lasts)
			err = end()
			t.Logf("%5.1f-%.1f s: %v", started.Seconds(), time.Since(began).Seconds(), f)
			if err != nil {
				t.Errorf("mend %v: %v", f, err)
			}
		})
	}
	all.Wait()
}

// stuck is how long nothing may move before the system does not settle. How fast
// Elasticsearch takes what is left is its own: a large backlog takes it minutes.
const stuck = 2 * time.Minute

// settle waits until everything is where it goes to.
func settle(t *testing.T, c *cluster) {
	t.Helper()
	var left float64
	var received string
	fewer, since := time.Now(), time.Now()
	for {
		var state string
		var retained float64
		var errs []error
		for _, n := range c.nodes() {
			m, err := n.syslane().Metrics()
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if of := m.Sum("syslane_output_retained_messages"); of > 0 {
				retained += of
				errs = append(errs, fmt.Errorf("%s retains %v", n.name, of))
			}
			state += fmt.Sprint(m.Sum("syslane_input_received_messages_total"), " ")
		}
		if retained != left {
			left, fewer = retained, time.Now()
		}
		// What is still on its way to a relay shows only when it arrives.
		if state != received {
			received, since = state, time.Now()
		}
		if time.Since(since) < 5*time.Second {
			errs = append(errs, errors.New("messages still come in"))
		}
		if len(errs) == 0 {
			return
		}
		if time.Since(fewer) > stuck && time.Since(since) > stuck {
			t.Errorf("the system does not settle: for %v nothing moves: %v", stuck, errors.Join(errs...))
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}
