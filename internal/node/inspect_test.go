package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// inspect returns what is found about a configuration.
func inspect(t *testing.T, text, state string, o Inspection) string {
	t.Helper()
	plan, err := load(t, text, state)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range plan.Inspect(t.Context(), o) {
		fmt.Fprintln(&all, f)
	}
	return all.String()
}

// expect wants one finding that matches each pattern, and no other.
func expect(t *testing.T, got string, patterns ...string) {
	t.Helper()
	for _, p := range patterns {
		if !regexp.MustCompile("(?m)" + p).MatchString(got) {
			t.Errorf("found is\n%swithout %q", got, p)
		}
	}
	if n := strings.Count(got, "\n"); n != len(patterns) {
		t.Errorf("found are %d things, want %d:\n%s", n, len(patterns), got)
	}
}

func TestWhatIsFitForThisMachineHasNoFindings(t *testing.T) {
	got := inspect(t, fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n[[input]]\ntype = \"udp\"\nlisten = \"127.0.0.1:0\"\n[[input]]\ntype = \"unix\"\npath = %q\n[[output]]\ntype = \"file\"\npath = %q",
		freeAddr(t), filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "new", "{host}.log")), filepath.Join(t.TempDir(), "new", "state"), Inspection{})
	expect(t, got)
}

func TestAddressesThatCannotBeBoundAreFound(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	path := filepath.Join(t.TempDir(), "log")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	text := fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n[[input]]\ntype = \"udp\"\nlisten = %q\n[[input]]\ntype = \"unix\"\npath = %q\n[[input]]\ntype = \"relp\"\nlisten = \"192.0.2.7:2514\"\n[[input]]\ntype = \"unix\"\npath = \"/no/such/log\"",
		tcp.Addr(), udp.LocalAddr(), path)
	state := t.TempDir()
	got := inspect(t, text, state, Inspection{})
	expect(t, got,
		`^test.toml:3:10: input.listen: tcp 127.0.0.1:\d+ is taken by .*; stop that, or name another address`,
		`^test.toml:6:10: input.listen: udp 127.0.0.1:\d+ is taken by .*; stop that`,
		`^test.toml:9:8: input.path: .*/log is taken by .*; stop that`,
		`^test.toml:12:10: input.listen: 192.0.2.7:2514 is no address of this machine; `,
		`^test.toml:15:8: input.path: /no/such is no folder; make it`)

	t.Run("those of the Syslane in the same state folder are noted", func(t *testing.T) {
		record := fmt.Sprintf(`{"pid": %d, "birth": %d, "role": "collector"}`, os.Getpid(), birth(os.Getpid()))
		if err := os.WriteFile(runningPath(state), []byte(record), 0o600); err != nil {
			t.Fatal(err)
		}
		got := inspect(t, fmt.Sprintf("[http]\nlisten = %q", tcp.Addr()), state, Inspection{})
		expect(t, got, `^test.toml:2:10: note: http.listen: tcp 127.0.0.1:\d+ is held by the collector that runs already`)
		got = inspect(t, fmt.Sprintf("[http]\nlisten = %q", tcp.Addr()), "", Inspection{States: []string{state}})
		expect(t, got, `note: http.listen: `)
	})
}

