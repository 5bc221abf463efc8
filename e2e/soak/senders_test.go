package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/e2e/syslane"
)

const (
	lasting   = 8    // connections that last
	byRELP    = 0.2  // part of the load that comes by RELP, on new connections each second
	byUDP     = 1000 // datagrams a second
	comeAndGo = 20   // connections a second that come and go, every other one reset
	aFew      = 20   // messages on each of them
	tick      = 10 * time.Millisecond
)

// senders send the same messages again and again, and count them; by RELP others each
// time, as what comes twice by RELP is stored once.
type senders struct {
	messages       *load.Messages
	tcp, udp, relp string
	// certain arrive; doubtful are those that a reset or the network may lose.
	certain, doubtful             atomic.Int64
	connections, resets, searches atomic.Int64
}

// top is how many messages a second come from TCP into the collector's log.
func (s *senders) top(t *testing.T, collector *syslane.Node, lasts time.Duration) float64 {
	t.Helper()
	stored := func() float64 {
		m, err := collector.Metrics()
		if err != nil {
			t.Fatal(err)
		}
		return m.Sum("syslane_log_stored_messages_total")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	for range lasting {
		sending.Go(func() {
			if err := s.lasting(ctx, 0); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(lasts / 4) // until the link flows
	before, began := stored(), time.Now()
	time.Sleep(lasts)
	rate := (stored() - before) / time.Since(began).Seconds()
	cancel()
	sending.Wait()
	if t.Failed() || rate == 0 {
		t.Fatalf("nothing to measure by: %.0f messages a second arrived", rate)
	}
	return rate
}

// start begins the load, and returns what ends it.
func (s *senders) start(t *testing.T, rate float64, collector *syslane.Node) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	begin := func(what string, f func() error) {
		sending.Go(func() {
			if err := f(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	for range lasting {
		begin("TCP", func() error { return s.lasting(ctx, rate*(1-byRELP)/lasting) })
	}
	begin("RELP", func() error {
		m := s.messages
		return each(ctx, time.Second, func() error {
			m = m.Next(int(rate * byRELP))
			return s.session(m)
		})
	})
	begin("UDP", func() error { return s.datagrams(ctx) })
	begin("come and go", func() error {
		reset := false
		return each(ctx, time.Second/comeAndGo, func() error {
			reset = !reset
			return s.short(reset)
		})
	})
	begin("search", func() error {
		return each(ctx, 2*time.Second, func() error {
			s.searches.Add(1)
			return search(collector.HTTP)
		})
	})
	return func() {
		cancel()
		sending.Wait()
	}
}

// each calls f at once and then each period, until the end.
func each(ctx context.Context, period time.Duration, f func() error) error {
	for ticker := time.NewTicker(period); ; {
		if err := f(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// lasting sends messages on one connection at a rate per second, or with 0 as fast as
// they are taken.
func (s *senders) lasting(ctx context.Context, rate float64) error {
	c, err := net.Dial("tcp", s.tcp)
	if err != nil {
		return err
	}
	defer c.Close()
	s.connections.Add(1)
	const most = 2000 // messages of one write
	sent, next, began := 0, 0, time.Now()
	for ctx.Err() == nil {
		n := most
		if rate > 0 {
			if n = min(int(time.Since(began).Seconds()*rate)-sent, most); n < most {
				time.Sleep(tick)
			}
		}
		n = min(n, s.messages.Count()-next)
		if n <= 0 {
			continue
		}
		if _, err := c.Write(s.messages.Range(next, next+n)); err != nil {
			return err
		}
		s.certain.Add(int64(n))
		sent, next = sent+n, (next+n)%s.messages.Count()
	}
	return nil
}

// session sends messages in a RELP session of its own.
func (s *senders) session(m *load.Messages) error {
	const conns = 2
	session, err := load.DialRELP(s.relp, conns, 1024)
	if err != nil {
		return err
	}
	defer session.Close()
	s.connections.Add(conns)
	if err := session.Prepare(m)(); err != nil {
		return err
	}
	s.certain.Add(int64(m.Count()))
	return nil
}

func (s *senders) datagrams(ctx context.Context) error {
	c, err := net.Dial("udp", s.udp)
	if err != nil {
		return err
	}
	defer c.Close()
	next := 0
	return each(ctx, time.Second/byUDP, func() error {
		s.doubtful.Add(1)
		_, err := c.Write(s.messages.At(next))
		next = (next + 1) % s.messages.Count()
		return err
	})
}

// short sends a few messages on a connection of its own; the last is cut where the
// connection is reset.
func (s *senders) short(reset bool) error {
	c, err := net.Dial("tcp", s.tcp)
	if err != nil {
		return err
	}
	defer c.Close()
	s.connections.Add(1)
	text := s.messages.Range(0, aFew)
	if !reset {
		s.certain.Add(aFew)
		_, err = c.Write(text)
		return err
	}
	s.resets.Add(1)
	s.doubtful.Add(aFew)
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	_, err = c.Write(text[:len(text)-30])
	return err
}

// search asks for the newest messages with a word, as a person does. On a busy machine
// it may take its time.
func search(addr string) error {
	client := http.Client{Timeout: time.Minute}
	resp, err := client.Get("http://" + addr + "/api/v1/search?" + url.Values{"q": {"authentication failure"}, "limit": {"100"}}.Encode())
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusTooManyRequests {
		return fmt.Errorf("a search was answered with %s", resp.Status)
	}
	return nil
}
