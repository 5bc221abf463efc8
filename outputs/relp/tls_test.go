package relp_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/internal/tlsconf"
	output "github.com/syslane/syslane/outputs/relp"
)

// certificates makes a CA and returns the TLS configurations of a server on
// loopback that wants a client certificate, and of a client named as given.
func certificates(t *testing.T, client string) (serverTLS *tls.Config, clientTLS *tlsconf.Client) {
	t.Helper()
	ca := peers.NewCA(t)
	options := func(name string) tlsconf.Options {
		cert, key := ca.Issue(t, name)
		return tlsconf.Options{Name: name, CertFile: cert, KeyFile: key, CAFile: ca.File}
	}
	var err error
	if serverTLS, err = tlsconf.Server(options("127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if clientTLS, err = tlsconf.NewClient(options(client)); err != nil {
		t.Fatal(err)
	}
	return serverTLS, clientTLS
}

func TestOverTLSTheClientsNameIsPartOfItsStream(t *testing.T) {
	serverTLS, clientTLS := certificates(t, "relay1.example.net")
	store := newEventStore()
	addr := startServer(t, store, serverTLS)
	o := startOutput(t, output.Config{Targets: []string{addr}, TLS: clientTLS})
	writeAll(t, o, batchOf(1, 10_000))
	_, events := store.received()
	if n := expectNumbers(t, events, 1, 10_000); n != 0 {
		t.Errorf("%d events came twice", n)
	}
	if store.Resume("relay1.example.net:0123abcd/out", 1).End != 10_001 {
		t.Errorf("streams are %v", store.end)
	}
}

func TestPlainMessagesTravelTLS(t *testing.T) {
	serverTLS, clientTLS := certificates(t, "relay1.example.net")
	store := newEventStore()
	o := startOutput(t, output.Config{Targets: []string{startServer(t, store, serverTLS)}, TLS: clientTLS, Plain: true})
	writeAll(t, o, batchOf(1, 10_000))
	messages, _ := store.received()
	if n := expectNumbers(t, messages, 1, 10_000); n != 0 {
		t.Errorf("%d messages came twice", n)
	}
}

func TestAServerOfAnotherAuthorityIsNotTrusted(t *testing.T) {
	serverTLS, _ := certificates(t, "a")
	_, clientTLS := certificates(t, "b")
	store := newEventStore()
	o := startOutput(t, output.Config{Targets: []string{startServer(t, store, serverTLS)}, TLS: clientTLS})
	if err := o.Write(t.Context(), batchOf(1, 10)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("got %v", err)
	}
}

// A server that had a bad certificate for a while is delivered to as soon as it
// has a good one, without a restart here.
func TestADeliveryGoesOnByItselfOnceTheServersCertificateIsGood(t *testing.T) {
	badTLS, _ := certificates(t, "a")
	goodTLS, clientTLS := certificates(t, "relay1.example.net")
	var current atomic.Pointer[tls.Config]
	current.Store(badTLS)
	serverTLS := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return current.Load().GetConfigForClient(hello)
	}}
	store := newEventStore()
	o := startOutput(t, output.Config{Targets: []string{startServer(t, store, serverTLS)}, TLS: clientTLS})
	for range 3 {
		if err := o.Write(t.Context(), batchOf(1, 10)); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Fatalf("got %v", err)
		}
	}
	current.Store(goodTLS)
	writeAll(t, o, batchOf(1, 10))
	_, events := store.received()
	if n := expectNumbers(t, events, 1, 10); n != 0 {
		t.Errorf("%d events came twice", n)
	}
}

// A server of a new authority is delivered to once ca_file holds that, without a restart
// here, and one of the old is trusted no more.
func TestADeliveryGoesOnByItselfOnceTheCAFileIsRenewed(t *testing.T) {
	first, second := peers.NewCA(t), peers.NewCA(t)
	caFile := filepath.Join(t.TempDir(), "ca.pem")
	renew := func(ca *peers.CA) {
		t.Helper()
		text, err := os.ReadFile(ca.File)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(caFile+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(caFile+".new", caFile); err != nil {
			t.Fatal(err)
		}
	}
	renew(first)
	clientTLS, err := tlsconf.NewClient(tlsconf.Options{CAFile: caFile})
	if err != nil {
		t.Fatal(err)
	}
	store := newEventStore()
	outputTo := func(ca *peers.CA) *output.Output {
		cert, key := ca.Issue(t, "collector.example.net")
		serverTLS, err := tlsconf.Server(tlsconf.Options{CertFile: cert, KeyFile: key})
		if err != nil {
			t.Fatal(err)
		}
		return startOutput(t, output.Config{Targets: []string{startServer(t, store, serverTLS)}, TLS: clientTLS, Plain: true})
	}
	renewed := outputTo(second)
	if err := renewed.Write(t.Context(), batchOf(1, 10)); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Fatalf("a server of an authority that is not trusted: %v", err)
	}
	renew(second)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := renewed.Write(t.Context(), batchOf(1, 10))
		if err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the new CA file is not in use: %v", err)
		}
	}
	messages, _ := store.received()
	if n := expectNumbers(t, messages, 1, 10); n != 0 {
		t.Errorf("%d messages came twice", n)
	}
	if err := outputTo(first).Write(t.Context(), batchOf(11, 10)); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("a server of the old authority: %v", err)
	}
}
