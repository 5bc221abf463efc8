package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// arrival is how long the messages of a row may take until they are found.
const arrival = 20 * time.Second

// lab is a collector with an input of each type, and what was found there.
type lab struct {
	node  *syslane.Node
	table table
	// complete says that every group of rows has run to its end.
	complete bool

	hostname string
	ca       *peers.CA
	// clientCert and clientKey are what a program shows that must show something.
	clientCert, clientKey string

	// Addresses of the inputs, or their paths.
	udp, tcp, zlib, proxied, tls, mutualTLS, relp, relpTLS, journal, journalTLS string
	datagrams, stream, files                                                    string

	// seen holds the ids of the events that earlier rows have looked at.
	seen map[string]bool
}

// serverName is the name in the collector's certificate.
const serverName = "collector.example.org"

func newLab(t *testing.T) *lab {
	t.Helper()
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	// A path of a unix socket may have 107 octets, which the name of a test soon fills.
	dir, err := os.MkdirTemp("", "interop-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &lab{
		table:    table{name: "received", head: receivedHead},
		complete: true, hostname: hostname, ca: peers.NewCA(t), seen: map[string]bool{},
		udp: proc.FreeAddr(t), tcp: proc.FreeAddr(t), zlib: proc.FreeAddr(t), proxied: proc.FreeAddr(t),
		tls: proc.FreeAddr(t), mutualTLS: proc.FreeAddr(t), relp: proc.FreeAddr(t), relpTLS: proc.FreeAddr(t),
		journal: proc.FreeAddr(t), journalTLS: proc.FreeAddr(t),
		datagrams: filepath.Join(dir, "log"), stream: filepath.Join(dir, "stream"), files: filepath.Join(dir, "files"),
	}
	if err := os.Mkdir(l.files, 0o755); err != nil {
		t.Fatal(err)
	}
	serverCert, serverKey := l.ca.Issue(t, serverName)
	l.clientCert, l.clientKey = l.ca.Issue(t, "host.example.org")

	config := ""
	input := func(kind, name, more string) {
		config += fmt.Sprintf("[[input]]\ntype = %q\nname = %q\n%s\n", kind, name, more)
	}
	listen := func(addr string) string { return fmt.Sprintf("listen = %q\n", addr) }
	ownCert := fmt.Sprintf("[input.tls]\ncert_file = %q\nkey_file = %q\n", serverCert, serverKey)
	mutual := ownCert + fmt.Sprintf("ca_file = %q\npermitted_peers = [\"host.example.org\"]\n", l.ca.File)
	input("udp", "udp", listen(l.udp))
	input("tcp", "tcp", listen(l.tcp))
	input("tcp", "tcp-zlib", listen(l.zlib)+"compression = \"zlib\"")
	input("tcp", "tcp-proxy", listen(l.proxied)+"proxy_protocol_from = [\"127.0.0.0/8\"]")
	input("tls", "tls", listen(l.tls)+ownCert)
	input("tls", "tls-mutual", listen(l.mutualTLS)+mutual)
	input("relp", "relp", listen(l.relp))
	input("relp", "relp-tls", listen(l.relpTLS)+mutual)
	input("unix", "unix", fmt.Sprintf("path = %q", l.datagrams))
	input("unix", "unix-stream", fmt.Sprintf("path = %q\nstream = true", l.stream))
	input("file", "file", fmt.Sprintf("include = [%q]\nscan_interval = \"100ms\"", filepath.Join(l.files, "*.log")))
	input("journal", "journal", listen(l.journal))
	input("journal", "journal-tls", listen(l.journalTLS)+mutual)
	l.node = syslane.Start(t, "collector", config)
	return l
}

// row shows one way in which a program sends: send makes the program send exactly
// the messages, and the table then says how each of their fields was understood.
func (l *lab) row(t *testing.T, r row, messages []message, send func()) {
	t.Helper()
	began := time.Now()
	send()
	var found []*document
	err := await.Nil(arrival, func() error {
		found = found[:0]
		l.node.Each(t, func(source []byte) error {
			d, err := decode(source)
			if err == nil && !l.seen[d.Event.ID] {
				found = append(found, d)
			}
			return err
		}, fmt.Sprintf("input:%q", r.input))
		if len(found) < len(messages) {
			return fmt.Errorf("%d of %d messages are there", len(found), len(messages))
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", r, err)
	}
	for _, d := range found {
		l.seen[d.Event.ID] = true
	}
	j := judge{form: r.form, clock: r.clock, began: began, ended: time.Now(), stand: l.standIn(r.input)}
	r.found = j.compare(messages, found)
	for _, fault := range j.faults {
		t.Errorf("%s: %s", r, fault)
	}
	l.table.rows = append(l.table.rows, r)
}

// standIn is what an input says of a host that the message does not name, and how
// the table calls that.
func (l *lab) standIn(input string) standIn {
	switch input {
	case "unix", "unix-stream", "file":
		return standIn{host: l.hostname, name: "own"}
	case "tcp-proxy":
		return standIn{host: proxiedSource, name: "address", remote: true}
	}
	return standIn{host: "127.0.0.1", name: "address", remote: true}
}
