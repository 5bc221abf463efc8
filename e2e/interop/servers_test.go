package interop

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
)

// requests is how many requests a web server has to log for a row.
const requests = 5

// serve runs a web server with a configuration until the test ends, and waits for
// it to listen at every one of the addresses.
func serve(t *testing.T, config, text string, addrs []string, args ...string) *proc.Process {
	t.Helper()
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	name := filepath.Base(args[0])
	p := proc.Start(t, proc.Config{Name: name, Args: args, Log: config + ".log"})
	for _, addr := range addrs {
		await.Until(t, time.Minute, name+" at "+addr, func() error {
			if err := p.Exited(); err != nil {
				return await.Hopeless(fmt.Errorf("%w\n%s", err, p.Tail()))
			}
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				return err
			}
			return conn.Close()
		})
	}
	return p
}

func get(t *testing.T, url string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}

// nginx: its access_log and its error_log.
func (l *lab) nginx(t *testing.T) {
	type site struct {
		row
		directive string
		facility  int
		severity  int
		app       string
		// path of the requests, and what is logged of the one with the number %d.
		path, pattern string
		addr          string
	}
	access := func(way, server, more string, form form, input string) site {
		return site{
			row:       row{program: "nginx", way: "access_log, " + way, form: form, input: input, clock: yearless},
			directive: fmt.Sprintf("access_log syslog:server=%s,facility=local6,severity=notice,tag=web%s short;", server, more),
			facility:  22, severity: 5, app: "web", path: "/ok", pattern: `^/ok%d 204$`, addr: proc.FreeAddr(t),
		}
	}
	failed := access("UDP", l.udp, "", rfc3164, "udp")
	failed.way, failed.directive = "error_log, UDP", fmt.Sprintf("error_log syslog:server=%s,tag=weberror error;", l.udp)
	failed.facility, failed.severity, failed.app = 23, 3, "weberror"
	failed.path, failed.pattern = "/missing", `^\S+ \S+ \[error\] \d+#\d+: \*\d+ open\(\) "/nowhere/missing%d" failed .*$`
	sites := []site{
		access("UDP", l.udp, "", rfc3164, "udp"),
		access("UDP, nohostname", l.udp, ",nohostname", local, "udp"),
		access("unix datagrams", "unix:"+l.datagrams, "", rfc3164, "unix"),
		access("unix datagrams, nohostname", "unix:"+l.datagrams, ",nohostname", local, "unix"),
		failed,
	}
	var servers strings.Builder
	var addrs []string
	for _, s := range sites {
		addrs = append(addrs, s.addr)
		fmt.Fprintf(&servers, "server { listen %s; root /nowhere; location /ok { return 204; } %s }\n", s.addr, s.directive)
	}
	dir := t.TempDir()
	nginx := peers.Find(t, peers.Nginx)
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	config := filepath.Join(dir, "nginx.conf")
	p := serve(t, config, fmt.Sprintf(`
daemon off;
master_process off;
pid %s/pid;
error_log stderr;
events {}
http {
access_log off;
log_format short "$request_uri $status";
%s%s}
`, dir, temporary.String(), servers.String()), addrs, nginx, "-p", dir, "-c", config, "-e", "stderr")
	l.table.version(t, nginx, "-v")
	for _, s := range sites {
		var messages []message
		for n := range requests {
			m := message{facility: s.facility, severity: s.severity, host: l.hostname, app: s.app,
				pattern: regexp.MustCompile(fmt.Sprintf(s.pattern, n))}
			if s.form == local {
				m.host = ""
			}
			if s.input == "unix" {
				m.sender = p.PID()
			}
			messages = append(messages, m)
		}
		l.row(t, s.row, messages, func() {
			for n := range requests {
				get(t, fmt.Sprintf("http://%s%s%d", s.addr, s.path, n))
			}
		})
	}
}

// proxiedSource is the address of who sends through a proxy.
const proxiedSource = "127.0.0.7"

// haproxy logs, and it stands between senders and the collector.
func (l *lab) haproxy(t *testing.T) {
	type frontend struct {
		row
		target, addr string
	}
	var frontends []frontend
	var config strings.Builder
	config.WriteString("global\n  log-tag balancer\n  log-send-hostname lb.example.org\ndefaults\n  mode http\n  option dontlognull\n  timeout connect 10s\n  timeout client 60s\n  timeout server 60s\n")
	add := func(way string, form form, clock clock, input, target string) {
		f := frontend{row{program: "HAProxy", way: way, form: form, input: input, clock: clock}, target, proc.FreeAddr(t)}
		frontends = append(frontends, f)
		fmt.Fprintf(&config, `frontend f%d
  bind %s
  log %s local3
  option httplog
  log-format "%%HU %%ST"
  log-format-sd "[test@32473 number=\"1\"]"
  http-request return status 200
`, len(frontends), f.addr, target)
	}
	ring := func(name, format, framing string) string {
		fmt.Fprintf(&config, "ring %s\n  format %s\n  maxlen 4096\n  size 65536\n  timeout connect 10s\n  timeout server 60s\n  server s %s %s\n",
			name, format, l.tcp, framing)
		return "ring@" + name + " format " + format
	}
	add("log, UDP", rfc3164, yearless, "udp", l.udp+" format rfc3164")
	add("log, UDP", rfc5424, microseconds, "udp", l.udp+" format rfc5424")
	add("log, unix datagrams", rfc3164, yearless, "unix", l.datagrams+" format rfc3164")
	add("log, unix datagrams", rfc5424, microseconds, "unix", l.datagrams+" format rfc5424")
	add("ring, TCP", rfc3164, yearless, "tcp", ring("bsd", "rfc3164", ""))
	add("ring, TCP, octet-count", rfc5424, microseconds, "tcp", ring("counted", "rfc5424", "log-proto octet-count"))

	proxies := []struct{ way, option, addr string }{
		{"between TCP and collector, send-proxy", "send-proxy", proc.FreeAddr(t)},
		{"between TCP and collector, send-proxy-v2", "send-proxy-v2", proc.FreeAddr(t)},
	}
	for _, p := range proxies {
		fmt.Fprintf(&config, "listen %s\n  mode tcp\n  bind %s\n  server s %s %s\n", p.option, p.addr, l.proxied, p.option)
	}
	var addrs []string
	for _, f := range frontends {
		addrs = append(addrs, f.addr)
	}
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	haproxy := peers.Find(t, peers.HAProxy)
	process := serve(t, path, config.String(), addrs, haproxy, "-db", "-f", path)
	l.table.version(t, haproxy, "-v")
	for _, f := range frontends {
		messages := make([]message, requests)
		for n := range messages {
			m := message{facility: 19, severity: 6, host: "lb.example.org", app: "balancer", pid: strconv.Itoa(process.PID()), text: fmt.Sprintf("/request%d 200", n)}
			if f.form == rfc5424 {
				m.number = "1"
			}
			if f.input == "unix" {
				m.sender = process.PID()
			}
			messages[n] = m
		}
		l.row(t, f.row, messages, func() {
			for n := range messages {
				get(t, fmt.Sprintf("http://%s/request%d", f.addr, n))
			}
		})
	}
	for _, p := range proxies {
		messages := sample(p.option)
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(proxiedSource)}}
		l.row(t, row{program: "HAProxy", way: p.way, form: rfc5424, input: "tcp-proxy", clock: microseconds}, messages, func() {
			conn, err := dialer.Dial("tcp", p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			for _, m := range messages {
				if _, err := conn.Write([]byte(m.line())); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
