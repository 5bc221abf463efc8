package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
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
	end := startTrickle(t, rsyslog.Input)
	redelivered := 0.0
	// Kills may all be at moments at which everything is answered.
	for i := 0; i < *kills || redelivered == 0 && i < 4**kills; i++ {
		relay.WaitFor(t, arrival, 1, "syslane_input_stored_messages_total")
		time.Sleep(rand.N(400 * time.Millisecond)) // the kill is to come at any moment
		if m, err := relay.Metrics(); err == nil {
			redelivered += m.Sum("syslane_input_redelivered_messages_total")
		}
		relay.Kill()
		relay.Restart(t)
	}
	relay.WaitFor(t, arrival, 1, "syslane_input_stored_messages_total")
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
	await.Until(t, arrival, "every message in the log", func() error {
		if n := check().Missing(); n > 0 {
			time.Sleep(time.Second) // a look takes its time
			return fmt.Errorf("%d are missing", n)
		}
		return nil
	})
	end()
	if err := check().ExactlyOnce(); err != nil {
		t.Error(err)
	}
	if m, err := relay.Metrics(); err == nil {
		redelivered += m.Sum("syslane_input_redelivered_messages_total")
	}
	t.Logf("rsyslog sent at least %v messages again that were stored", redelivered)
	if redelivered == 0 {
		t.Error("nothing was sent again, so nothing is shown")
	}
	relay.Balance(t)
	relay.Shutdown(t)
}

// trickle is the text of messages beyond those that are counted.
const trickle = "one more, so that the rest is sent again"

// startTrickle sends a message now and then until end is called: librelp finds out that
// a connection is lost, and sends again, only with its next message.
func startTrickle(t *testing.T, addr string) (end func()) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		defer conn.Close()
		tick := time.NewTicker(time.Second / 4)
		defer tick.Stop()
		for {
			fmt.Fprintf(conn, "<13>1 %s host app - - - %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), trickle)
			select {
			case <-tick.C:
			case <-stop:
				return
			}
		}
	}()
	end = sync.OnceFunc(func() {
		close(stop)
		<-done
	})
	t.Cleanup(end)
	return end
}
