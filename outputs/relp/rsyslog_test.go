package relp_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	output "github.com/syslane/syslane/outputs/relp"
)

// rsyslogd is a real rsyslogd that takes RELP and writes messages into a file.
type rsyslogd struct {
	addr, file string
}

func startRsyslog(t *testing.T) *rsyslogd {
	t.Helper()
	r := &rsyslogd{addr: proc.FreeAddr(t), file: filepath.Join(t.TempDir(), "messages")}
	_, port, _ := net.SplitHostPort(r.addr)
	peers.StartRsyslog(t, peers.RsyslogConfig{
		Modules: fmt.Sprintf(`module(load="imrelp")
template(name="raw" type="string" string="%%rawmsg%%\n")
input(type="imrelp" address="127.0.0.1" port=%q ruleset="forward")`, port),
		Actions: fmt.Sprintf(`action(type="omfile" file=%q template="raw")`, r.file),
	})
	eventually(t, "rsyslogd listens", func() bool {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return r
}

// messages returns what has been written so far.
func (r *rsyslogd) messages(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(r.file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var messages []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "message number") {
			messages = append(messages, strings.TrimSuffix(line, "\n"))
		}
	}
	return messages
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out: %s", what)
		}
	}
}

func TestRsyslogTakesEachMessageOnceAndUnchanged(t *testing.T) {
	rsyslog := startRsyslog(t)
	o := startOutput(t, output.Config{Targets: []string{rsyslog.addr}})
	for first := 1; first <= 20_000; first += 10_000 {
		if rejected := writeAll(t, o, batchOf(uint64(first), 10_000)); rejected != nil {
			t.Fatal(rejected)
		}
	}
	began := time.Now()
	o.Close()
	if took := time.Since(began); took >= 2*time.Second { // which is when Close waits no longer
		t.Errorf("closing the session took %s", took)
	}
	eventually(t, "all messages are written", func() bool { return len(rsyslog.messages(t)) >= 20_000 })
	messages := rsyslog.messages(t)
	if repeated := expectNumbers(t, messages, 1, 20_000); repeated != 0 {
		t.Errorf("%d messages came twice", repeated)
	}
	if want := "<134>1 - host app - - - message number 00000001"; messages[0] != want {
		t.Errorf("got %q, want %q", messages[0], want)
	}
}

func TestRsyslogBehindAConnectionThatIsCutMissesNothing(t *testing.T) {
	const n = 5000
	rsyslog := startRsyslog(t)
	random := rand.New(rand.NewPCG(3, 4))
	proxy := startCutter(t, rsyslog.addr, func(conn int) (fromClient, fromServer int64) {
		if conn >= 10 {
			return -1, -1
		}
		return random.Int64N(100_000), -1
	})
	o := startOutput(t, output.Config{Targets: []string{proxy.addr}})
	for first := 1; first <= n; first += n / 5 {
		writeAll(t, o, batchOf(uint64(first), n/5))
	}
	o.Close()
	eventually(t, "all messages are written", func() bool { return len(rsyslog.messages(t)) >= n })
	if repeated := expectNumbers(t, rsyslog.messages(t), 1, n); repeated > 10*128 {
		t.Errorf("%d messages came twice after 10 cuts with a window of 128", repeated)
	}
}
