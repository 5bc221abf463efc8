package forwarding

import (
	"net"
	"sync"
	"testing"
)

// wire is a TCP proxy before a server, which can be cut: octets then go nowhere,
// and nobody is told, as when a cable is pulled.
type wire struct {
	addr, server string
	mu           sync.Mutex
	// whole is closed while octets pass.
	whole chan struct{}
	ended chan struct{}
	conns []net.Conn
}

func newWire(t *testing.T, server string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String(), server: server, whole: make(chan struct{}), ended: make(chan struct{})}
	close(w.whole)
	var running sync.WaitGroup
	t.Cleanup(func() {
		close(w.ended)
		l.Close()
		w.mu.Lock()
		for _, c := range w.conns {
			c.Close()
		}
		w.mu.Unlock()
		running.Wait()
	})
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.carry(c) })
		}
	})
	return w
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.whole = make(chan struct{})
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.whole)
}

// passes waits while the wire is cut; false at the end of the test.
func (w *wire) passes() bool {
	w.mu.Lock()
	whole := w.whole
	w.mu.Unlock()
	select {
	case <-whole:
		return true
	case <-w.ended:
		return false
	}
}

// keep has the connection closed at the end of the test.
func (w *wire) keep(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
}

func (w *wire) carry(client net.Conn) {
	defer client.Close()
	w.keep(client)
	if !w.passes() {
		return
	}
	server, err := net.Dial("tcp", w.server)
	if err != nil {
		return
	}
	defer server.Close()
	w.keep(server)
	var both sync.WaitGroup
	copyTo := func(to, from net.Conn) {
		defer to.Close()
		defer from.Close()
		b := make([]byte, 64<<10)
		for {
			n, err := from.Read(b)
			if n > 0 {
				if !w.passes() {
					return
				}
				if _, err := to.Write(b[:n]); err != nil {
					return
				}
			}
			if err != nil {
				return
			}
		}
	}
	both.Go(func() { copyTo(server, client) })
	both.Go(func() { copyTo(client, server) })
	both.Wait()
}
