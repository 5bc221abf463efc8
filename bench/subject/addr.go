package subject

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports come from below the range from which the kernel takes those of clients, so
// that an output that is down for a while finds its port free when it comes back.
const (
	firstPort = 20000
	lastPort  = 31999
)

// tried counts the ports that were tried, from a random one on. The addresses of a
// subject are chosen before it binds any of them, so none may be drawn twice.
var tried = rand.IntN(lastPort - firstPort + 1)

// FreeAddr returns a loopback address that is free over TCP and UDP, and that it has
// not returned before. It must not be called concurrently.
func FreeAddr() (string, error) {
	for range 1000 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+tried%(lastPort-firstPort+1)))
		tried++
		tcp, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		tcp.Close()
		udp, err := net.ListenPacket("udp", addr)
		if err != nil {
			continue
		}
		udp.Close()
		return addr, nil
	}
	return "", fmt.Errorf("there is no free port on 127.0.0.1 between %d and %d", firstPort, lastPort)
}

func hostPort(addr string) (host, port string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err) // it is from FreeAddr
	}
	return host, port
}
