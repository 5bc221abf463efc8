package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// mood is what a fickle server does with messages.
type mood string

const (
	takes   mood = "takes messages"
	away    mood = "is away"
	refuses mood = "refuses everything"
	hangs   mood = "hangs"
	breaks  mood = "breaks off in the middle of a window"
)

// fickle is a RELP server without the link, that changes its mood.
type fickle struct {
	addr string

	mu     sync.Mutex
	mood   mood
	listen net.Listener
	open   []net.Conn
	taken  map[int]int // how often each number was acknowledged
}

func (s *fickle) be(t *testing.T, m mood) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood = m
	for _, c := range s.open {
		c.Close()
	}
	s.open = nil
	if m == away {
		if s.listen != nil {
			s.listen.Close()
			s.listen = nil
		}
		return
	}
	if s.listen != nil {
		return
	}
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	s.listen = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open = append(s.open, conn)
			s.mu.Unlock()
			go s.serve(conn)
		}
	}()
}

func (s *fickle) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for n := 0; ; n++ {
		var txnr, length int
		var command string
		if _, err := fmt.Fscanf(r, "%d %s %d", &txnr, &command, &length); err != nil {
			return
		}
		data := make([]byte, length)
		if length > 0 {
			r.ReadByte() // the space
		}
		if _, err := io.ReadFull(r, data); err != nil {
			return
		}
		if _, err := r.ReadByte(); length > 0 && err != nil { // Fscanf has read the one after a length of 0
			return
		}
		answer := "200 OK"
		if command == "open" {
			answer += "\nrelp_version=0\ncommands=syslog"
		} else if command == "syslog" {
			s.mu.Lock()
			m := s.mood
			if number, err := numbered.Number(string(data)); err == nil && (m == takes || m == breaks && n < 50) {
				s.taken[number]++
			}
			s.mu.Unlock()
			switch {
			case m == hangs:
				continue
			case m == refuses:
				answer = "500 not now"
			case m == breaks && n >= 50:
				return
			}
		}
		if _, err := fmt.Fprintf(conn, "%d rsp %d %s\n", txnr, len(answer), answer); err != nil {
			return
		}
	}
}

// A relay is stopped and killed while its server is away, hangs, refuses or breaks off,
// with messages waiting and more on their way. What it has stored reaches the server.
func TestNothingIsLostHoweverARelayEndsWhileItsServerFails(t *testing.T) {
	server := &fickle{addr: proc.FreeAddr(t), taken: map[int]int{}}
	server.be(t, away)
	defer server.be(t, away)
	listen := proc.FreeAddr(t)
	relay := syslane.Start(t, "relay", fmt.Sprintf(`
[[input]]
type = "tcp"
listen = %q
[[output]]
type = "relp"
name = "fickle"
targets = [%q]
retry_min = "20ms"
retry_max = "100ms"
`, listen, server.addr))
	moods := []mood{away, refuses, hangs, breaks, takes}
	const part = 2000
	set := numbered.New(2 * part * len(moods))
	lines := bytes.SplitAfter(set.Lines(), []byte("\n"))
	sent := 0
	for _, m := range moods {
		for end, run := range map[string]func(){"stopped": func() { relay.Shutdown(t) }, "killed": func() { relay.Kill() }} {
			server.be(t, m)
			syslane.Send(t, listen, bytes.Join(lines[sent:sent+part], nil))
			sent += part
			relay.WaitFor(t, arrival, part, "syslane_input_stored_messages_total")
			began := time.Now()
			run()
			t.Logf("%s after %d messages while the server %s, in %v", end, sent, m, time.Since(began).Round(time.Millisecond))
			relay.Restart(t)
		}
	}
	server.be(t, takes)
	await.Until(t, arrival, "every message at the server", func() error {
		server.mu.Lock()
		defer server.mu.Unlock()
		if n := len(server.taken); n < sent {
			return fmt.Errorf("%d of %d are there", n, sent)
		}
		return nil
	})
	relay.WaitUntilDrained(t, arrival)
	relay.Balance(t)
	server.mu.Lock()
	again := 0
	for _, n := range server.taken {
		again += n - 1
	}
	server.mu.Unlock()
	t.Logf("%d messages; the server has acknowledged %d of them more than once", sent, again)
	relay.Shutdown(t)
}
