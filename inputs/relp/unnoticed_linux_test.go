package relp_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/inputs/inputtest"
)

// vanish ends a connection as if the peer's host were cut off while it closes: the
// kernel forgets it, and tells nobody.
func (p *peer) vanish() {
	p.t.Helper()
	raw, err := p.Conn.(*net.TCPConn).SyscallConn()
	if err == nil {
		var repair error
		err = raw.Control(func(fd uintptr) { repair = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, 1) })
		err = errors.Join(err, repair)
	}
	if err != nil {
		peers.LeaveOut(p.t, "a connection cannot be made to vanish: "+err.Error())
	}
	p.Close()
}

// same is a line that any number of sessions may begin with.
const same = "<13>Jan  2 03:04:05 host app: same"

// await waits until a number of messages is in the log.
func (l *log) await(t *testing.T, many int) {
	t.Helper()
	await.Until(t, 20*time.Second, "the messages in the log", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(l.messages); n < many {
			return fmt.Errorf("%d are there", n)
		}
		return nil
	})
}

func TestAPeerThatComesBackUnnoticedIsNotStoredTwice(t *testing.T) {
	t.Run("where its kernel knows nothing of the former session", func(t *testing.T) {
		l := &log{}
		in := start(t, config{settle: time.Minute}, l.restart(t, -1, -1))
		former := dial(t, in)
		former.open()
		former.deliver(2, stamped(1), stamped(2))
		time.Sleep(300 * time.Millisecond) // its kernel has confirmed the answers
		former.vanish()
		p := dial(t, in)
		p.open()
		p.deliver(2, stamped(1), stamped(2), stamped(3))
		if got := l.stored(); !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("the log has %v", got)
		}
	})
	t.Run("where it does not take the answers of the former session", func(t *testing.T) {
		l := &log{}
		in := start(t, config{settle: 300 * time.Millisecond}, l.restart(t, -1, -1))
		former := dial(t, in)
		if err := former.Conn.(*net.TCPConn).SetReadBuffer(1); err != nil {
			t.Fatal(err)
		}
		former.open()
		const many = 20_000 // their answers are more than its kernel takes
		var frames strings.Builder
		for i := range many {
			fmt.Fprintf(&frames, "%d syslog %d %s\n", i+2, len(stamped(i)), stamped(i))
		}
		former.send(frames.String())
		l.await(t, many)
		p := dial(t, in)
		p.open()
		p.deliver(2, stamped(many-2), stamped(many-1), stamped(many))
		if len(l.messages) != many+1 {
			t.Errorf("the log has %d messages, want %d", len(l.messages), many+1)
		}
	})
	t.Run("where what the former session brought waits for the disk for long", func(t *testing.T) {
		l := &log{}
		registry := prometheus.NewRegistry()
		in := start(t, config{settle: 20 * time.Millisecond, registerer: registry}, l.restart(t, -1, -1))
		l.full.Lock()
		send := func(numbers ...int) *peer {
			p := dial(t, in)
			p.open()
			for i, n := range numbers {
				p.send(fmt.Sprintf("%d syslog %d %s\n", i+2, len(stamped(n)), stamped(n)))
			}
			return p
		}
		for range 5 {
			send(1, 2).Close()
			time.Sleep(50 * time.Millisecond)
		}
		// Those that came and went while nothing could be stored hold up nobody.
		await.Until(t, 10*time.Second, "the end of all sessions but the first", func() error {
			families, err := registry.Gather()
			for _, family := range families {
				if n := family.Metric[0].GetGauge().GetValue(); family.GetName() == "syslane_input_connections" && n != 1 {
					err = fmt.Errorf("%v are there", n)
				}
			}
			return err
		})
		p := send(1, 2, 3)
		time.Sleep(100 * time.Millisecond)
		l.full.Unlock()
		p.expect("2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n")
		if got := l.stored(); !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("the log has %v", got)
		}
	})
	t.Run("but one that lives is neither ended nor waited for", func(t *testing.T) {
		l := &log{slow: 50 * time.Millisecond}
		in := start(t, config{settle: 300 * time.Millisecond, quiet: true}, l.restart(t, -1, -1))
		former := dial(t, in)
		former.open()
		// Some are under way at any time, since many come while one append lasts.
		done, streamed := make(chan struct{}), make(chan int)
		go func() {
			n := 0
			for tick := time.NewTicker(time.Millisecond); ; {
				select {
				case <-tick.C:
					var frames strings.Builder
					for range 5 {
						fmt.Fprintf(&frames, "%d syslog %d %s\n", n+2, len(same), same)
						n++
					}
					io.WriteString(former, frames.String())
				case <-done:
					tick.Stop()
					streamed <- n
					return
				}
			}
		}()
		time.Sleep(100 * time.Millisecond)
		p := dial(t, in)
		p.open()
		began := time.Now()
		p.deliver(2, same, stamped(1))
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("the second session has waited for %v", d)
		}
		time.Sleep(100 * time.Millisecond)
		close(done)
		n := <-streamed
		for i := range n {
			former.expect(fmt.Sprintf("%d rsp 6 200 OK\n", i+2))
		}
		if len(l.messages) != n+2 {
			t.Errorf("%d messages are stored, want %d", len(l.messages), n+2)
		}
	})
	t.Run("but one that takes its answers slowly is not ended", func(t *testing.T) {
		l := &log{}
		in := start(t, config{settle: 1500 * time.Millisecond, quiet: true}, l.restart(t, -1, -1))
		former := dial(t, in)
		if err := former.Conn.(*net.TCPConn).SetReadBuffer(128 << 10); err != nil {
			t.Fatal(err)
		}
		former.open()
		const many = 80_000 // their answers are more than its kernel takes
		var frames strings.Builder
		for i := range many {
			fmt.Fprintf(&frames, "%d syslog %d %s\n", i+2, len(same), same)
		}
		former.send(frames.String())
		l.await(t, many)
		p := dial(t, in)
		p.open()
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			p.deliver(2, same)
		}()
		next := 0
		for waiting := true; waiting && next < many; { // some are unconfirmed at any time
			select {
			case <-answered:
				waiting = false
			case <-time.After(20 * time.Millisecond):
				for range 300 {
					former.expect(fmt.Sprintf("%d rsp 6 200 OK\n", next+2))
					next++
				}
			}
		}
		for ; next < many; next++ {
			former.expect(fmt.Sprintf("%d rsp 6 200 OK\n", next+2))
		}
		former.deliver(many+2, stamped(1)) // it goes on
	})
	t.Run("where the answers that it does not take have filled all buffers", func(t *testing.T) {
		const settle = 500 * time.Millisecond
		l := &log{}
		in := start(t, config{settle: settle, quiet: true}, l.restart(t, -1, -1))
		former := dial(t, in)
		if err := former.Conn.(*net.TCPConn).SetReadBuffer(1); err != nil {
			t.Fatal(err)
		}
		former.open()
		sent := 0
		for err := error(nil); err == nil; sent += 1000 {
			former.SetWriteDeadline(time.Now().Add(2 * time.Second))
			_, err = io.WriteString(former, framesOf(sent, sent+1000))
		}
		l.mu.Lock()
		stored := len(l.messages)
		l.mu.Unlock()
		began := time.Now()
		p := dial(t, in)
		p.open()
		p.send(framesOf(stored-2, stored+2))
		p.expectAnswers(4)
		if d := time.Since(began); d > 10*settle {
			t.Errorf("the session has waited for %v", d)
		}
		t.Logf("%d of %d messages sent were stored", stored, sent)
	})
	t.Run("but many that begin alike do not wait one for the other", func(t *testing.T) {
		const settle, many = 300 * time.Millisecond, 40
		l := &log{}
		in := start(t, config{settle: settle, quiet: true}, l.restart(t, -1, -1))
		var all []*peer
		for range many {
			p := dial(t, in)
			p.open()
			all = append(all, p)
		}
		began := time.Now()
		for _, p := range all {
			p.send(fmt.Sprintf("2 syslog %d %s\n", len(same), same))
		}
		for _, p := range all {
			p.expect("2 rsp 6 200 OK\n")
		}
		if d := time.Since(began); d > many/4*settle {
			t.Errorf("the last session has waited for %v", d)
		}
	})
}

// A look at each former session at each end of one of them would take minutes here.
func TestManySessionsThatWaitedForAFullLogGoOnAtOnce(t *testing.T) {
	const many = 400
	l := &log{}
	registry := prometheus.NewRegistry()
	in := start(t, config{settle: 500 * time.Millisecond, quiet: true, registerer: registry}, l.restart(t, -1, -1))
	l.full.Lock()
	send := func(n int) *peer {
		p := dial(t, in)
		p.open()
		p.send(fmt.Sprintf("2 syslog %d %s\n", len(stamped(n)), stamped(n)))
		return p
	}
	for n := range many {
		send(n).Close()
	}
	// What was not handed to the log keeps none of their connections.
	inputtest.Eventually(t, "few connections are left", func() bool { return inputtest.Metric(t, registry, "syslane_input_connections", "") < many/4 })
	var all []*peer
	for n := range many {
		all = append(all, send(many+n))
	}
	time.Sleep(time.Second)
	began := time.Now()
	l.full.Unlock()
	for _, p := range all {
		p.SetDeadline(time.Now().Add(60 * time.Second))
		p.expect("2 rsp 6 200 OK\n")
	}
	if d := time.Since(began); d > 15*time.Second {
		t.Errorf("the last session went on after %v", d)
	}
}
