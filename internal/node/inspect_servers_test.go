package node

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"
)

// serve runs a collector with a RELP input until the test ends and returns its address.
func serve(t *testing.T, more string) string {
	t.Helper()
	address := freeAddr(t)
	plan, err := load(t, fmt.Sprintf("[[input]]\ntype = \"relp\"\nlisten = %q\n%s", address, more), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n, err := Open(Role{Name: "collector", KeepDelivered: true}, plan)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return address
}

func online(t *testing.T, text string) string {
	t.Helper()
	return inspect(t, text, t.TempDir(), Inspection{Online: true})
}

func TestWhatRELPServersGrantIsSaid(t *testing.T) {
	granting, plain := serve(t, ""), serve(t, "link_from = []")
	silent, err := net.Listen("tcp", "127.0.0.1:0") // connections wait in its queue
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	got := online(t, fmt.Sprintf("[[output]]\ntype = \"relp\"\ntargets = [%q, %q, %q,\n  %q, \"no-such-host.invalid:2514\"]", granting, plain, freeAddr(t), silent.Addr()))
	expect(t, got,
		`^test.toml:3:12: note: output.targets: 127.0.0.1:\d+: RELP answers, and grants the link`,
		`^test.toml:3:31: warning: output.targets: 127.0.0.1:\d+: the Syslane there does not grant the link .*link_from`,
		`^test.toml:3:50: output.targets: 127.0.0.1:\d+: .*connection refused; nobody listens there`,
		`^test.toml:4:3: output.targets: 127.0.0.1:\d+: .*; nothing answers: look at`,
		`^test.toml:4:22: output.targets: no-such-host.invalid:2514: .*; (look whether the name is right|nothing answers)`)
}

func TestServersWhoseTLSDoesNotFitAreFound(t *testing.T) {
	dir := certificateFiles(t, "host.example.net", time.Hour)
	secure := serve(t, fmt.Sprintf("[input.tls]\ncert_file = %q\nkey_file = %q", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")))
	output := func(target, tls string) string {
		return fmt.Sprintf("[[output]]\ntype = \"relp\"\ntargets = [%q]\n[output.tls]\n%s", target, tls)
	}
	expect(t, online(t, output(secure, "server_name = \"host.example.net\"")), `^test.toml:3:12: output.targets: .*unknown authority; set tls.ca_file`)
	expect(t, online(t, output(secure, fmt.Sprintf("ca_file = %q", filepath.Join(dir, "ca.pem")))),
		`^test.toml:3:12: output.targets: .*; name the server as its certificate does, or set tls.server_name`, `warning: output.tls.ca_file: .* expires on`)
	expect(t, online(t, output(serve(t, ""), "")), `^test.toml:3:12: output.targets: .*; (no TLS is spoken there|the server hangs up|nothing answers)`)
	expect(t, online(t, fmt.Sprintf("[[output]]\ntype = \"syslog\"\nprotocol = \"tls\"\ntargets = [%q]\n[output.tls]\nserver_name = \"host.example.net\"", secure)),
		`^test.toml:4:12: output.targets: .*unknown authority; set tls.ca_file`)
}

func TestSyslogServersAreAsked(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	expect(t, online(t, fmt.Sprintf("[[output]]\ntype = \"syslog\"\ntargets = [%q, %q]", l.Addr(), freeAddr(t))),
		`note: output.targets: .*: the server takes the connection`, `^test.toml:3:\d+: output.targets: .*; nobody listens there`)
	expect(t, online(t, "[[output]]\ntype = \"syslog\"\nprotocol = \"udp\"\ntargets = [\"127.0.0.1:514\"]"), `note: output.targets: .*UDP tells no more`)
}

// elastic answers as an Elasticsearch does that has security.
func elastic(t *testing.T, version string, status int, privileges string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		switch {
		case status != http.StatusOK:
			w.WriteHeader(status)
			io.WriteString(w, `{"error":{"type":"security_exception","reason":"unable to authenticate"},"status":401}`)
		case r.URL.Path == "/":
			fmt.Fprintf(w, `{"version":{"number":%q}}`, version)
		case r.URL.Path == "/_security/user/_has_privileges":
			io.WriteString(w, privileges)
		default:
			t.Errorf("asked is %s %s", r.Method, r.URL.Path)
		}
	}))
	t.Cleanup(server.Close)
	return fmt.Sprintf("[[output]]\ntype = \"elasticsearch\"\nhosts = [%q]", server.URL)
}

func TestWhatElasticsearchAllowsIsSaid(t *testing.T) {
	const all = `{"cluster":{"manage_index_templates":true},"index":{"logs-syslog-default":{"create_doc":true,"auto_configure":true}}}`
	expect(t, online(t, elastic(t, "8.19.6", 200, all)), `^test.toml:3:10: note: output.hosts: http://127.*: elasticsearch 8.19.6`)
	expect(t, online(t, elastic(t, "8.19.6", 401, "")), `^test.toml:3:10: output.hosts: http://127.* answered 401 Unauthorized: .*unable to authenticate.*check api_key`)
	expect(t, online(t, elastic(t, "7.8.1", 200, all)), `output.hosts: .* elasticsearch 7.8.1 has no data streams`)
	expect(t, online(t, elastic(t, "8.19.6", 200, `{"cluster":{"manage_index_templates":false},"index":{"logs-syslog-default":{"create_doc":true,"auto_configure":true}}}`)),
		`^test.toml:3:10: warning: output.hosts: .*the credentials lack manage_index_templates: .*manage_template = false`)
	expect(t, online(t, elastic(t, "8.19.6", 200, `{"cluster":{},"index":{"logs-syslog-default":{"create_doc":false,"auto_configure":true}}}`)),
		`^test.toml:3:10: output.hosts: .*the credentials lack create_doc on logs-syslog-default`)
	expect(t, online(t, fmt.Sprintf("[[output]]\ntype = \"elasticsearch\"\nhosts = [\"http://%s\"]", freeAddr(t))),
		`^test.toml:3:10: output.hosts: .*connection refused; nobody listens there`)
}

func TestChannelsOfAlertsAreAsked(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead {
			t.Errorf("asked by %s", r.Method)
		}
		w.WriteHeader(http.StatusMethodNotAllowed)
	}))
	defer server.Close()
	text := fmt.Sprintf("[[notify]]\ntype = \"webhook\"\nurl = %q\n[[notify]]\ntype = \"webhook\"\nname = \"b\"\nurl = \"http://%s/secret\"\n[[notify]]\ntype = \"email\"\nserver = %q\nfrom = \"a@b.example\"\nto = [\"a@b.example\"]",
		server.URL, freeAddr(t), freeAddr(t))
	expect(t, online(t, text),
		`^test.toml:7:7: notify.url: .*connection refused; nobody listens there`,
		`^test.toml:10:10: notify.server: .*connection refused; nobody listens there`)
}
