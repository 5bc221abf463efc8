package chaos

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
)

// agent is a host with a program that logs, and the numbered messages that it was
// given to log.
type agent struct {
	*host
	// acknowledged tells that its way into the relay has acknowledgements, so that
	// nothing may be lost or doubled.
	acknowledged bool
	// journal tells that it is a journal; the process id of its entry number n is n+1.
	journal bool
	// given is how many messages it was given: numbers 0 to given-1.
	given atomic.Int64
	// write gives it messages.
	write func([]byte) error
	// render appends a message in the form that write wants.
	render func(dst []byte, m message) []byte
	proc   func() *proc.Process
	stop   context.CancelFunc
	done   sync.WaitGroup
	failed error
}

// queue lets rsyslog hold what it cannot send, as a host of which logs matter does.
const queue = ` queue.type="LinkedList" queue.size="500000" queue.timeoutEnqueue="600000" action.resumeRetryCount="-1" action.resumeInterval="1"
 template="RSYSLOG_SyslogProtocol23Format"`

func startAgents(t testing.TB, n *network, c *cluster) []*agent {
	t.Helper()
	relay1, relay2 := c.relays[0], c.relays[1]
	forward := func(relay *node, port int, more string) string {
		return fmt.Sprintf("  action(type=\"omfwd\" protocol=\"tcp\" TCP_Framing=\"octet-counted\" target=%q port=\"%d\" %s %s)", relay.ip, port, queue, more)
	}
	return []*agent{
		rsyslogAgent(t, n.host(t, "relp"), true, peers.RsyslogConfig{
			Modules: `module(load="omrelp")`,
			Actions: peers.ForwardRELP(relay1.addr(relpPort)),
		}),
		rsyslogAgent(t, n.host(t, "tcp"), false, peers.RsyslogConfig{Actions: forward(relay2, tcpPort, "")}),
		rsyslogAgent(t, n.host(t, "tls"), false, peers.RsyslogConfig{
			Global:  fmt.Sprintf("DefaultNetstreamDriver=\"ossl\" DefaultNetstreamDriverCAFile=%q", c.ca.File),
			Actions: forward(relay1, tlsPort, `StreamDriver="ossl" StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="relay-1"`),
		}),
		journalAgent(t, n.host(t, "journal"), fmt.Sprintf("http://%s", relay2.addr(journalPort))),
	}
}

// rsyslogAgent is an rsyslogd that takes messages on its own loopback.
func rsyslogAgent(t testing.TB, h *host, acknowledged bool, cfg peers.RsyslogConfig) *agent {
	t.Helper()
	cfg.Place = h.place()
	r := peers.StartRsyslog(t, cfg)
	var conn net.Conn
	t.Cleanup(func() {
		if conn != nil {
			conn.Close()
		}
	})
	return &agent{
		host: h, acknowledged: acknowledged, render: appendSyslog,
		proc: func() *proc.Process { return r.Process },
		write: func(b []byte) (err error) {
			if conn == nil {
				if conn, err = h.dial(t.Context(), "tcp", r.Input); err != nil {
					return err
				}
			}
			_, err = conn.Write(b)
			return err
		},
	}
}

// journalAgent is a journal that grows, and the upload that follows it; a service
// manager starts the upload again where it ends, as its unit says.
func journalAgent(t testing.TB, h *host, url string) *agent {
	t.Helper()
	j := peers.NewJournal(t)
	j.Place = h.place()
	alive := watch(t, j)
	w, wait := journalWriter(t, filepath.Join(j.Dir, "host.journal"))
	a := &agent{host: h, acknowledged: true, journal: true, render: appendJournal}
	a.write = func(b []byte) error { _, err := w.Write(b); return err }
	var mu sync.Mutex
	upload := j.Follow(t, url)
	a.proc = func() *proc.Process { mu.Lock(); defer mu.Unlock(); return upload }
	ctx, cancel := context.WithCancel(t.Context())
	var supervisor sync.WaitGroup
	supervisor.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
			p := a.proc()
			if p.Exited() == nil && time.Since(time.Unix(0, alive.Load())) > uploadWatchdog {
				p.Kill()
			}
			if p.Exited() != nil {
				mu.Lock()
				alive.Store(time.Now().UnixNano())
				upload = j.Follow(t, url)
				mu.Unlock()
			}
		}
	})
	t.Cleanup(func() {
		cancel()
		supervisor.Wait()
		w.Close()
		wait()
	})
	return a
}

// uploadWatchdog is after what time without a sign of life the unit has systemd kill
// systemd-journal-upload, as "syslane setup" makes it: it waits for the answer of a
// relay without end.
const uploadWatchdog = 20 * time.Second

// watch is where the upload of a journal gives its signs of life; it returns when the
// last came, in nanoseconds since 1970.
func watch(t testing.TB, j *peers.Journal) *atomic.Int64 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	signs, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { signs.Close() })
	j.Env = append(j.Env, "NOTIFY_SOCKET="+path, fmt.Sprintf("WATCHDOG_USEC=%d", uploadWatchdog.Microseconds()))
	alive := &atomic.Int64{}
	alive.Store(time.Now().UnixNano())
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := signs.Read(b)
			if err != nil {
				return
			}
			if bytes.Contains(b[:n], []byte("WATCHDOG=1")) {
				alive.Store(time.Now().UnixNano())
			}
		}
	}()
	return alive
}

// journalWriter appends entries, in the export format, to a journal file.
func journalWriter(t testing.TB, file string) (io.WriteCloser, func()) {
	t.Helper()
	cmd := exec.Command(peers.Find(t, peers.JournalRemote), "--output="+file, "-")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	w, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return w, func() {
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("systemd-journal-remote: %v: %s", err, stderr.Bytes())
		}
	}
}

// send gives the agent rate messages a second until stopSending.
func (a *agent) send(rate int) {
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	a.done.Go(func() {
		const ticks = 20 // a second
		tick := time.NewTicker(time.Second / ticks)
		defer tick.Stop()
		var buf []byte
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			buf = buf[:0]
			first := a.given.Load()
			for n := first; n < first+int64(rate/ticks); n++ {
				buf = a.render(buf, message{agent: a.name, number: n, sent: time.Now()})
			}
			if a.failed = a.write(buf); a.failed != nil {
				return
			}
			a.given.Add(int64(rate / ticks))
		}
	})
}

// stopSending ends it and returns what went wrong with giving messages.
func (a *agent) stopSending() error {
	a.stop()
	done := make(chan struct{})
	go func() { a.done.Wait(); close(done) }()
	err := await.Nil(30*time.Second, func() error {
		select {
		case <-done:
			return nil
		default:
			return errors.New("it takes no more messages")
		}
	})
	return errors.Join(err, a.failed)
}
