package forwarding

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// Who sent a message, when it was received and under which TLS name is what the
// first relay knew of it, however many stand between.
func TestAChainOfRelaysKeepsSourceReceiptAndIdentity(t *testing.T) {
	ca := peers.NewCA(t)
	serverTLS := func(name string) string {
		cert, key := ca.Issue(t, name)
		return fmt.Sprintf("tls = { cert_file = %q, key_file = %q, ca_file = %q }", cert, key, ca.File)
	}
	clientTLS := func(name, peer string) string {
		cert, key := ca.Issue(t, name)
		return fmt.Sprintf("tls = { cert_file = %q, key_file = %q, ca_file = %q, permitted_peers = [%q] }", cert, key, ca.File, peer)
	}
	edge, middle, centre := proc.FreeAddr(t), proc.FreeAddr(t), proc.FreeAddr(t)
	collector := syslane.Start(t, "collector", fmt.Sprintf("[[input]]\ntype = \"relp\"\nlisten = %q\n%s\n", centre, serverTLS("collector.example.net")))
	syslane.Start(t, "relay", fmt.Sprintf("[[input]]\ntype = \"relp\"\nlisten = %q\n%s\n[[output]]\ntype = \"relp\"\ntargets = [%q]\n%s\n",
		middle, serverTLS("middle.example.net"), centre, clientTLS("middle-out.example.net", "collector.example.net")))
	first := syslane.Start(t, "relay", fmt.Sprintf("[[input]]\ntype = \"tls\"\nname = \"hosts\"\nlisten = %q\n%s\n[[output]]\ntype = \"relp\"\ntargets = [%q]\n%s\n",
		edge, serverTLS("edge.example.net"), middle, clientTLS("edge-out.example.net", "middle.example.net")))

	cert, key := ca.Issue(t, "web1.example.net")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if pem, err := os.ReadFile(ca.File); err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatal("no CA", err)
	}
	began := time.Now()
	c, err := tls.Dial("tcp", edge, &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots, ServerName: "edge.example.net"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	const message = "<165>1 2026-03-04T05:06:07.890123Z web1 app 7 ID [a@32473 b=\"c\"] hello"
	if _, err := fmt.Fprintf(c, "%d %s", len(message), message); err != nil {
		t.Fatal(err)
	}
	first.WaitFor(t, arrival, 1, "syslane_log_stored_messages_total")
	received := time.Now()
	var document struct {
		Event struct {
			ID      string
			Created time.Time
		}
		Source struct {
			IP   string
			Port int
		}
		TLS    struct{ Client struct{ Subject string } }
		Labels struct{ Input string }
	}
	await.Until(t, arrival, "the message at the collector", func() error {
		found := fmt.Errorf("it is not there")
		collector.Each(t, func(b []byte) error { found = json.Unmarshal(b, &document); return nil })
		return found
	})
	if document.Source.IP != "127.0.0.1" || fmt.Sprint(document.Source.Port) != port {
		t.Errorf("the source is %s:%d, want that of the host, port %s", document.Source.IP, document.Source.Port, port)
	}
	if document.TLS.Client.Subject != "web1.example.net" {
		t.Errorf("the TLS identity is %q, want that of the host", document.TLS.Client.Subject)
	}
	if at := document.Event.Created; at.Before(began.Add(-time.Second)) || at.After(received) {
		t.Errorf("the receipt is %s, want between %s and %s", at, began, received)
	}
	if document.Labels.Input != "hosts" {
		t.Errorf("the input is %q, want that of the first relay", document.Labels.Input)
	}
}
