package syslane

import (
	"io"
	"net"
	"testing"
)

// Send writes octets to a TCP input, and returns when the input has read them all.
func Send(t testing.TB, addr string, octets []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(octets); err != nil {
		t.Fatal(err)
	}
	// The answer to the end of the stream says that all of it was read.
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Fatal(err)
	}
}
