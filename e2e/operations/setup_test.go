package operations

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// host is a host whose daemon is configured by "syslane setup".
type host struct {
	node  *syslane.Node
	certs *peers.CA
	// Ports of the node's inputs.
	relp, relpTLS, tcp, tls, journal string
	cert, key                        string
}

func newHost(t *testing.T) *host {
	h := &host{certs: peers.NewCA(t)}
	for _, port := range []*string{&h.relp, &h.relpTLS, &h.tcp, &h.tls, &h.journal} {
		*port = fmt.Sprint(proc.FreePort(t))
	}
	serverCert, serverKey := h.certs.Issue(t, "localhost")
	h.cert, h.key = h.certs.Issue(t, "host.example.net")
	table := fmt.Sprintf("tls = { cert_file = %q, key_file = %q, ca_file = %q, permitted_peers = [\"host.example.net\"] }", serverCert, serverKey, h.certs.File)
	h.node = syslane.Start(t, "collector", fmt.Sprintf(`
[[input]]
type = "relp"
listen = "127.0.0.1:%s"
[[input]]
type = "relp"
name = "relp-tls"
listen = "127.0.0.1:%s"
%[6]s
[[input]]
type = "tcp"
listen = "127.0.0.1:%[3]s"
[[input]]
type = "tls"
listen = "127.0.0.1:%[4]s"
%[6]s
[[input]]
type = "journal"
listen = "127.0.0.1:%[5]s"
`, h.relp, h.relpTLS, h.tcp, h.tls, h.journal, table))
	return h
}

// arrive waits until so many messages are found.
func (h *host) arrive(t *testing.T, want int, query string) {
	t.Helper()
	await.Until(t, 60*time.Second, fmt.Sprintf("%d messages of %s", want, query), func() error {
		out, errs, err := run(t, "", "search", "--server", "http://"+h.node.HTTP, "--limit", "0", query)
		if got := strings.Count(out, "\n"); got != want {
			return fmt.Errorf("%d are there (%v %s)", got, err, errs)
		}
		return nil
	})
}

func TestEverySetupLoadsInItsProgramAndDelivers(t *testing.T) {
	h := newHost(t)
	tls := []string{"--ca", h.certs.File, "--cert", h.cert, "--key", h.key}
	for _, c := range []struct {
		name, program string
		args          []string
	}{
		{"rsyslog-relp", "rsyslog", []string{"--relay", "127.0.0.1", "--port", h.relp}},
		{"rsyslog-relp-tls", "rsyslog", append([]string{"--relay", "localhost", "--port", h.relpTLS}, tls...)},
		{"rsyslog-tcp", "rsyslog", []string{"--relay", "127.0.0.1", "--port", h.tcp, "--protocol", "tcp"}},
		{"rsyslog-tls", "rsyslog", append([]string{"--relay", "localhost", "--port", h.tls, "--protocol", "tcp"}, tls...)},
		{"syslog-ng-tcp", "syslog-ng", []string{"--relay", "127.0.0.1", "--port", h.tcp}},
		{"syslog-ng-tls", "syslog-ng", append([]string{"--relay", "localhost", "--port", h.tls}, tls...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, in := t.TempDir(), proc.FreeAddr(t)
			must(t, append([]string{"setup", c.program, "--write", "--root", dir}, c.args...)...)
			d := daemon{dir: dir, in: in}
			d.start(t, c.program)
			d.send(t, c.name, 20)
			h.arrive(t, 20, "app:"+c.name)
		})
	}
}

// The queue that setup gives rsyslog bridges the time that the relay is away.
func TestRsyslogAsSetupMakesItBridgesAnOutage(t *testing.T) {
	h := newHost(t)
	dir, in := t.TempDir(), proc.FreeAddr(t)
	must(t, "setup", "rsyslog", "--relay", "127.0.0.1", "--port", h.relp, "--write", "--root", dir)
	d := daemon{dir: dir, in: in}
	d.start(t, "rsyslog")
	d.send(t, "before", 20)
	h.arrive(t, 20, "app:before")
	h.node.Kill()
	d.send(t, "during", 500)
	h.node.Restart(t)
	d.send(t, "after", 20)
	h.arrive(t, 500, "app:during")
	h.arrive(t, 20, "app:after")
}

// daemon is a syslog daemon with a configuration of its own, which includes what
// setup has written beneath dir, and takes messages at in.
type daemon struct{ dir, in string }

