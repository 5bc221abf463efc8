package proc

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// Ports for listeners come from below the range from which the kernel takes the
// ports of clients, so that a listener that is away for a moment finds its port
// free when it comes back.
const (
	firstPort = 20000
	lastPort  = 31999
)

var (
	portsMu sync.Mutex
	given   = map[int]*os.File{}
)

// claim takes a port for this process among the test processes of this machine, until
// it ends; nil where another has it.
func claim(port int) *os.File {
	dir := filepath.Join(os.TempDir(), "syslane-test-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		f.Close()
		return nil
	}
	return f
}

// FreePort returns a port of the loopback address that no one has bound, over
// TCP or UDP, and that it has not returned before.
func FreePort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// FreeAddr returns 127.0.0.1 with a FreePort.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(FreePort(t)))
}

func freePort() (int, error) {
	portsMu.Lock()
	defer portsMu.Unlock()
	for range 1000 {
		p := firstPort + rand.IntN(lastPort-firstPort+1)
		if given[p] != nil {
			continue
		}
		claimed := claim(p)
		if claimed == nil {
			continue
		}
		tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p})
		if err != nil {
			claimed.Close()
			continue
		}
		tcp.Close()
		udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p})
		if err != nil {
			claimed.Close()
			continue
		}
		udp.Close()
		given[p] = claimed
		return p, nil
	}
	return 0, fmt.Errorf("found no free port on 127.0.0.1 between %d and %d", firstPort, lastPort)
}
