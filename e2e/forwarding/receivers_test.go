package forwarding

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gosyslog "gopkg.in/mcuadros/go-syslog.v2"
	"gopkg.in/mcuadros/go-syslog.v2/format"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// sent is how many messages each receiver gets.
const sent = 2000

// row is a line of the table in docs/INTEROP.md: a receiver, the way to it, and the
// output that sends.
type row struct{ program, way, output string }

func (r row) String() string { return fmt.Sprintf("| %s | %s | `%s` |", r.program, r.way, r.output) }

// relay starts a relay with an output of these lines, and returns it and the
// address of its input.
func relay(t *testing.T, output string) (n *syslane.Node, input string) {
	t.Helper()
	input = proc.FreeAddr(t)
	return syslane.Start(t, "relay", fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n[[output]]\n%s\n", input, output)), input
}

// arrives sends messages through a relay with the output and waits until the
// receiver has written each of them, octet for octet, in any order.
func arrives(t *testing.T, r row, output string, received func() []string) {
	t.Helper()
	documented(t, r)
	node, input := relay(t, output)
	set := numbered.New(sent)
	lines := set.Lines()
	syslane.Send(t, input, lines)
	want := strings.Split(strings.TrimSuffix(string(lines), "\n"), "\n")
	slices.Sort(want)
	await.Until(t, arrival, "every message, unchanged, at "+r.program, func() error {
		got := slices.Clone(received())
		slices.Sort(got)
		if len(got) != len(want) {
			return fmt.Errorf("%d of %d are there", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				return await.Hopeless(fmt.Errorf("got  %q\nwant %q", got[i], want[i]))
			}
		}
		return nil
	})
	node.WaitUntilDrained(t, arrival)
	node.Balance(t)
	node.Shutdown(t)
}

// documented checks that the table has the row.
func documented(t *testing.T, r row) {
	t.Helper()
	b, err := os.ReadFile("../../docs/INTEROP.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), r.String()) {
		t.Errorf("docs/INTEROP.md lacks the row\n%s", r)
	}
}

// tlsTable is the tls table of an output, for a server named receiver.example.net.
func tlsTable(t *testing.T, ca *peers.CA) string {
	cert, key := ca.Issue(t, "relay.example.net")
	return fmt.Sprintf("tls = { ca_file = %q, cert_file = %q, key_file = %q, permitted_peers = [\"receiver.example.net\"] }", ca.File, cert, key)
}

func TestRsyslogReceives(t *testing.T) {
	ca := peers.NewCA(t)
	cert, key := ca.Issue(t, "receiver.example.net")
	// f starts rsyslogd with an input of these parameters.
	f := func(r row, module, input, global, output string) {
		t.Run(r.way, func(t *testing.T) {
			t.Parallel()
			addr := proc.FreeAddr(t)
			_, port, _ := net.SplitHostPort(addr)
			file := filepath.Join(t.TempDir(), "received")
			peers.StartRsyslog(t, peers.RsyslogConfig{
				Global: global,
				Modules: fmt.Sprintf("%s\ntemplate(name=\"raw\" type=\"string\" string=\"%%rawmsg%%\\n\")\ninput(%s port=%q ruleset=\"forward\")",
					module, input, port),
				Actions: fmt.Sprintf("  action(type=\"omfile\" file=%q template=\"raw\")", file),
			})
			arrives(t, r, fmt.Sprintf("targets = [%q]\n%s", addr, output), func() []string { return linesOf(file) })
		})
	}
	const tcp = "type = \"syslog\""
	f(row{"rsyslog", "imtcp, octet-counted", "syslog, tcp"}, "", `type="imtcp" address="127.0.0.1"`, "", tcp)
	f(row{"rsyslog", "imtcp, LF", "syslog, tcp, lf"}, "", `type="imtcp" address="127.0.0.1"`, "", tcp+"\nframing = \"lf\"")
	f(row{"rsyslog", "imudp", "syslog, udp"}, `module(load="imudp")`, `type="imudp" address="127.0.0.1" rcvbufSize="4m"`, "",
		"type = \"syslog\"\nprotocol = \"udp\"\nrate = 5000")
	for _, driver := range []struct{ name, program string }{{"ossl", "OpenSSL"}, {"gtls", "GnuTLS"}} {
		f(row{"rsyslog", "imtcp, TLS by " + driver.program + ", certificates on both sides", "syslog, tls"}, "",
			fmt.Sprintf(`type="imtcp" address="127.0.0.1" streamDriver.name=%q streamDriver.mode="1" streamDriver.authMode="x509/name" permittedPeer=["relay.example.net"]`, driver.name),
			fmt.Sprintf(`defaultNetstreamDriverCAFile=%q defaultNetstreamDriverCertFile=%q defaultNetstreamDriverKeyFile=%q`, ca.File, cert, key),
			"type = \"syslog\"\nprotocol = \"tls\"\n"+tlsTable(t, ca))
	}
	f(row{"rsyslog", "imrelp", "relp"}, `module(load="imrelp")`, `type="imrelp" address="127.0.0.1"`, "", "type = \"relp\"")
	f(row{"rsyslog", "imrelp, TLS, certificates on both sides", "relp, tls"}, `module(load="imrelp")`,
		fmt.Sprintf(`type="imrelp" address="127.0.0.1" tls="on" tls.caCert=%q tls.myCert=%q tls.myPrivKey=%q tls.authMode="name" tls.permittedPeer=["relay.example.net"]`, ca.File, cert, key),
		"", "type = \"relp\"\n"+tlsTable(t, ca))
}

func TestSyslogNGReceives(t *testing.T) {
	ca := peers.NewCA(t)
	cert, key := ca.Issue(t, "receiver.example.net")
	f := func(r row, source, output string) {
		t.Run(r.way, func(t *testing.T) {
			t.Parallel()
			addr := proc.FreeAddr(t)
			_, port, _ := net.SplitHostPort(addr)
			file := filepath.Join(t.TempDir(), "received")
			peers.StartSyslogNG(t, fmt.Sprintf(`
source s_sent { %s; };
destination d_file { file(%q template("${MESSAGE}\n")); };
log { source(s_input); source(s_sent); destination(d_file); };`, fmt.Sprintf(source, port), file))
			arrives(t, r, fmt.Sprintf("targets = [%q]\n%s", addr, output), func() []string { return linesOf(file) })
		})
	}
	const raw = `ip("127.0.0.1") port(%s) flags(no-parse)`
	f(row{"syslog-ng", "network(), TCP, LF", "syslog, tcp, lf"}, `network(transport("tcp") `+raw+`)`, "type = \"syslog\"\nframing = \"lf\"")
	f(row{"syslog-ng", "network(), UDP", "syslog, udp"}, `network(transport("udp") so-rcvbuf(4194304) `+raw+`)`, "type = \"syslog\"\nprotocol = \"udp\"\nrate = 5000")
	f(row{"syslog-ng", "syslog(), TCP", "syslog, tcp"}, `syslog(transport("tcp") `+raw+`)`, "type = \"syslog\"")
	f(row{"syslog-ng", "syslog(), TLS, certificates on both sides", "syslog, tls"},
		fmt.Sprintf(`syslog(transport("tls") %s tls(ca-file(%q) cert-file(%q) key-file(%q) peer-verify(required-trusted)))`, raw, ca.File, cert, key),
		"type = \"syslog\"\nprotocol = \"tls\"\n"+tlsTable(t, ca))
}

// go-syslog parses what it receives and keeps no raw message; that it finds the
// fields is what can be compared.
func TestGoSyslogReceives(t *testing.T) {
	f := func(r row, listen func(s *gosyslog.Server, addr string) error, form format.Format, output string) {
		t.Run(r.way, func(t *testing.T) {
			documented(t, r)
			addr := proc.FreeAddr(t)
			parts := make(gosyslog.LogPartsChannel, sent)
			server := gosyslog.NewServer()
			server.SetFormat(form)
			server.SetHandler(gosyslog.NewChannelHandler(parts))
			if err := listen(server, addr); err != nil {
				t.Fatal(err)
			}
			if err := server.Boot(); err != nil {
				t.Fatal(err)
			}
			defer server.Kill()
			_, input := relay(t, fmt.Sprintf("targets = [%q]\n%s", addr, output))
			set := numbered.New(sent)
			syslane.Send(t, input, set.Lines())
			var mu sync.Mutex
			seen := make(map[int]bool)
			deadline := time.After(arrival)
			for len(seen) < sent {
				select {
				case p := <-parts:
					text, _ := p["message"].(string)
					n, err := numbered.Number(text)
					if err != nil {
						t.Fatalf("%v: %v", p, err)
					}
					m := set.At(n)
					if p["hostname"] != m.Host || p["app_name"] != m.App || p["proc_id"] != m.ProcID || text != m.Text {
						t.Fatalf("message %d came as %v", n, p)
					}
					mu.Lock()
					seen[n] = true
					mu.Unlock()
				case <-deadline:
					t.Fatalf("%d of %d messages arrived", len(seen), sent)
				}
			}
		})
	}
	f(row{"mcuadros/go-syslog", "TCP, octet-counted", "syslog, tcp"}, (*gosyslog.Server).ListenTCP, gosyslog.RFC6587, "type = \"syslog\"")
	f(row{"mcuadros/go-syslog", "TCP, LF", "syslog, tcp, lf"}, (*gosyslog.Server).ListenTCP, gosyslog.RFC5424, "type = \"syslog\"\nframing = \"lf\"")
	f(row{"mcuadros/go-syslog", "UDP", "syslog, udp"}, (*gosyslog.Server).ListenUDP, gosyslog.RFC5424, "type = \"syslog\"\nprotocol = \"udp\"\nrate = "+strconv.Itoa(2000))
}
