package load

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// connectLimit is how long it may take until a receiver has accepted.
const connectLimit = 20 * time.Second

// Stream is connections on which messages are sent, LF-terminated.
type Stream struct {
	conns []net.Conn
}

// Dial opens count connections over TCP; with a CA certificate, over TLS.
func Dial(addr string, count int, caFile string) (*Stream, error) {
	dial := func() (net.Conn, error) { return net.DialTimeout("tcp", addr, connectLimit) }
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		conf := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
		conf.RootCAs.AppendCertsFromPEM(pem)
		dial = func() (net.Conn, error) {
			return tls.DialWithDialer(&net.Dialer{Timeout: connectLimit}, "tcp", addr, conf)
		}
	}
	s := &Stream{}
	for range count {
		c, err := dial()
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("connect to the receiver: %w", err)
		}
		s.conns = append(s.conns, c)
	}
	return s, nil
}

// Send sends the messages, an equal share on each connection at once, and returns
// when the kernel has them all.
func (s *Stream) Send(m *Messages) error {
	var sending sync.WaitGroup
	errs := make([]error, len(s.conns))
	for i, c := range s.conns {
		first, end := m.Count()*i/len(s.conns), m.Count()*(i+1)/len(s.conns)
		sending.Go(func() { _, errs[i] = c.Write(m.Range(first, end)) })
	}
	sending.Wait()
	return errors.Join(errs...)
}

// Close closes the connections.
func (s *Stream) Close() {
	for _, c := range s.conns {
		c.Close()
	}
}
