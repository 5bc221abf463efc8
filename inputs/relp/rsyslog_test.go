package relp_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
)

// The window is larger than rsyslog's own default of 128: omrelp sends with the
// socket corked, and on loopback, where a window of small messages does not fill a
// segment, the kernel holds each window back for 200 ms, whoever the server is.

// startRsyslog runs a real rsyslogd that takes TCP and forwards by RELP to
// target, and returns the address of its TCP input. It skips where there is no
// rsyslogd, but not under CI.
func startRsyslog(t *testing.T, target, action string) (addr string, stop func()) {
	t.Helper()
	path := peers.Find(t, peers.Rsyslogd)
	dir := t.TempDir()
	host, port, _ := net.SplitHostPort(target)
	conf := filepath.Join(dir, "rsyslog.conf")
	text := fmt.Sprintf(`
global(workDirectory=%q)
module(load="imtcp")
module(load="omrelp")
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName=%q)
action(type="omrelp" target=%q port=%q template="RSYSLOG_SyslogProtocol23Format"
       windowSize="5000" action.resumeRetryCount="-1" action.resumeInterval="1" %s)
`, dir, dir+"/port", host, port, action)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.Command(path, "-n", "-f", conf, "-i", dir+"/pid")
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cmd.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		kill.Stop()
		if t.Failed() {
			t.Logf("rsyslogd: %s", output.Bytes())
		}
	}
	t.Cleanup(stop)
	eventually(t, "rsyslogd listens", func() bool {
		b, err := os.ReadFile(dir + "/port")
		addr = "127.0.0.1:" + strings.TrimSpace(string(b))
		if err != nil || len(bytes.TrimSpace(b)) == 0 {
			return false
		}
		// It writes the file when it has bound the port, before it listens.
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
	return addr, stop
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
	eventually(t, "all messages are stored", func() bool {
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
	rsyslog, stop := startRsyslog(t, addr, `name="relp"`)
	sendNumbered(t, rsyslog, n)
	eventually(t, "all messages are stored", func() bool { return store.count("message number") >= n })
	began := time.Now()
	stop()
	if took := time.Since(began); took > 30*time.Second { // librelp waits for 90
		t.Errorf("rsyslogd took %s to close its session", took)
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
	rsyslog, _ := startRsyslog(t, addr, `queue.type="LinkedList" queue.size="100000"`)
	sendNumbered(t, rsyslog, n)
	untilAll(t, rsyslog, store, n)
	store.expectNumbers(t, n)
}

func TestRsyslogReconnectsAfterARestart(t *testing.T) {
	const n = 3000
	store := &store{}
	ctx, stop := context.WithCancel(context.Background())
	in, done := startUntil(t, ctx, config{}, store)
	addr := in.Addr().String()
	rsyslog, _ := startRsyslog(t, addr, `queue.type="LinkedList" queue.size="100000"`)
	sendNumbered(t, rsyslog, n)
	eventually(t, "some messages are stored", func() bool { return store.count("message number") > 0 })
	stop()
	<-done
	start(t, config{listen: addr}, store)
	untilAll(t, rsyslog, store, n)
	// What was acknowledged before the end was read by the peer: none is sent
	// again, but for message 0.
	store.expectNumbers(t, n)
	for m, times := range store.times("message number") {
		if times > 1 && !strings.Contains(m, "number 00000000") {
			t.Errorf("%q came %d times though the restart was in order", m, times)
		}
	}
}
