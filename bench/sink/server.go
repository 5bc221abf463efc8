package sink

import (
	"net"
	"sync"
)

// server accepts connections and serves each in a goroutine of its own.
type server struct {
	tally    Tally
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
	serving  sync.WaitGroup
}

// listen serves connections to addr with serve until the sink is closed.
func (s *server) listen(addr string, serve func(net.Conn)) error {
	var err error
	if s.listener, err = net.Listen("tcp", addr); err != nil {
		return err
	}
	s.serving.Go(func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			s.serving.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	return nil
}

// Addr is where it listens.
func (s *server) Addr() string { return s.listener.Addr().String() }

// Tally is what has arrived.
func (s *server) Tally() *Tally { return &s.tally }

// Close ends all connections.
func (s *server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
	return err
}
