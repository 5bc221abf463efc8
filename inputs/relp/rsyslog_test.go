package relp_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/inputs/inputtest"
)

// The window is larger than rsyslog's own default of 128: omrelp sends with the
// socket corked, and on loopback, where a window of small messages does not fill a
// segment, the kernel holds each window back for 200 ms, whoever the server is.

// startRsyslog runs a real rsyslogd that forwards by RELP to target.
func startRsyslog(t *testing.T, target, action string) *peers.Rsyslog {
	t.Helper()
	host, port, _ := net.SplitHostPort(target)
	return peers.StartRsyslog(t, peers.RsyslogConfig{
		Modules: `module(load="omrelp")`,
		Actions: fmt.Sprintf(`action(type="omrelp" target=%q port=%q template="RSYSLOG_SyslogProtocol23Format"
  windowSize="5000" action.resumeRetryCount="-1" action.resumeInterval="1" %s)`, host, port, action),
	})
}

// sendNumbered sends messages 0 to n-1 by TCP.
func sendNumbered(t *testing.T, addr string, n int) {
	t.Helper()
	sendNumbers(t, addr, 0, n)
}

// sendNumbers sends n messages from number first on.
func sendNumbers(t *testing.T, addr string, first, n int) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "<134>1 2026-01-02T03:04:05.678901Z host app 1 - - message number %08d\n", first+i)
	}
	if _, err := c.Write(b); err != nil {
		t.Fatal(err)
	}
}

// untilAll goes on sending message 0 until n numbers are stored: librelp notices
// that a connection was lost, and sends again, only when it has another message.
func untilAll(t *testing.T, rsyslog string, store *store, n int) {
	t.Helper()
	next := time.Now().Add(time.Second)
	inputtest.Eventually(t, "all messages are stored", func() bool {
		if time.Now().After(next) {
			next = time.Now().Add(time.Second)
			sendNumbered(t, rsyslog, 1)
		}
		return store.distinct("message number") >= n
	})
}

func TestRsyslogDeliversEachMessageOnce(t *testing.T) {
	const n = 20_000
	store := &store{}
	addr := start(t, config{}, store).Addr().String()
	rsyslog := startRsyslog(t, addr, `name="relp"`)
	sendNumbered(t, rsyslog.Input, n)
	inputtest.Eventually(t, "all messages are stored", func() bool { return store.count("message number") >= n })
	if err := rsyslog.Stop(30 * time.Second); err != nil { // librelp waits for 90
		t.Errorf("rsyslogd does not close its session: %v", err)
	}
	if repeated := store.expectNumbers(t, n); repeated != 0 {
		t.Errorf("%d messages came twice", repeated)
	}
	if m := store.find("message number 00000007"); m != "<134>1 2026-01-02T03:04:05.678901Z host app 1 - - message number 00000007" {
		t.Errorf("message was changed on the way: %q", m)
	}
}

func TestRsyslogSendsAgainWhatCouldNotBeStored(t *testing.T) {
	const n = 5000
	store := &store{}
	failures := 0
	store.fail = func() error {
		if failures++; failures%7 == 3 && failures < 60 {
			return fmt.Errorf("disk full, attempt %d", failures)
		}
		return nil
	}
	addr := start(t, config{}, store).Addr().String()
	rsyslog := startRsyslog(t, addr, `queue.type="LinkedList" queue.size="100000"`)
	sendNumbered(t, rsyslog.Input, n)
	untilAll(t, rsyslog.Input, store, n)
	store.expectNumbers(t, n)
}

func TestRsyslogReconnectsAfterARestart(t *testing.T) {
	const n = 3000
	store := &store{}
	ctx, stop := context.WithCancel(context.Background())
	addr := proc.FreeAddr(t) // which no client gets while nobody listens
	_, done := startUntil(t, ctx, config{listen: addr}, store)
	rsyslog := startRsyslog(t, addr, `queue.type="LinkedList" queue.size="100000"`)
	sendNumbered(t, rsyslog.Input, n)
	inputtest.Eventually(t, "some messages are stored", func() bool { return store.count("message number") > 0 })
	stop()
	<-done
	start(t, config{listen: addr}, store)
	untilAll(t, rsyslog.Input, store, n)
	// What was acknowledged before the end was read by the peer: none is sent
	// again, but for message 0.
	store.expectNumbers(t, n)
	for m, times := range store.times("message number") {
		if times > 1 && !strings.Contains(m, "number 00000000") {
			t.Errorf("%q came %d times though the restart was in order", m, times)
		}
	}
}
