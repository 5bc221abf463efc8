package relp_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// framesOf are messages with the numbers from first to before end, with transaction
// numbers from 2 on.
func framesOf(first, end int) string {
	var b strings.Builder
	for n := first; n < end; n++ {
		m := stamped(n)
		fmt.Fprintf(&b, "%d syslog %d %s\n", n-first+2, len(m), m)
	}
	return b.String()
}

// expectAnswers reads the answers to n messages.
func (p *peer) expectAnswers(n int) {
	p.t.Helper()
	for i := range n {
		p.expect(fmt.Sprintf("%d rsp 6 200 OK\n", i+2))
	}
}

// The peers of a collector that was away come all at once, and have much to send. That
// there are always octets to read of one does not mean that its end comes behind them.
func TestASessionThatAlwaysHasOctetsToReadIsNotWaitedFor(t *testing.T) {
	l := &log{slow: 20 * time.Millisecond}
	in := start(t, config{settle: time.Minute, quiet: true}, l.restart(t, -1, -1))
	former := dial(t, in)
	former.open()
	sent, done := make(chan int), make(chan struct{})
	var taking sync.WaitGroup
	defer taking.Wait()
	go func() {
		n := 1000
		defer func() { sent <- n }()
		for {
			select {
			case <-done:
				return
			default:
				former.send(framesOf(n, n+1000))
				n += 1000
			}
		}
	}()
	taking.Go(func() { // the answers
		for {
			if _, err := former.r.ReadString('\n'); err != nil {
				return
			}
		}
	})
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	p := dial(t, in)
	p.open()
	p.deliver(2, stamped(1), stamped(2))
	if d := time.Since(began); d > 10*time.Second {
		t.Errorf("the second session has waited for %v", d)
	}
	close(done)
	l.await(t, <-sent-1000+2)
	former.Close()
}

// Where a peer has sent more than the kernels take before it goes away, its end comes
// behind what has not been read, and nothing shows it before.
func TestAPeerThatLeftWithMuchOnItsWayIsNotStoredTwice(t *testing.T) {
	const messages, answered = 8_000, 3_000
	for range 5 {
		l := &log{slow: time.Millisecond}
		in := listen(t, config{settle: time.Minute, quiet: true})
		former := dial(t, in)
		for _, size := range []func(int) error{former.Conn.(*net.TCPConn).SetReadBuffer, former.Conn.(*net.TCPConn).SetWriteBuffer} {
			if err := size(200 << 10); err != nil {
				t.Fatal(err)
			}
		}
		former.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := former.Write([]byte(openFrame + framesOf(0, messages)))
		if err == nil {
			t.Fatalf("the kernels have taken all %d octets", n)
		}
		former.Close()
		p := dial(t, in)
		p.send(openFrame + framesOf(answered, messages))
		ctx, stop := context.WithCancel(t.Context())
		done := serve(t, ctx, in, l.restart(t, -1, -1))
		p.expect(openAnswer)
		p.expectAnswers(messages - answered)
		p.Close()
		stop()
		<-done
		times := make(map[string]int)
		for _, m := range l.messages {
			times[m]++
		}
		for i := range messages {
			if got := times[stamped(i)]; got > 1 || got == 0 && i >= answered {
				t.Fatalf("message %d is stored %d times (the kernels had %d octets)", i, got, n)
			}
		}
	}
}
