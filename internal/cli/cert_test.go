package cli

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/syslane/syslane/internal/tlsconf"
)

// runCert runs the command and returns what it printed.
func runCert(args ...string) (string, error) {
	cmd := newCertCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.Execute()
	return out.String(), err
}

func TestCertMakesWhatMutualTLSNeeds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	out, err := runCert("--dir", dir, "--name", "collector.example.net,127.0.0.1", "--name", "relay1.example.net")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ca.pem", "cert_file", "SHA256:"} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	server, err := tlsconf.Server(tlsconf.Options{CertFile: path("collector.example.net.pem"), KeyFile: path("collector.example.net-key.pem"),
		CAFile: path("ca.pem"), PermittedPeers: []string{"*.example.net"}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := tlsconf.ClientConfig(tlsconf.Options{CertFile: path("relay1.example.net.pem"), KeyFile: path("relay1.example.net-key.pem"), CAFile: path("ca.pem")})
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := make(chan string, 1)
	go func() {
		var nc net.Conn
		if nc, err = l.Accept(); err != nil {
			seen <- err.Error()
			return
		}
		defer nc.Close()
		tc := nc.(*tls.Conn)
		if err := tc.Handshake(); err != nil {
			seen <- err.Error()
			return
		}
		seen <- tlsconf.Identity(tc.ConnectionState())
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := <-seen; got != "relay1.example.net" {
		t.Errorf("the server saw %q", got)
	}
	for _, name := range []string{"ca-key.pem", "relay1.example.net-key.pem"} {
		info, err := os.Stat(path(name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", name, info, err)
		}
	}
}

func TestCertKeepsTheAuthorityAndReplacesOnlyWhenTold(t *testing.T) {
	dir := t.TempDir()
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if _, err := runCert("--dir", dir, "--name", "a"); err != nil {
		t.Fatal(err)
	}
	ca, a := read("ca.pem"), read("a.pem")
	if _, err := runCert("--dir", dir, "--name", "b", "--name", "a"); err == nil || !strings.Contains(err.Error(), "--renew") {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "b.pem")); err == nil {
		t.Error("b.pem was made although a.pem was in the way")
	}
	if _, err := runCert("--dir", dir, "--name", "a", "--renew"); err != nil {
		t.Fatal(err)
	}
	if read("ca.pem") != ca || read("a.pem") == a {
		t.Error("want the same authority and another certificate")
	}
	if err := os.Remove(filepath.Join(dir, "ca-key.pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := runCert("--dir", dir, "--name", "c"); err == nil || !strings.Contains(err.Error(), "ca-key.pem") {
		t.Errorf("error is %v", err)
	}
}

// The service reads its key by its group, say.
func TestARenewedKeyIsReadableForWhomTheOldOneWas(t *testing.T) {
	dir := t.TempDir()
	if _, err := runCert("--dir", dir, "--name", "a"); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(dir, "a-key.pem")
	if err := os.Chmod(key, 0o640); err != nil {
		t.Fatal(err)
	}
	owner := os.Getuid()
	if owner == 0 {
		owner = 65534
		if err := os.Chown(key, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := runCert("--dir", dir, "--name", "a", "--renew"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(key)
	if err != nil {
		t.Fatal(err)
	}
	if stat := info.Sys().(*syscall.Stat_t); info.Mode().Perm() != 0o640 || int(stat.Uid) != owner {
		t.Errorf("the key has mode %v and belongs to %d, want 0640 and %d", info.Mode(), stat.Uid, owner)
	}
}

func TestCertRefusesNamesThatAreNone(t *testing.T) {
	for _, name := range []string{"", ",", "../a", "a/b", "a b", "ca"} {
		if out, err := runCert("--dir", t.TempDir(), "--name", name); err == nil {
			t.Errorf("--name %q was taken:\n%s", name, out)
		}
	}
}

func TestCertWithoutNamesServesThisHost(t *testing.T) {
	dir := t.TempDir()
	if out, err := runCert("--dir", dir); err != nil || !strings.Contains(out, "localhost, 127.0.0.1, ::1") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "client.pem")); err != nil {
		t.Error(err)
	}
}
