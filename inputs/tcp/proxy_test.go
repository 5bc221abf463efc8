package tcp

import (
	"crypto/tls"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pires/go-proxyproto"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/inputs/inputtest"
)

var fromLoopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// header returns a PROXY header for a connection from source.
func header(t *testing.T, version byte, source string) []byte {
	t.Helper()
	from, to := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(source)), &net.TCPAddr{IP: net.ParseIP("192.0.2.9"), Port: 514}
	if from.IP.To4() == nil {
		to.IP = net.ParseIP("2001:db8::9")
	}
	b, err := proxyproto.HeaderProxyFromAddrs(version, from, to).Format()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The source address must not be lost at a load balancer.
func TestTheSourceBehindALoadBalancerSurvives(t *testing.T) {
	site := newSite(t)
	for _, withTLS := range []bool{false, true} {
		for _, version := range []byte{1, 2} {
			for _, source := range []string{"198.51.100.7:4321", "[2001:db8::7]:4321"} {
				cfg := Config{Proxies: fromLoopback}
				if withTLS {
					cfg.TLS = site.server(t, false)
				}
				s := &inputtest.Sink{}
				in, stop := start(t, cfg, s)
				c := dial(t, in)
				if withTLS {
					write(t, c, header(t, version, source))
					config := site.client(t, "").Clone()
					config.ServerName = "server.example.net"
					write(t, tls.Client(c, config), []byte("<13>a\n"))
				} else {
					write(t, c, append(header(t, version, source), "<13>a\n"...))
				}
				inputtest.Eventually(t, "the message", func() bool { return s.Has("<13>a") })
				stop()
				if got := s.Origins()[0].Source.String(); got != source {
					t.Errorf("version %d, TLS %v: source %s, want %s", version, withTLS, got, source)
				}
			}
		}
	}
}

func TestHealthChecksOfALoadBalancerAreNoMessages(t *testing.T) {
	s := &inputtest.Sink{}
	reg := prometheus.NewRegistry()
	in, stop := start(t, Config{Proxies: fromLoopback, Registerer: reg}, s)
	dial(t, in).Close()
	local := dial(t, in)
	write(t, local, []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00<13>local\n"))
	unknown := dial(t, in)
	write(t, unknown, []byte("PROXY UNKNOWN\r\n<13>unknown\n"))
	inputtest.Eventually(t, "both messages", func() bool { return s.Has("<13>local") && s.Has("<13>unknown") })
	stop()
	for i, o := range s.Origins() {
		if o.Source.Addr().String() != "127.0.0.1" {
			t.Errorf("source of message %d is %v", i, o.Source)
		}
	}
	if n := inputtest.Metric(t, reg, "syslane_input_refused_connections_total", ""); n != 0 {
		t.Errorf("%v refused", n)
	}
}

func TestATrustedLoadBalancerWithoutAGoodHeaderIsRefused(t *testing.T) {
	s := &inputtest.Sink{}
	reg := prometheus.NewRegistry()
	in, _ := start(t, Config{Proxies: fromLoopback, HandshakeTimeout: 300 * time.Millisecond, Registerer: reg}, s)
	for _, stream := range []string{
		"<13>no header\n", "PROXY TCP4 999.0.0.1 192.0.2.1 1 2\r\n<13>a\n", "PROXY TCP4 198.51.100.7 192.0.2.1 1 2",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\xff\xff<13>a\n", "\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c", "P", "\r\n",
	} {
		c := dial(t, in)
		write(t, c, []byte(stream))
		c.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%q: connection stayed open", stream)
		}
	}
	inputtest.Eventually(t, "refusals in the metric", func() bool {
		return inputtest.Metric(t, reg, "syslane_input_refused_connections_total", "proxy_header") == 7
	})
	if got := s.All(); len(got) > 0 {
		t.Errorf("messages: %v", got)
	}
}

func TestAHeaderFromAnybodyElseIsText(t *testing.T) {
	s := &inputtest.Sink{}
	in, stop := start(t, Config{Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, s)
	write(t, dial(t, in), append(header(t, 1, "198.51.100.7:4321"), "<13>a\n"...))
	inputtest.Eventually(t, "the message", func() bool { return s.Has("<13>a") })
	stop()
	if s.Origins()[0].Source.Addr().String() != "127.0.0.1" {
		t.Errorf("forged source %v was believed", s.Origins()[0].Source)
	}
}

func TestTheLimitPerAddressIsThatOfTheSourceBehindTheLoadBalancer(t *testing.T) {
	s := &inputtest.Sink{}
	in, _ := start(t, Config{Proxies: fromLoopback, MaxConnectionsPerAddress: 1}, s)
	for _, source := range []string{"198.51.100.1:1", "198.51.100.2:1", "198.51.100.3:1"} {
		write(t, dial(t, in), append(header(t, 2, source), "<13>from "+source+"\n"...))
		inputtest.Eventually(t, "its message", func() bool { return s.Has("<13>from " + source) })
	}
	c := dial(t, in)
	write(t, c, append(header(t, 2, "198.51.100.1:2"), "<13>one too many\n"...))
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 1)); err == nil || s.Has("<13>one too many") {
		t.Errorf("read %v", err)
	}
}
