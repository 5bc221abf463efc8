package e2e

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

const (
	// growth is by how much the memory of a process may have grown, in octets,
	// after many more attacks like those it has already seen.
	growth = 32 << 20
	// rounds is how many more.
	rounds = 8
	// patience is how long a port may take to take or refuse an attack.
	patience = 20 * time.Second
)

// attack is what a broken or hostile peer sends on a connection.
type attack struct {
	name string
	send func(r *rand.Rand, w io.Writer) error
}

func octets(parts ...string) func(*rand.Rand, io.Writer) error {
	return func(_ *rand.Rand, w io.Writer) error {
		for _, p := range parts {
			if _, err := io.WriteString(w, p); err != nil {
				return err
			}
		}
		return nil
	}
}

func randomOctets(n int) func(*rand.Rand, io.Writer) error {
	return func(r *rand.Rand, w io.Writer) error {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		_, err := w.Write(b)
		return err
	}
}

var tenMegabytes = strings.Repeat("0123456789", 1<<20)

// syslogAttacks are for ports that take syslog with the framing of RFC 6587.
var syslogAttacks = []attack{
	{"random octets", randomOctets(1 << 20)},
	{"a line of 10 MB", octets("<13>1 - - - - - - ", tenMegabytes, "\n")},
	{"10 MB without a line feed", octets(tenMegabytes)},
	{"an octet count of 99999999999", octets("99999999999 <13>1 - - - - - - ", tenMegabytes[:1<<20])},
	{"an octet count of 10 MB", octets("10485760 ", tenMegabytes[:1<<20])},
	{"an octet count that never ends", octets(strings.Repeat("9", 1<<20))},
	{"line feeds and NULs", octets(strings.Repeat("\n\x00\r\n", 1<<18))},
	{"half a header", octets("<13>1 2026-01-01T00:00:00Z host")},
}

// relpAttacks are for ports that take RELP.
var relpAttacks = []attack{
	{"random octets", randomOctets(1 << 20)},
	{"10 MB without a space", octets(tenMegabytes)},
	{"syslog before open", octets("1 syslog 5 hello\n")},
	{"a data length of 99999999999", octets("1 open 99999999999 ", tenMegabytes[:1<<20])},
	{"a message of 10 MB", octets("1 open 30 relp_version=0\ncommands=syslog\n2 syslog 10485760 ", tenMegabytes, "\n")},
	{"a transaction number of 20 digits", octets("99999999999999999999 open 0\n")},
	{"an endless command", octets("1 ", strings.Repeat("a", 1<<20))},
	{"no trailer", octets("1 open 30 relp_version=0\ncommands=syslogXX2 syslog 1 a")},
	{"half an open", octets("1 open 30 relp_ver")},
}

// tlsAttacks are for ports that begin with a TLS handshake.
var tlsAttacks = []attack{
	{"random octets", randomOctets(1 << 16)},
	{"plain syslog", octets("<13>1 - - - - - - hello\n")},
	{"half a handshake", octets("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", tenMegabytes[:64])},
	{"a handshake of 16 MB", octets("\x16\x03\x01\x40\x00\x01\xff\xff\xff", tenMegabytes[:1<<20])},
}

// httpAttacks are for the HTTP API.
var httpAttacks = []attack{
	{"random octets", randomOctets(1 << 16)},
	{"a header of 10 MB", octets("GET / HTTP/1.1\r\nHost: x\r\nX: ", tenMegabytes)},
	{"half a request", octets("GET /healthz HT")},
}

// port is one that is attacked.
type port struct {
	name, network, addr string
	attacks             []attack
	tls                 *tls.Config
}

func TestBadInputOnAnyPortNeitherCrashesNorGrowsAndIsCountedAndLaterMessagesGetThrough(t *testing.T) {
	ca := peers.NewCA(t)
	cert, key := ca.Issue(t, "collector.example.org")
	udp, tcp, tlsAddr, relp := proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t)
	inputs := fmt.Sprintf(`
[[input]]
type = "udp"
listen = %q
[[input]]
type = "tcp"
listen = %q
[[input]]
type = "tls"
listen = %q
[input.tls]
cert_file = %q
key_file = %q
[[input]]
type = "relp"
listen = %q
`, udp, tcp, tlsAddr, cert, key, relp)
	trusted := x509.NewCertPool()
	pem, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	trusted.AppendCertsFromPEM(pem)
	client := &tls.Config{RootCAs: trusted, ServerName: "collector.example.org"}

	f := func(role, outputs string) {
		t.Helper()
		t.Run(role, func(t *testing.T) {
			node := syslane.Start(t, role, inputs+outputs)
			ports := []port{
				{name: "tcp", network: "tcp", addr: tcp, attacks: syslogAttacks},
				{name: "tls", network: "tcp", addr: tlsAddr, attacks: tlsAttacks},
				{name: "syslog over tls", network: "tcp", addr: tlsAddr, attacks: syslogAttacks, tls: client},
				{name: "relp", network: "tcp", addr: relp, attacks: relpAttacks},
				{name: "http", network: "tcp", addr: node.HTTP, attacks: httpAttacks},
			}
			r := rand.New(rand.NewPCG(1, 2))
			raid := func() {
				for _, p := range ports {
					for _, a := range p.attacks {
						if err := p.suffer(a, r); err != nil {
							t.Errorf("%s: %s: %v", p.name, a.name, err)
						}
					}
				}
				datagrams(t, udp, r)
			}
			raid()
			before := memory(t, node)
			for range rounds {
				raid()
			}
			// Peers that stay in the middle of something hold up nobody.
			for _, p := range ports {
				defer p.linger(t, p.attacks[len(p.attacks)-1], r)()
			}
			after := memory(t, node)
			t.Logf("resident memory: %d KiB after the first round, %d KiB after %d more", before>>10, after>>10, rounds)
			if after > before+growth {
				t.Errorf("memory has grown from %d to %d MiB", before>>20, after>>20)
			}
			if err := node.Exited(); err != nil {
				t.Fatal(err)
			}
			countersTell(t, node)
			laterMessagesGetThrough(t, node, udp, tcp, tlsAddr, relp, client)
			node.Balance(t)
			node.Shutdown(t)
		})
	}
	f("collector", "")
	f("relay", fmt.Sprintf("[[output]]\ntype = \"relp\"\nname = \"away\"\ntargets = [%q]\n", proc.FreeAddr(t)))
}

