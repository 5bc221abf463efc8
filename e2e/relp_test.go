package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// kills is how often the relay is killed; make soak-relp asks for more.
var kills = flag.Int("kills", 5, "how often TestARelayKilledAtAnyMoment… kills the relay")

// The relay is killed at random moments while rsyslog sends as fast as it is
// let. What rsyslog sends again is stored once. The window is larger than
// rsyslog's own: on loopback a small one is held back by the corked socket.
func TestARelayKilledAtAnyMomentStoresOnceWhatRsyslogSendsByRELP(t *testing.T) {
	// trickle is the text of further messages.
	const trickle = "one more, so that the rest is sent again"
	listen := proc.FreeAddr(t)
	relay := syslane.Start(t, "relay", fmt.Sprintf("[[input]]\ntype = \"relp\"\nname = \"hosts\"\nlisten = %q\n", listen))
	host, port, _ := net.SplitHostPort(listen)
	rsyslog := peers.StartRsyslog(t, peers.RsyslogConfig{
		Modules: `module(load="omrelp")`,
		Actions: fmt.Sprintf(`  action(type="omrelp" target=%q port=%q timeout="10" windowSize="5000"
    action.resumeRetryCount="-1" action.resumeInterval="1" template="RSYSLOG_SyslogProtocol23Format"
    queue.type="LinkedList" queue.size="200000" queue.timeoutEnqueue="600000")`, host, port),
	})
	set := numbered.New(3000 * *kills)
	loggen := peers.StartLoggen(t, rsyslog.Input, set.Lines(), 2500)
	redelivered := 0.0
	for range *kills {
		relay.WaitFor(t, arrival, 1, "syslane_input_stored_messages_total")
		time.Sleep(rand.N(400 * time.Millisecond)) // the kill is to come at any moment
		if m, err := relay.Metrics(); err == nil {
			redelivered += m.Sum("syslane_input_redelivered_messages_total")
		}
		relay.Kill()
		relay.Restart(t)
	}
	if err := loggen.Wait(arrival); err != nil {
		t.Fatal(err)
	}
	check := func() *numbered.Checker {
		c := numbered.NewChecker(set, numbered.RFC5424)
		relay.EachOnDisk(t, func(document []byte) error {
			if bytes.Contains(document, []byte(trickle)) {
				return nil
			}
			return c.Add(document)
		})
		return c
	}
	// librelp sends again only with its next message.
	await.Until(t, arrival, "every message in the log", func() error {
		conn, err := net.Dial("tcp", rsyslog.Input)
		if err != nil {
			return err
		}
		fmt.Fprintf(conn, "<13>1 %s host app - - - %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), trickle)
		conn.Close()
		time.Sleep(time.Second)
		if n := check().Missing(); n > 0 {
			return fmt.Errorf("%d are missing", n)
		}
		return nil
	})
	if err := check().ExactlyOnce(); err != nil {
		t.Error(err)
	}
	if m, err := relay.Metrics(); err == nil {
		redelivered += m.Sum("syslane_input_redelivered_messages_total")
	}
	t.Logf("rsyslog sent at least %v messages again that were stored", redelivered)
	relay.Balance(t)
	relay.Shutdown(t)
}
