package search

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/syslane/syslane/internal/skipdata"
	"github.com/syslane/syslane/internal/syslog"
)

// netNode compares the address of the peer with a network or a single address.
type netNode struct {
	prefix netip.Prefix
	port   uint16 // 0 means any
}

func (n netNode) match(e *syslog.Event, _ *scratch) bool {
	return e.Source.IsValid() && n.prefix.Contains(e.Source.Addr().Unmap().WithZone("")) &&
		(n.port == 0 || n.port == e.Source.Port())
}

func (n netNode) literal() *pattern { return nil }

func (n netNode) may(*skipdata.Block) bool { return true }

func (n netNode) dims() dims { return dimOther }

func (n netNode) write(b *strings.Builder) {
	fmt.Fprintf(b, "source:%s", n.prefix)
	if n.port != 0 {
		fmt.Fprintf(b, " port %d", n.port)
	}
}

// sourceNode reads an address, address:port, a network, or a text with stars.
func sourceNode(p pattern) (node, error) {
	text := string(p.text)
	if p.before || p.after {
		return valueNode{p, "source", func(e *syslog.Event, s *scratch) []byte {
			if !e.Source.IsValid() {
				return nil
			}
			s.buf = e.Source.Addr().Unmap().WithZone("").AppendTo(s.buf[:0])
			return s.buf
		}, false, false}, nil
	}
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return netNode{prefix: prefix.Masked()}, nil
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return single(addr, 0), nil
	}
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return single(ap.Addr(), ap.Port()), nil
	}
	return nil, fmt.Errorf("%q is no address; write 10.0.0.1, 10.0.0.1:514, 10.0.0.0/8 or 10.0.*", text)
}

func single(addr netip.Addr, port uint16) node {
	addr = addr.Unmap().WithZone("")
	return netNode{netip.PrefixFrom(addr, addr.BitLen()), port}
}
