package tcp

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/inputs/inputtest"
)

func TestMoreConnectionsThanTurnsAreAllHeardWhileTheLogIsSlow(t *testing.T) {
	s := &inputtest.Sink{Gate: make(chan struct{})}
	in, _ := start(t, Config{}, s)
	const conns = 3 * atOnce
	for i := range conns {
		write(t, dial(t, in), fmt.Appendf(nil, "<13>from %d\n", i))
	}
	inputtest.Eventually(t, "all turns to be taken", func() bool { return len(in.buffers.turns) == atOnce })
	close(s.Gate)
	inputtest.Eventually(t, "the messages of all", func() bool { return s.Count() == conns })
	inputtest.Eventually(t, "the end of all turns", func() bool { return len(in.buffers.turns) == 0 })
}

func TestAConnectionThatWaitsForTheRestOfAMessageHasNoTurn(t *testing.T) {
	s := &inputtest.Sink{}
	in, _ := start(t, Config{}, s)
	var waiting []net.Conn
	for i := range atOnce + 1 {
		c := dial(t, in)
		write(t, c, fmt.Appendf(nil, "<13>first of %d\n<13>second ", i))
		waiting = append(waiting, c)
	}
	inputtest.Eventually(t, "the first messages", func() bool { return s.Count() == atOnce+1 })
	for i, c := range waiting {
		write(t, c, fmt.Appendf(nil, "of %d\n", i))
	}
	for i := range waiting {
		inputtest.Eventually(t, "the second message of each", func() bool { return s.Has(fmt.Sprintf("<13>second of %d", i)) })
	}
}

func TestConnectionsWithMoreThanTheyCanReadAtOnceGiveWayToOthers(t *testing.T) {
	s := &inputtest.Sink{Gate: make(chan struct{})}
	in, stop := start(t, Config{}, s)
	flood := []byte(strings.Repeat("<13>"+strings.Repeat("x", 1<<10)+"\n", 2*largest>>10))
	var flooding sync.WaitGroup
	for range atOnce {
		c := dial(t, in)
		flooding.Go(func() {
			for err := error(nil); err == nil; _, err = c.Write(flood) {
			}
		})
	}
	inputtest.Eventually(t, "all turns to be taken", func() bool { return len(in.buffers.turns) == atOnce })
	write(t, dial(t, in), []byte("<13>lone\n"))
	inputtest.Eventually(t, "the lone message", func() bool {
		select {
		case s.Gate <- struct{}{}: // lets one batch through
		case <-time.After(time.Second):
		}
		return s.Has("<13>lone")
	})
	close(s.Gate)
	stop()
	flooding.Wait()
}