// suffer connects, attacks, closes the sending side, and waits until the port
// has closed its side too or answers no more.
func (p port) suffer(a attack, r *rand.Rand) error {
	conn, err := p.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		io.Copy(io.Discard, conn)
	}()
	// A port may well have hung up on us in the middle: that is its right.
	if err := a.send(r, conn); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the port stopped reading and did not close: %w", err)
	}
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
	}
	<-drained
	return nil
}

// linger attacks and keeps the connection open until the returned function is
// called.
func (p port) linger(t *testing.T, a attack, r *rand.Rand) func() {
	conn, err := p.dial()
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
		return func() {}
	}
	a.send(r, conn)
	return func() { conn.Close() }
}

func (p port) dial() (net.Conn, error) {
	conn, err := net.DialTimeout(p.network, p.addr, patience)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	if p.tls != nil {
		conn = tls.Client(conn, p.tls)
	}
	return conn, nil
}

// datagrams sends what no syslog sender should: nothing, random octets of every
// size, and the largest datagram that there is.
func datagrams(t *testing.T, addr string, r *rand.Rand) {
	t.Helper()
	conn, err := net.Dial("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sizes := []int{0, 1, 2, 480, 2048, 8192, 65507}
	for range 50 {
		sizes = append(sizes, r.IntN(4096))
	}
	for _, n := range sizes {
		if err := randomOctets(n)(r, conn); err != nil {
			t.Errorf("a datagram of %d octets: %v", n, err)
		}
	}
	if _, err := conn.Write([]byte("<999>1 \x00\xff[[[")); err != nil {
		t.Error(err)
	}
}

// memory waits until what the process has received is on disk, and returns its
// resident memory in octets.
func memory(t *testing.T, node *syslane.Node) int64 {
	t.Helper()
	var last float64
	await.Until(t, patience, "the inputs to come to rest", func() error {
		m, err := node.Metrics()
		if err != nil {
			return err
		}
		now := m.Sum("syslane_input_received_messages_total")
		defer func() { last = now }()
		if now != last || now != m.Sum("syslane_input_stored_messages_total")+m.Sum("syslane_input_dropped_messages_total") {
			return fmt.Errorf("%v received", now)
		}
		return nil
	})
	rss, err := node.RSS()
	if err != nil {
		t.Fatal(err)
	}
	return rss
}

// countersTell checks that the metrics name what came in.
func countersTell(t *testing.T, node *syslane.Node) {
	t.Helper()
	m, err := node.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	f := func(metric string, labels ...string) {
		t.Helper()
		if m.Sum(metric, labels...) == 0 {
			t.Errorf("%s%v is 0, though there was something to count", metric, labels)
		}
	}
	f("syslane_input_received_messages_total", "input", "udp")
	f("syslane_input_discarded_octets_total", "input", "tcp", "reason", "truncated")
	f("syslane_input_framing_errors_total", "input", "tcp", "kind", "bad_count")
	f("syslane_input_discarded_octets_total", "input", "tls", "reason", "truncated")
	f("syslane_input_framing_errors_total", "input", "tls", "kind", "bad_count")
	f("syslane_input_tls_handshake_failures_total", "input", "tls")
	f("syslane_input_bad_frames_total", "input", "relp")
	f("syslane_input_discarded_octets_total", "input", "relp", "reason", "truncated")
}

// laterMessagesGetThrough sends a part of a numbered set to each port and finds
// all of it.
func laterMessagesGetThrough(t *testing.T, node *syslane.Node, udp, tcp, tlsAddr, relp string, client *tls.Config) {
	t.Helper()
	set := numbered.New(400)
	lines := bytes.SplitAfter(set.Lines(), []byte("\n"))
	part := func(i int) [][]byte { return lines[i*100 : (i+1)*100] }

	dial := func(p port, part [][]byte) {
		conn, err := p.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for _, line := range part {
			if _, err := conn.Write(line); err != nil {
				t.Fatal(err)
			}
		}
	}
	dial(port{network: "udp", addr: udp}, part(0))
	dial(port{network: "tcp", addr: tcp}, part(1))
	dial(port{network: "tcp", addr: tlsAddr, tls: client}, part(2))
	rsyslog := peers.StartRsyslog(t, peers.RsyslogConfig{Modules: `module(load="omrelp")`, Actions: peers.ForwardRELP(relp)})
	dial(port{network: "tcp", addr: rsyslog.Input}, part(3))

	await.Until(t, patience, "the later messages", func() error {
		c := numbered.NewChecker(set, numbered.RFC5424)
		node.EachOnDisk(t, func(document []byte) error {
			if !bytes.Contains(document, []byte("message number=")) {
				return nil
			}
			return c.Add(document)
		})
		return c.ExactlyOnce()
	})
}