// issue writes a certificate that ends after a time, and returns a tls table.
func issue(t *testing.T, lifetime time.Duration) string {
	t.Helper()
	dir := certificateFiles(t, "host.example.net", lifetime)
	return fmt.Sprintf("cert_file = %q\nkey_file = %q", filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
}

func TestOutputsThatAreCalledByTheirOrderAreFound(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	const first = "[[output]]\ntype = \"relp\"\ntargets = [\"a:2514\"]\n"
	expect(t, inspect(t, first+"name = \"a\"\n[[output]]\ntype = \"relp\"\nname = \"b\"\ntargets = [\"b:2514\"]\n", state, Inspection{}))
	expect(t, inspect(t, first+"[[output]]\ntype = \"relp\"\ntargets = [\"b:2514\"]\n", state, Inspection{}), `test.toml:5:8: warning: output.type: this output is called "relp-2"`)
}

func TestCertificatesThatEndAreFound(t *testing.T) {
	input := "[[input]]\ntype = \"tls\"\nlisten = \"127.0.0.1:0\"\n[input.tls]\n"
	expect(t, inspect(t, input+issue(t, 60*24*time.Hour), t.TempDir(), Inspection{}))
	expect(t, inspect(t, input+issue(t, 10*24*time.Hour), t.TempDir(), Inspection{}),
		`^test.toml:5:13: warning: input.tls.cert_file: the certificate of host.example.net in .*cert.pem expires on .*, in 9 days; renew it`)
	expect(t, inspect(t, input+issue(t, -time.Minute), t.TempDir(), Inspection{}),
		`^test.toml:5:13: input.tls.cert_file: the certificate of host.example.net in .*cert.pem expired on .*; renew it`)
	expect(t, inspect(t, "[http]\nlisten = \"127.0.0.1:0\"\n[http.tls]\n"+issue(t, -time.Minute), t.TempDir(), Inspection{}),
		`^test.toml:4:13: http.tls.cert_file: .* expired on`)
	expect(t, inspect(t, "[[output]]\ntype = \"relp\"\ntargets = [\"h:1\"]\n[output.tls]\n"+issue(t, -time.Minute), t.TempDir(), Inspection{}),
		`^test.toml:5:13: output.tls.cert_file: .* expired on`)
}

func TestCertificatesThatAreNotYetGoodAreFound(t *testing.T) {
	i := &inspector{plan: &Plan{certificates: []certificates{{key: "tls"}}}}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte(future(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	i.plan.certificates[0].options.CAFile = file
	i.inspectCertificates()
	if len(i.findings) != 1 || !strings.Contains(i.findings[0].String(), "is not valid before ") || i.findings[0].Severity != Failure {
		t.Errorf("found is %v", i.findings)
	}
}

func TestFoldersAndSpaceThatDoNotDoAreFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("state = %q\n[[output]]\ntype = \"file\"\npath = \"%s/{host}.log\"\n[[input]]\ntype = \"file\"\ninclude = [\"/no/such/*.log\"]", filepath.Join(file, "state"), file)
	expect(t, inspect(t, text, "", Inspection{}),
		`^test.toml:1:9: state: the state folder .*/file/state cannot be written: .*; give it to the user`,
		`^test.toml:4:8: output.path: no file can be written below .*/file: .* is no folder`,
		`^test.toml:7:12: warning: input.include: no file matches /no/such/\*.log yet`)
	expect(t, inspect(t, "", "", Inspection{States: []string{filepath.Join(file, "state")}}), `^test.toml.*: warning: state: the state folder`)
	expect(t, inspect(t, "[log]\nmax_size = \"1024TiB\"", t.TempDir(), Inspection{}),
		`^test.toml:2:12: warning: log.max_size: the log in .* can have .*B on its disk .*, and log.max_size is 1024TiB; make room`)
	expect(t, inspect(t, "[log]\nmin_free = \"1024TiB\"", t.TempDir(), Inspection{}),
		`^test.toml:2:12: warning: log.min_free: .*B is free on the disk of .*, and log.min_free is 1024TiB`)
}

func TestInspectionLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	inspect(t, fmt.Sprintf("[[input]]\ntype = \"unix\"\npath = %q\n[[output]]\ntype = \"file\"\npath = %q", filepath.Join(dir, "log"), filepath.Join(dir, "out", "x.log")),
		filepath.Join(dir, "state"), Inspection{})
	if list, err := os.ReadDir(dir); err != nil || len(list) != 0 {
		t.Errorf("there is %v, %v", list, err)
	}
}

// future is the certificate of an authority that begins tomorrow.
func future(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tomorrow"},
		NotBefore: time.Now().Add(24 * time.Hour), NotAfter: time.Now().Add(240 * 24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
