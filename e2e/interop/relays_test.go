package interop

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// From HAProxy on, which puts a PROXY header of version 1 or 2 before plain text
// or before TLS, the address of the sender goes through two relays.
func TestTheSourceBehindHAProxySurvivesTwoRelays(t *testing.T) {
	haproxy := peers.Find(t, peers.HAProxy)
	ca := peers.NewCA(t)
	certFile, keyFile := ca.Issue(t, serverName)
	authority, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)

	plain, secure, second, last := proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t)
	hop := func(role, input, next string) *syslane.Node {
		if next != "" {
			input += fmt.Sprintf("[[output]]\ntype = \"relp\"\ntargets = [%q]\n", next)
		}
		return syslane.Start(t, role, input)
	}
	link := func(addr string) string { return fmt.Sprintf("[[input]]\ntype = \"relp\"\nlisten = %q\n", addr) }
	collector := hop("collector", link(last), "")
	hop("relay", link(second), last)
	hop("relay", fmt.Sprintf(`[[input]]
type = "tcp"
listen = %q
proxy_protocol_from = ["127.0.0.1/32"]
[[input]]
type = "tls"
listen = %q
proxy_protocol_from = ["127.0.0.1/32"]
tls = { cert_file = %q, key_file = %q }
`, plain, secure, certFile, keyFile), second)

	var config strings.Builder
	config.WriteString("defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n")
	type way struct {
		name, addr string
		tls        bool
	}
	var ways []way
	var addrs []string
	for _, option := range []string{"send-proxy", "send-proxy-v2"} {
		for _, to := range []struct {
			name, addr string
			tls        bool
		}{{"plain", plain, false}, {"tls", secure, true}} {
			w := way{name: option + "-" + to.name, addr: proc.FreeAddr(t), tls: to.tls}
			fmt.Fprintf(&config, "listen %s\n  bind %s\n  server s %s %s\n", w.name, w.addr, to.addr, option)
			ways = append(ways, w)
			addrs = append(addrs, w.addr)
		}
	}
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	serve(t, path, config.String(), addrs, haproxy, "-db", "-f", path)

	for i, w := range ways {
		source := fmt.Sprintf("127.0.0.%d", 10+i)
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
		conn, err := dialer.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if w.tls {
			conn = tls.Client(conn, &tls.Config{ServerName: serverName, RootCAs: pool})
		}
		if _, err := fmt.Fprintf(conn, "<13>1 2026-03-04T05:06:07Z web1 app - - - %s\n", w.name); err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		await.Until(t, arrival, "the message of "+w.name, func() error {
			got := ""
			collector.Each(t, func(source []byte) error {
				d, err := decode(source)
				if err == nil && d.Message == w.name {
					got = d.Source.IP
				}
				return err
			})
			if got == "" {
				return fmt.Errorf("it is not there")
			}
			if got != source {
				return await.Hopeless(fmt.Errorf("its source is %s, want %s", got, source))
			}
			return nil
		})
	}
}
