package reload

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
	"github.com/syslane/syslane/internal/tlsconf"
)

// reloads is how often the configuration changes; make soak-reload asks for more.
var reloads = flag.Int("reloads", 20, "how often TestReloads… changes the configuration")

func TestMain(m *testing.M) { syslane.Main(m) }

// pause is how long a configuration is in force.
const pause = 100 * time.Millisecond

// site is where a node listens, and what the configuration of each round is made of.
type site struct {
	dir                                      string
	relp, tcp, tls, udp                      string // never changed
	relpLive, tcpLive, udpLive, unix, stream string // changed, connections go on
	relpMoved, extra                         string // connections end; comes and goes
}

// config is the configuration of a round.
func (s *site) config(round int) string {
	var b strings.Builder
	input := func(name, kind, listen, more string) {
		key := "listen"
		if kind == "unix" {
			key = "path"
		}
		fmt.Fprintf(&b, "[[input]]\ntype = %q\nname = %q\n%s = %q\n%s\n", kind, name, key, listen, more)
	}
	input("relp", "relp", s.relp, "")
	input("tcp", "tcp", s.tcp, "")
	input("tls", "tls", s.tls, fmt.Sprintf("tls = { cert_file = %q, key_file = %q }", s.dir+"/cert.pem", s.dir+"/key.pem"))
	input("udp", "udp", s.udp, "")
	// Of these something changes in each round.
	input("relp-live", "relp", s.relpLive, fmt.Sprintf("max_connections = %d", 100+round))
	input("tcp-live", "tcp", s.tcpLive, fmt.Sprintf("max_message_size = %d\ntime_zone = %q", 4096+round, []string{"UTC", "Europe/Zurich"}[round%2]))
	input("udp-live", "udp", s.udpLive, fmt.Sprintf("receive_buffer = %d", 200_000+1000*round))
	input("unix", "unix", s.unix, fmt.Sprintf("max_message_size = %d", 4096+round))
	input("stream", "unix", s.stream, fmt.Sprintf("stream = true\nmax_connections = %d", 100+round))
	input("relp-moved", "relp", s.relpMoved, fmt.Sprintf("link_from = [\"10.0.0.%d/32\"]", 1+round%2))
	if round%2 == 1 {
		input("extra", "udp", s.extra, "")
	}
	// The archive gets all, in another way each time; others come and go.
	fmt.Fprintf(&b, "[[output]]\ntype = \"file\"\nname = \"archive\"\npath = %q\nretry_max = \"%dms\"\n", s.dir+"/archive/all.log", 1000+round)
	if round%3 == 1 {
		fmt.Fprintf(&b, "[[output]]\ntype = \"file\"\nname = \"copy\"\npath = %q\nstart = \"newest\"\n", s.dir+"/copy/all.log")
	}
	fmt.Fprintf(&b, "[[route]]\nname = \"repeats\"\nmatch = 'app == \"again\"'\nto = [\"archive\"]\ndedupe = { window = \"%ds\" }\n", 1+round/5)
	fmt.Fprintf(&b, "[[route]]\nname = \"every\"\nmatch = 'app != \"nobody%d\"'\nto = [\"archive\"]\n", round)
	fmt.Fprintf(&b, "[[transform]]\nname = \"mark\"\ntag = [\"round-%d\"]\n", round)
	fmt.Fprintf(&b, "[[limit]]\nname = \"flood\"\nmatch = 'app == \"flood\"'\nrate = %d\n", 50+round%4)
	fmt.Fprintf(&b, "[log]\nmax_age = \"%dh\"\n", 24+round)
	return b.String()
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir()}
	for _, address := range []*string{&s.relp, &s.tcp, &s.tls, &s.udp, &s.relpLive, &s.tcpLive, &s.udpLive, &s.relpMoved, &s.extra} {
		*address = proc.FreeAddr(t)
	}
	sockets, err := os.MkdirTemp("", "syslane-reload-") // short: a path of a socket has 107 octets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	s.unix, s.stream = filepath.Join(sockets, "log"), filepath.Join(sockets, "stream")
	return s
}

