package reload

import (
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/syslane/syslane/internal/relp"
)

// sender sends the messages 0, 1, 2 … of its name, as many as every says, until it is
// told to stop.
type sender struct {
	name  string
	every time.Duration
	// steady says that the connection must never break.
	steady bool

	stop chan struct{}
	done chan struct{}
	sent int
	// broken counts the times that a connection was lost.
	broken int
	err    error
}

// message returns message n.
func (s *sender) message(n int) string {
	if s.name == "again" {
		n = 0 // a repeat
	}
	return fmt.Sprintf("<134>1 %s host %s - - - n=%d", time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), s.name, n)
}

// start runs work until the sender is stopped.
func (s *sender) start(work func() error) *sender {
	s.stop, s.done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(s.done)
		s.err = work()
	}()
	return s
}

// finish stops the sender, and fails the test where it could not send.
func (s *sender) finish(t *testing.T) {
	t.Helper()
	close(s.stop)
	<-s.done
	if s.err != nil {
		t.Errorf("sender %s after %d messages: %v", s.name, s.sent, s.err)
	}
	if s.steady && s.broken > 0 {
		t.Errorf("the connection of %s broke %d times", s.name, s.broken)
	}
}

// each calls send for each number in turn.
func (s *sender) each(send func(n int) error) error {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return nil
		case <-tick.C:
		}
		if err := send(s.sent); err != nil {
			return err
		}
		s.sent++
	}
}

// stream sends by one connection that must last.
func stream(t *testing.T, name, network, address string, conf *tls.Config, framed bool) *sender {
	t.Helper()
	var c net.Conn
	var err error
	if conf != nil {
		c, err = tls.Dial(network, address, conf)
	} else {
		c, err = net.Dial(network, address)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := &sender{name: name, every: time.Millisecond, steady: true}
	return s.start(func() error {
		defer c.Close()
		return s.each(func(n int) error {
			text := s.message(n)
			if framed {
				text = fmt.Sprintf("%d %s", len(text), text)
			}
			_, err := c.Write([]byte(text))
			return err
		})
	})
}

// knock makes a connection for each message.
func knock(name, address string) *sender {
	s := &sender{name: name, every: 3 * time.Millisecond}
	return s.start(func() error {
		return s.each(func(n int) error {
			c, err := net.Dial("tcp", address)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = fmt.Fprintln(c, s.message(n))
			return err
		})
	})
}

// acknowledged sends by RELP. Where its connection is ended it makes another, and
// sends again what was not acknowledged.
func acknowledged(name, address string, steady bool) *sender {
	s := &sender{name: name, every: time.Millisecond, steady: steady}
	return s.start(func() error {
		client := &relpClient{address: address, fresh: func() { s.broken++ }}
		defer client.close()
		if err := s.each(func(n int) error { return client.send(s.message(n)) }); err != nil {
			return err
		}
		return client.flush()
	})
}

// relpClient is the side of RELP that sends.
type relpClient struct {
	address string
	fresh   func() // a connection was lost

	conn    net.Conn
	reader  *relp.Reader
	txnr    uint32
	pending []string // sent and not acknowledged
}

const (
	window  = 100
	timeout = 20 * time.Second
)

func (c *relpClient) send(text string) error {
	c.pending = append(c.pending, text)
	err := c.write(text)
	if err == nil {
		err = c.answers(window)
	}
	return c.recover(err)
}

func (c *relpClient) flush() error {
	for tries := 0; len(c.pending) > 0; tries++ {
		if tries == 10 {
			return fmt.Errorf("%d messages are not acknowledged", len(c.pending))
		}
		if err := c.recover(c.answers(0)); err != nil {
			return err
		}
	}
	return nil
}

// recover makes another connection after err, and sends again on it.
func (c *relpClient) recover(err error) error {
	for tries := 0; err != nil; tries++ {
		if tries == 50 {
			return err
		}
		if c.conn != nil {
			c.fresh()
		}
		c.close()
		time.Sleep(10 * time.Millisecond)
		if err = c.open(); err != nil {
			continue
		}
		for _, text := range c.pending {
			if err = c.put("syslog", text); err != nil {
				break
			}
		}
	}
	return nil
}

func (c *relpClient) write(text string) error {
	if c.conn == nil {
		c.pending = c.pending[:len(c.pending)-1]
		err := c.open()
		c.pending = append(c.pending, text)
		if err != nil {
			return err
		}
	}
	return c.put("syslog", text)
}

func (c *relpClient) put(command, data string) error {
	c.txnr = relp.NextTxnr(c.txnr)
	_, err := c.conn.Write(relp.AppendFrame(nil, c.txnr, command, []byte(data)))
	return err
}

func (c *relpClient) open() (err error) {
	if c.conn, err = net.Dial("tcp", c.address); err != nil {
		c.conn = nil
		return err
	}
	c.txnr, c.reader = 0, relp.NewReader(func([]byte) (int, bool) { return 64 << 10, true })
	if err := c.put("open", "relp_version=0\nrelp_software=e2e\ncommands=syslog"); err != nil {
		return err
	}
	_, err = c.frame()
	return err
}

func (c *relpClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// answers reads acknowledgements until at most left messages wait for one.
func (c *relpClient) answers(left int) error {
	for len(c.pending) > left {
		command, err := c.frame()
		if err != nil {
			return err
		}
		if command != "rsp" {
			return fmt.Errorf("the server says %q", command)
		}
		c.pending = c.pending[1:]
	}
	return nil
}

func (c *relpClient) frame() (command string, err error) {
	if c.conn == nil {
		return "", os.ErrClosed
	}
	c.conn.SetReadDeadline(time.Now().Add(timeout))
	for {
		f, ok, err := c.reader.Next()
		if err != nil || ok {
			return string(f.Command), err
		}
		if _, err := c.reader.Fill(c.conn); err != nil {
			return "", err
		}
	}
}
