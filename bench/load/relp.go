package load

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/syslane/syslane/internal/relp"
)

// Session sends messages over RELP on several connections, each with a window.
type Session struct {
	conns  []net.Conn
	window int
}

// DialRELP opens sessions. window is the most messages of one connection that wait
// for their answer.
func DialRELP(addr string, count, window int) (*Session, error) {
	s := &Session{window: window}
	for range count {
		c, err := net.DialTimeout("tcp", addr, connectLimit)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("connect to the receiver: %w", err)
		}
		s.conns = append(s.conns, c)
		open := relp.AppendFrame(nil, 1, relp.CmdOpen, []byte("relp_version=0\nrelp_software=bench\ncommands=syslog"))
		if _, err := c.Write(open); err != nil {
			s.Close()
			return nil, err
		}
		answers := newAnswers(c)
		if err := answers.await(1); err != nil {
			s.Close()
			return nil, fmt.Errorf("open a RELP session: %w", err)
		}
	}
	return s, nil
}

// Prepare makes the frames of the messages, so that sending only sends, and returns
// what sends them and returns once all are acknowledged.
func (s *Session) Prepare(m *Messages) (send func() error) {
	all := make([]frames, len(s.conns))
	for i := range s.conns {
		txnr := uint32(1) // that of open
		for n := m.Count() * i / len(s.conns); n < m.Count()*(i+1)/len(s.conns); n++ {
			txnr = relp.NextTxnr(txnr)
			all[i].octets = relp.AppendFrame(all[i].octets, txnr, relp.CmdSyslog, m.At(n))
			all[i].ends = append(all[i].ends, len(all[i].octets))
		}
	}
	return func() error {
		var sending sync.WaitGroup
		errs := make([]error, len(s.conns))
		for i, c := range s.conns {
			sending.Go(func() { errs[i] = all[i].send(c, s.window) })
		}
		sending.Wait()
		return errors.Join(errs...)
	}
}

// Close closes the connections.
func (s *Session) Close() {
	for _, c := range s.conns {
		c.Close()
	}
}

// frames are those of one connection.
type frames struct {
	octets []byte
	ends   []int
}

// send writes half a window with each system call, so that the receiver never waits
// for the other half.
func (f *frames) send(c net.Conn, window int) error {
	half := max(window/2, 1)
	answers := newAnswers(c)
	answered, sent, start := 0, 0, 0
	for answered < len(f.ends) {
		for sent < len(f.ends) && sent-answered+half <= window {
			next := min(sent+half, len(f.ends))
			if _, err := c.Write(f.octets[start:f.ends[next-1]]); err != nil {
				return err
			}
			sent, start = next, f.ends[next-1]
		}
		n, err := answers.some()
		if err != nil {
			return fmt.Errorf("after %d of %d answers: %w", answered, len(f.ends), err)
		}
		answered += n
	}
	return nil
}

// answers reads the responses of a server.
type answers struct {
	conn   net.Conn
	reader *relp.Reader
}

func newAnswers(c net.Conn) *answers {
	return &answers{c, relp.NewReader(func([]byte) (int, bool) { return relp.MaxOpenData, false })}
}

// await reads until there were n.
func (a *answers) await(n int) error {
	for n > 0 {
		got, err := a.some()
		if err != nil {
			return err
		}
		n -= got
	}
	return nil
}

// some reads once and returns how many answers came.
func (a *answers) some() (n int, err error) {
	if _, err := a.reader.Fill(a.conn); err != nil {
		return 0, err
	}
	for {
		f, ok, err := a.reader.Next()
		if err != nil || !ok {
			return n, err
		}
		if string(f.Command) != relp.CmdResponse {
			continue // a hint
		}
		r, err := relp.ParseResponse(f.Data)
		if err != nil {
			return n, err
		}
		if r.Code != relp.CodeOK {
			return n, fmt.Errorf("the receiver answered %d %s", r.Code, r.Text)
		}
		n++
	}
}