// certify makes the node's certificate, and returns what trusts it.
func (s *site) certify(t *testing.T) *tls.Config {
	t.Helper()
	authority, err := tlsconf.NewAuthority("test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := authority.Issue([]string{"127.0.0.1"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"cert.pem": cert, "key.pem": key} {
		if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return &tls.Config{RootCAs: roots, InsecureSkipVerify: true, ServerName: "127.0.0.1"}
}

// Messages come by every kind of input while inputs, rules, outputs and limits change.
// Each of them is there in the end, once; connections to inputs that let in the same
// peers never end; datagrams and connections that come in the middle of a change are
// taken by the one side or the other.
func TestReloadsUnderLoadLoseNoMessageAndNoConnection(t *testing.T) {
	s := newSite(t)
	trust := s.certify(t)
	n := syslane.Start(t, "collector", s.config(0))
	senders := []*sender{
		acknowledged("relp", s.relp, true),
		stream(t, "tcp", "tcp", s.tcp, nil, true),
		stream(t, "tls", "tcp", s.tls, trust, true),
		stream(t, "udp", "udp", s.udp, nil, false),
		acknowledged("relp-live", s.relpLive, true),
		stream(t, "tcp-live", "tcp", s.tcpLive, nil, true),
		stream(t, "udp-live", "udp", s.udpLive, nil, false),
		stream(t, "unix", "unixgram", s.unix, nil, false),
		stream(t, "stream", "unix", s.stream, nil, true),
		acknowledged("relp-moved", s.relpMoved, false),
		knock("knock", s.tcpLive),
	}
	flood := stream(t, "flood", "tcp", s.tcp, nil, true)
	again := stream(t, "again", "tcp", s.tcp, nil, true)

	var slowest time.Duration
	refused := 0
	for round := 1; round <= *reloads; round++ {
		if round%5 == 0 {
			n.Reconfigure(t, s.config(round)+"[[input]]\ntype = \"tcp\"\nlisten = \"nowhere\"\n")
			said, status, err := n.Reload()
			if err != nil || status != 1 || !strings.Contains(said, "collector.toml:") || !strings.Contains(said, "want host:port") {
				t.Fatalf("a wrong configuration: status %d, %v: %s", status, err, said)
			}
			refused++
		}
		n.Reconfigure(t, s.config(round))
		begin := time.Now()
		said, status, err := n.Reload()
		slowest = max(slowest, time.Since(begin))
		if err != nil || status != 0 {
			t.Fatalf("reload %d: status %d, %v: %s\n%s", round, status, err, said, n.Tail())
		}
		for _, want := range []string{"input tcp-live changed\n", "input relp-moved changed; its connections are closed\n", "output archive changed\n", "limit rules changed\n", "log.max_age changed\n"} {
			if !strings.Contains(said, want) {
				t.Errorf("reload %d does not say %q: %s", round, want, said)
			}
		}
		time.Sleep(pause)
	}
	total := 0
	for _, s := range append(senders, flood, again) {
		s.finish(t)
		total += s.sent
	}
	n.WaitFor(t, time.Minute, float64(total), "syslane_input_received_messages_total")
	n.WaitUntilDrained(t, time.Minute)
	t.Logf("%d reloads, %d refused, the slowest took %s; %d messages", *reloads, refused, slowest.Round(time.Millisecond), total)

	check(t, senders, "the log", func(count func(app, text string)) {
		n.Each(t, func(document []byte) error {
			var d struct {
				Message string `json:"message"`
				Log     struct {
					Syslog struct {
						Appname string `json:"appname"`
					} `json:"syslog"`
				} `json:"log"`
			}
			if err := json.Unmarshal(document, &d); err != nil {
				return err
			}
			count(d.Log.Syslog.Appname, d.Message)
			return nil
		})
	})
	check(t, senders, "the archive", func(count func(app, text string)) {
		text, err := os.ReadFile(filepath.Join(s.dir, "archive", "all.log"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			for i := range fields {
				if strings.HasPrefix(fields[i], "n=") && i >= 1 {
					count(appOf(line, senders), fields[i])
				}
			}
		}
	})
	m, err := n.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"applied": float64(*reloads), "refused": float64(refused), "partial": 0} {
		if got := m.Sum("syslane_config_reloads_total", "result", name); got != want {
			t.Errorf("%v reloads count as %s, want %v", got, name, want)
		}
	}
	if limited := m.Sum("syslane_input_limited_messages_total"); limited == 0 || limited >= float64(flood.sent) {
		t.Errorf("of a flood of %d messages, limits held back %v", flood.sent, limited)
	}
	if suppressed := m.Sum("syslane_input_suppressed_messages_total"); suppressed == 0 || suppressed >= float64(again.sent) {
		t.Errorf("of %d repeats, %v were suppressed", again.sent, suppressed)
	}
	n.Balance(t)
	n.Shutdown(t)
}

// appOf finds the name of a sender in a line.
func appOf(line string, senders []*sender) string {
	for _, word := range strings.Fields(line) {
		for _, s := range senders {
			if word == s.name || strings.HasPrefix(word, s.name+"[") || word == s.name+":" {
				return s.name
			}
		}
	}
	return ""
}

// check fails the test where a place has not each message of each sender, once.
func check(t *testing.T, senders []*sender, place string, read func(count func(app, text string))) {
	t.Helper()
	copies := make(map[string][]int)
	for _, s := range senders {
		copies[s.name] = make([]int, s.sent)
	}
	read(func(app, text string) {
		var i int
		if _, err := fmt.Sscanf(text, "n=%d", &i); err != nil || copies[app] == nil {
			return // of another
		}
		if i >= len(copies[app]) {
			t.Errorf("%s has message %d of %s, which sent %d", place, i, app, len(copies[app]))
			return
		}
		copies[app][i]++
	})
	for _, s := range senders {
		missing, twice := 0, 0
		for _, c := range copies[s.name] {
			switch {
			case c == 0:
				missing++
			case c > 1:
				twice++
			}
		}
		if missing+twice > 0 {
			t.Errorf("of %d messages of %s, %s misses %d and has %d more than once", s.sent, s.name, place, missing, twice)
		}
		t.Logf("%s: %d messages of %s, connection broken %d times", place, s.sent, s.name, s.broken)
	}
}

// A node that is told to reload what it cannot says why and goes on; what needs a
// restart is said, and the rest applied.
func TestWhatAReloadCannotDoIsSaid(t *testing.T) {
	tcp, taken := proc.FreeAddr(t), proc.FreeAddr(t)
	other := syslane.Start(t, "relay", fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n", taken))
	base := fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n", tcp)
	n := syslane.Start(t, "collector", base)
	s := stream(t, "steady", "tcp", tcp, nil, true)
	f := func(text string, wantStatus int, want ...string) {
		t.Helper()
		n.Reconfigure(t, text)
		said, status, err := n.Reload()
		if err != nil || status != wantStatus {
			t.Errorf("status %d, %v, want %d: %s", status, err, wantStatus, said)
		}
		for _, w := range want {
			if !strings.Contains(said, w) {
				t.Errorf("it does not say %q: %s", w, said)
			}
		}
	}
	f(base, 0, "nothing has changed")
	f(base+"[log]\ncodec = \"zstd\"\nmax_size = \"1GiB\"\n", 3, "applied: log.max_size changed", "needs a restart: log.codec")
	f(base+fmt.Sprintf("[[input]]\ntype = \"tcp\"\nname = \"second\"\nlisten = %q\n", taken), 1, "refused", "address already in use")
	f(base+"[[input]\n", 1, "collector.toml:5:")
	f(base+fmt.Sprintf("[[input]]\ntype = \"tcp\"\nname = \"twin\"\nlisten = %q\n", tcp), 1, "is taken by the input at", "collector.toml:2:")
	f(base+"[log]\ncodec = \"zstd\"\nmax_size = \"1GiB\"\n", 3, "needs a restart: log.codec")
	f(base+"[[alert]]\nname = \"quiet\"\nquery = \"x\"\nabsent = \"10m\"\n", 0, "alerts changed")
	f(base, 0, "alerts changed")
	s.finish(t)
	n.WaitFor(t, time.Minute, float64(s.sent), "syslane_input_stored_messages_total")
	n.Shutdown(t)
	if said, status, _ := n.Reload(); status != 1 || !strings.Contains(said, "has ended") {
		t.Errorf("after its end it is said, with status %d: %s", status, said)
	}
	other.Shutdown(t)
}
