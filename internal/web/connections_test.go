package web

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/syslane/syslane/internal/config"
)

// from opens a connection from an address of this machine.
func from(t *testing.T, address string, s *Server) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: 5 * time.Second}
	conn, err := dialer.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	return conn
}

// status asks on a connection and returns the status of the answer, 0 where there is none.
func status(conn net.Conn, path string) int {
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func TestConnectionsThatAskNothingKeepNobodyOut(t *testing.T) {
	s, _ := start(t, Config{Token: config.NewSecret("0123456789abcdef")})
	// Those that have asked once, and then those that never do.
	for range maxConnectionsPerAddress {
		if got := status(from(t, "127.0.0.1", s), "/healthz"); got != http.StatusOK {
			t.Fatal(got)
		}
	}
	for range 3 {
		if got := status(from(t, "127.0.0.1", s), "/healthz"); got != http.StatusOK {
			t.Fatalf("beside %d idle connections one more is answered %d", maxConnectionsPerAddress, got)
		}
	}
	for range maxConnectionsPerAddress {
		from(t, "127.0.0.1", s)
	}
	if got := status(from(t, "127.0.0.2", s), "/readyz"); got != http.StatusOK {
		t.Errorf("beside silent connections another address is answered %d", got)
	}
	time.Sleep(firstWait)
	for range 3 {
		if got := status(from(t, "127.0.0.1", s), "/healthz"); got != http.StatusOK {
			t.Errorf("beside silent connections one more is answered %d", got)
		}
	}
	if n := testutil.ToFloat64(s.metrics.connections.WithLabelValues("connections_per_address")); n != 0 {
		t.Errorf("%v were refused", n)
	}
}

func TestAnAddressWithManyRequestsLeavesRoomToOthers(t *testing.T) {
	answer, asked := make(chan struct{}), make(chan struct{}, maxConnections)
	slow := Check{"slow", func() error {
		asked <- struct{}{}
		<-answer
		return nil
	}}
	s, _ := start(t, Config{Health: []Check{slow}, Token: config.NewSecret("0123456789abcdef")})
	var conns []net.Conn
	for range maxConnectionsPerAddress {
		conn := from(t, "127.0.0.1", s)
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		conns = append(conns, conn)
		<-asked
	}
	if got := status(from(t, "127.0.0.1", s), "/readyz"); got != 0 {
		t.Errorf("beyond %d requests of an address one more is answered %d", maxConnectionsPerAddress, got)
	}
	if n := testutil.ToFloat64(s.metrics.connections.WithLabelValues("connections_per_address")); n != 1 {
		t.Errorf("%v refused connections are counted", n)
	}
	if got := status(from(t, "127.0.0.2", s), "/readyz"); got != http.StatusOK {
		t.Errorf("another address is answered %d", got)
	}
	close(answer)
	for _, conn := range conns {
		if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(response, err)
		}
	}
	if got := status(from(t, "127.0.0.1", s), "/readyz"); got != http.StatusOK {
		t.Errorf("when all are answered one more is answered %d", got)
	}
}
