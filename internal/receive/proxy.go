package receive

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pires/go-proxyproto"
)

// errNoHeader is the error for a trusted load balancer that sends no PROXY header.
var errNoHeader = errors.New("there is no PROXY header; set the load balancer to send one (send-proxy or send-proxy-v2), or take its address out of the list of trusted ones")

// errProbe is the error for a connection that a load balancer has closed at once,
// to see whether the port is open.
var errProbe = errors.New("closed without a word")

// trusts tells whether a PROXY header is expected from a.
func (c *Config) trusts(a netip.Addr) bool {
	for _, p := range c.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// readProxyHeader reads the header with which a load balancer begins a connection
// (PROXY protocol, version 1 or 2) and takes the source of the messages from it.
// A header that speaks of the load balancer itself (LOCAL, UNKNOWN) changes nothing.
func (c *Conn) readProxyHeader(deadline time.Time) error {
	c.socket.SetReadDeadline(deadline)
	r := bufio.NewReaderSize(c.socket, 1024)
	if _, err := r.Peek(1); errors.Is(err, io.EOF) {
		return errProbe
	}
	source, err := proxySource(r)
	if err != nil {
		return err
	}
	if source.IsValid() {
		c.Source = source
	}
	// What came along with the header is the beginning of the stream.
	c.socket.ahead, _ = r.Peek(r.Buffered())
	return c.socket.SetReadDeadline(time.Time{})
}

// proxySource reads a PROXY header and returns the source that it names, the zero
// AddrPort where it names none.
func proxySource(r *bufio.Reader) (netip.AddrPort, error) {
	header, err := proxyproto.Read(r)
	switch {
	case errors.Is(err, proxyproto.ErrNoProxyProtocol):
		return netip.AddrPort{}, errNoHeader
	case err != nil:
		return netip.AddrPort{}, fmt.Errorf("read PROXY header: %w", err)
	case header.Command != proxyproto.PROXY:
		return netip.AddrPort{}, nil
	}
	source, ok := header.SourceAddr.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("read PROXY header: its source is %v, which is no TCP address", header.SourceAddr)
	}
	ap := source.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}
