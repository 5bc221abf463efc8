package relp_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/inputs/relp"
	"github.com/syslane/syslane/internal/tlsconf"
)

// What peers of other servers complained of, each shown not to happen here.

// cutter is a TCP proxy that cuts its first connections after a number of octets
// of one side.
type cutter struct {
	addr string
	mu   sync.Mutex
	left int // connections yet to be cut
}

func startCutter(t *testing.T, target string, cuts int) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{addr: l.Addr().String(), left: cuts}
	var running sync.WaitGroup
	var open []net.Conn
	t.Cleanup(func() {
		l.Close()
		c.mu.Lock()
		for _, conn := range open {
			conn.Close()
		}
		c.mu.Unlock()
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			fromClient, fromServer := int64(1<<62), int64(1<<62)
			c.mu.Lock()
			if c.left--; c.left >= 0 {
				fromClient = 5000 + rand.Int64N(60_000)
				fromServer = 1000 + rand.Int64N(12_000)
			}
			open = append(open, client, server)
			c.mu.Unlock()
			pipe := func(to, from net.Conn, octets int64) {
				io.CopyN(to, from, octets)
				client.Close()
				server.Close()
			}
			running.Go(func() { pipe(server, client, fromClient) })
			running.Go(func() { pipe(client, server, fromServer) })
		}
	})
	return c
}

func (c *cutter) cutting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left > 0
}

// numbers returns how often each number is stored.
func (l *log) numbers() map[int]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := make(map[int]int)
	for _, m := range l.messages {
		n := 0
		if _, text, ok := strings.Cut(m, "message number "); ok {
			fmt.Sscanf(text, "%d", &n)
			times[n]++
		}
	}
	return times
}

func TestAReconnectStormOfRsyslogLosesAndDoublesNothing(t *testing.T) {
	l := &log{}
	proxy := startCutter(t, start(t, config{}, l.restart(t, -1, -1)).Addr().String(), 6)
	rsyslog := startRsyslog(t, proxy.addr, `queue.type="LinkedList" queue.size="100000"`)
	sent := 0
	send := func(n int) {
		sendNumbers(t, rsyslog.Input, sent, n)
		sent += n
	}
	inputtest.Eventually(t, "the connections are cut", func() bool {
		send(300)
		time.Sleep(100 * time.Millisecond)
		return !proxy.cutting()
	})
	// librelp notices that a connection was lost only when it has another message.
	mark, next := sent, time.Now()
	inputtest.Eventually(t, "all messages are stored", func() bool {
		if time.Now().After(next) {
			send(1)
			next = time.Now().Add(time.Second)
		}
		for n, times := 0, l.numbers(); n < mark; n++ {
			if times[n] == 0 {
				return false
			}
		}
		return true
	})
	for n, times := range l.numbers() {
		if times != 1 {
			t.Errorf("message %d is stored %d times", n, times)
		}
	}
	t.Logf("%d messages", sent)
}

func TestAStalledDiskHoldsUpNoNewSessionAndIsFeltByEverySender(t *testing.T) {
	const peers = 50
	store := &store{gate: make(chan struct{})}
	in := start(t, config{}, store)
	var all []*peer
	for i := range peers {
		p := dial(t, in)
		p.open() // answered, though the disk takes nothing
		p.send(fmt.Sprintf("2 syslog 3 m%02d\n", i))
		all = append(all, p)
	}
	inputtest.Eventually(t, "every message is being submitted", func() bool { return store.held.Load() == peers })
	for _, p := range all {
		if n := p.r.Buffered(); n > 0 {
			t.Fatal("a message was acknowledged that is not stored")
		}
	}
	// One that goes on sending is stopped by TCP once a bounded part is read.
	endless := all[0]
	endless.SetWriteDeadline(time.Now().Add(2 * time.Second))
	frame := []byte("3 syslog 60000 " + strings.Repeat("x", 60_000) + "\n")
	sent := 0
	for ; sent < 1<<30; sent += len(frame) {
		if _, err := endless.Write(frame); err != nil {
			break
		}
	}
	if sent >= 1<<30 {
		t.Error("a gigabyte was taken while the disk takes nothing")
	}
	close(store.gate)
	for _, p := range all[1:] {
		p.expect("2 rsp 6 200 OK\n")
	}
}

// A peer with a bad certificate is refused each time, and heard as soon as it has
// a good one; others are heard all the while.
func TestAPeerIsHeardAgainOnceItsCertificateIsGood(t *testing.T) {
	serverTLS, good, bad := certificates(t)
	store := &store{}
	in := start(t, config{tls: serverTLS}, store)
	other := dialTLS(t, in, good)
	other.open()
	for i := range 5 {
		if c, err := tlsDial(in, bad); err == nil {
			// The client of TLS 1.3 learns of it when it reads.
			c.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := c.Read(make([]byte, 1)); err == nil {
				t.Fatal("a certificate of another authority was let through")
			}
			c.Close()
		}
		other.deliver(2+i, fmt.Sprintf("other %d", i))
	}
	p := dialTLS(t, in, good)
	p.open()
	p.deliver(2, "good")
	if n := store.count("good"); n != 1 {
		t.Errorf("its message is stored %d times", n)
	}
}

// certificates makes the TLS configurations of a server that wants client
// certificates, of a client with a good one, and of one with that of another
// authority.
func certificates(t *testing.T) (server, good, bad *tls.Config) {
	t.Helper()
	ours, others := peers.NewCA(t), peers.NewCA(t)
	options := func(ca *peers.CA, name string) tlsconf.Options {
		cert, key := ca.Issue(t, name)
		return tlsconf.Options{Name: name, CertFile: cert, KeyFile: key, CAFile: ours.File}
	}
	must := func(c *tls.Config, err error) *tls.Config {
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	server = must(tlsconf.Server(options(ours, "127.0.0.1")))
	good = must(tlsconf.ClientConfig(options(ours, "host1.example.net")))
	bad = must(tlsconf.ClientConfig(options(others, "host1.example.net")))
	for _, c := range []*tls.Config{good, bad} {
		c.ServerName = "127.0.0.1"
	}
	return server, good, bad
}

func tlsDial(in *relp.Input, c *tls.Config) (net.Conn, error) {
	return tls.Dial("tcp", in.Addr().String(), c)
}

func dialTLS(t *testing.T, in *relp.Input, c *tls.Config) *peer {
	t.Helper()
	conn, err := tlsDial(in, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newPeer(t, conn)
}