func (d *daemon) start(t *testing.T, program string) {
	t.Helper()
	ip, port, _ := net.SplitHostPort(d.in)
	conf := filepath.Join(d.dir, "main.conf")
	at := func(name string) string { return filepath.Join(d.dir, name) }
	text := fmt.Sprintf("global(workDirectory=%q)\nmodule(load=\"imtcp\")\ninput(type=\"imtcp\" address=%q port=%q)\n$IncludeConfig %s/etc/rsyslog.d/*.conf\n", d.dir, ip, port, d.dir)
	check, args := []string{peers.Find(t, peers.Rsyslogd), "-N1", "-f", conf}, []string{"-n", "-f", conf, "-i", at("pid")}
	if program == "syslog-ng" {
		text = fmt.Sprintf("@version: 3.38\nsource s_src { network(ip(%q) port(%s) transport(\"tcp\")); };\n@include \"%s/etc/syslog-ng/conf.d/*.conf\"\n", ip, port, d.dir)
		check = []string{peers.Find(t, peers.SyslogNG), "--syntax-only", "--no-caps", "--cfgfile=" + conf}
		args = []string{"--foreground", "--stderr", "--no-caps", "--cfgfile=" + conf, "--persist-file=" + at("persist"), "--pidfile=" + at("pid"), "--control=" + at("control")}
		// Its buffers lie in its own folder, where the package is installed.
		if err := os.MkdirAll("/var/lib/syslog-ng", 0o755); err != nil {
			peers.LeaveOut(t, err.Error())
		}
	}
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(check[0], check[1:]...).CombinedOutput(); err != nil || strings.Contains(string(out), "error:") {
		t.Fatalf("%s refuses what setup has made: %v\n%s", program, err, out)
	}
	p := proc.Start(t, proc.Config{Name: program, Args: append(check[:1:1], args...), Log: at("output.log"), Dir: d.dir})
	await.Until(t, time.Minute, program+"'s input", func() error {
		if err := p.Exited(); err != nil {
			return await.Hopeless(fmt.Errorf("%w\n%s", err, p.Tail()))
		}
		conn, err := net.Dial("tcp", d.in)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (d *daemon) send(t *testing.T, app string, n int) {
	t.Helper()
	conn, err := net.Dial("tcp", d.in)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range n {
		fmt.Fprintf(conn, "<13>Oct 11 22:14:15 web1 %s: message nr=%d\n", app, i)
	}
}

// systemd-journal-upload reads its configuration from /etc/systemd only: it gets an
// /etc/systemd of its own.
func TestJournaldAsSetupMakesItDelivers(t *testing.T) {
	upload := peers.Find(t, peers.JournalUpload)
	if os.Getuid() != 0 {
		peers.LeaveOut(t, "a mount of its own needs root")
	}
	h := newHost(t)
	j := peers.NewJournal(t)
	j.Write(t, "one", strings.NewReader("__REALTIME_TIMESTAMP=1772600000000000\n__MONOTONIC_TIMESTAMP=1000\n_BOOT_ID=1bd5ac1a4a494d4c9d0b4ec19f9ba1de\n_HOSTNAME=web1\nSYSLOG_IDENTIFIER=by-journal\nPRIORITY=6\nMESSAGE=hello\n\n"))
	dir := t.TempDir()
	must(t, "setup", "journald", "--relay", "127.0.0.1", "--port", h.journal, "--write", "--root", dir)
	p := proc.Start(t, proc.Config{
		Name: "systemd-journal-upload", Log: filepath.Join(dir, "log"),
		Args: []string{"unshare", "--mount", "sh", "-c", `mount --bind "$0/etc/systemd" /etc/systemd && exec "$1" --save-state="$0/state" --directory="$2"`, dir, upload, j.Dir},
	})
	h.arrive(t, 1, "app:by-journal")
	if err := p.Exited(); err != nil {
		t.Errorf("%v\n%s", err, p.Tail())
	}
}

func TestSetupLetsTheProgramJudgeBeforeItWrites(t *testing.T) {
	peers.Find(t, peers.Rsyslogd)
	dir := t.TempDir()
	_, errs, err := run(t, "", "setup", "rsyslog", "--protocol", "tcp", "--relay", "relay.example.net", "--ca", filepath.Join(dir, "none.pem"), "--write", "--root", dir)
	if err == nil || !strings.Contains(errs, "nothing was written") || !strings.Contains(errs, "none.pem") {
		t.Errorf("%v: %s", err, errs)
	}
	out := must(t, "setup", "rsyslog", "--relay", "relay.example.net", "--write", "--root", dir)
	for _, want := range []string{"50-syslane.conf", "rsyslogd has found it good", "systemctl restart rsyslog"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q: %s", want, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "etc/rsyslog.d/50-syslane.conf"), []byte("*.* @elsewhere\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, errs, err := run(t, "", "setup", "rsyslog", "--relay", "relay.example.net", "--write", "--root", dir); err == nil || !strings.Contains(errs, "move it away") {
		t.Errorf("a foreign file: %v %s", err, errs)
	}
}
