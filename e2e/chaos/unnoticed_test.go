package chaos

import (
	"fmt"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
)

// The agent gives its session up while the network is cut, with a window of messages
// that the collector takes in only then, and that it cannot answer. rsyslogd gives up
// after ten seconds without an answer, here some two before the network is mended.
func TestARELPAgentThatIsCutOffWhileItGivesUpIsKnownAgain(t *testing.T) {
	requirements(t)
	network := newNetwork(t)
	n := newNode(t, network, "collector")
	n.start(t, "collector", buildWithClock(t, ""), fmt.Sprintf("[[input]]\ntype = \"relp\"\nlisten = %q\n", n.addr(relpPort)))
	a := rsyslogAgent(t, network.host(t, "relp"), true, peers.RsyslogConfig{
		Modules: `module(load="omrelp")`,
		Actions: peers.ForwardRELP(n.addr(relpPort)),
	})
	a.send(200)
	time.Sleep(3 * time.Second)
	n.Freeze()
	time.Sleep(1400 * time.Millisecond)
	if err := a.cut(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(4700 * time.Millisecond)
	n.Thaw()
	time.Sleep(6800 * time.Millisecond)
	if err := a.mend(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(15 * time.Second)
	a.stop()
	a.done.Wait()
	time.Sleep(3 * time.Second)
	n.syslane().WaitFor(t, 20*time.Second, float64(a.given.Load()), "syslane_log_stored_messages_total")
	m, err := n.syslane().Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if stored := m.Sum("syslane_log_stored_messages_total"); stored != float64(a.given.Load()) {
		t.Errorf("%v messages are stored of %d", stored, a.given.Load())
	}
	if again := m.Sum("syslane_input_redelivered_messages_total"); again == 0 {
		t.Error("nothing was sent again")
	}
}
