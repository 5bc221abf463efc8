package peers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
)

// Rsyslog is a running rsyslogd that takes messages over TCP at Input and does
// with them what its actions say.
type Rsyslog struct {
	*proc.Process
	// Input is where it takes messages, LF-terminated or octet-counted.
	Input string
	// Dir is its work directory; disk queues and what it has to say of itself
	// (rsyslogd.log) lie there.
	Dir string
}

// RsyslogConfig says what an rsyslogd is to do.
type RsyslogConfig struct {
	// Global are further parameters of its global() object, such as those of TLS.
	Global string
	// Modules are module() and template() statements.
	Modules string
	// Actions are what is done with each message.
	Actions string
	// Place is where it runs.
	Place proc.Place
}

// StartRsyslog runs an rsyslogd until the test ends. Its own messages never
// reach the actions: they have a ruleset of their own. They must not go to syslog(3)
// either, as is its default: after a broken connection its driver ossl reads from a
// descriptor that it has closed, which by then is the datagram socket that syslog(3)
// has opened, and that read never ends (8.2302: strace shows close, socket, read of one
// number).
func StartRsyslog(t testing.TB, c RsyslogConfig) *Rsyslog {
	t.Helper()
	rsyslogd := Find(t, Rsyslogd)
	dir := t.TempDir()
	input := proc.FreeAddr(t)
	host, port, _ := net.SplitHostPort(input)
	text := fmt.Sprintf(`
global(workDirectory="%[1]s" preserveFQDN="on" net.enableDNS="off" maxMessageSize="64k" processInternalMessages="on" %[2]s)
main_queue(queue.size="100000")
module(load="imtcp" maxSessions="50")
%[3]s
action(type="omfile" file="%[1]s/rsyslogd.log")
ruleset(name="forward") {
%[4]s
}
input(type="imtcp" address="%[5]s" port="%[6]s" ruleset="forward")
`, dir, c.Global, c.Modules, c.Actions, host, port)
	conf := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r := &Rsyslog{Input: input, Dir: dir}
	r.Process = proc.Start(t, proc.Config{
		Name:  "rsyslogd",
		Args:  []string{rsyslogd, "-n", "-f", conf, "-i", filepath.Join(dir, "pid")},
		Log:   filepath.Join(dir, "output.log"),
		Place: c.Place,
	})
	t.Cleanup(func() {
		if own, err := os.ReadFile(filepath.Join(dir, "rsyslogd.log")); err == nil && t.Failed() {
			t.Logf("rsyslogd says:\n%s", own)
		}
	})
	await.Until(t, time.Minute, "rsyslogd's input", func() error {
		if err := r.Exited(); err != nil {
			return await.Hopeless(fmt.Errorf("%w\n%s", err, r.Tail()))
		}
		conn, err := c.Place.Dial(t.Context(), "tcp", input)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return r
}

// Forward is an omfwd action to addr; more are further parameters.
func Forward(protocol, addr, more string) string {
	host, port := split(addr)
	return fmt.Sprintf(`  action(type="omfwd" protocol=%q target=%q port="%d" action.resumeRetryCount="-1" action.resumeInterval="1" %s)`,
		protocol, host, port, more)
}

// ForwardRELP is an omrelp action to addr, from a disk queue of its own.
func ForwardRELP(addr string) string {
	host, port := split(addr)
	return fmt.Sprintf(`  action(type="omrelp" target=%q port="%d" timeout="10"
    action.resumeRetryCount="-1" action.resumeInterval="1" template="RSYSLOG_SyslogProtocol23Format"
    queue.type="disk" queue.filename="relp" queue.size="1000000" queue.maxFileSize="16m" queue.timeoutEnqueue="600000")`, host, port)
}

func split(addr string) (host string, port int) {
	host, p, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(p)
	}
	if err != nil {
		panic(err)
	}
	return host, port
}
