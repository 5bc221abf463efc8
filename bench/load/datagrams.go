package load

import (
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/net/ipv4"
)

const (
	// senders is how many sockets datagrams come from, as from so many hosts: a
	// receiver with several sockets on its port gets something on each.
	senders = 4
	// burst is the most datagrams of one sendmmsg, and tick the pause between
	// looks at the clock.
	burst = 64
	tick  = 200 * time.Microsecond
)

// SendDatagrams sends the messages over UDP at a steady rate, messages per second,
// and returns the rate that was reached.
func SendDatagrams(addr string, m *Messages, rate float64) (float64, error) {
	var sending sync.WaitGroup
	errs := make([]error, senders)
	start := time.Now()
	for i := range senders {
		c, err := net.Dial("udp", addr)
		if err != nil {
			return 0, err
		}
		defer c.Close()
		first, end := m.Count()*i/senders, m.Count()*(i+1)/senders
		sending.Go(func() { errs[i] = sendPaced(ipv4.NewPacketConn(c.(*net.UDPConn)), m, first, end, rate/senders) })
	}
	sending.Wait()
	return float64(m.Count()) / time.Since(start).Seconds(), errors.Join(errs...)
}

func sendPaced(c *ipv4.PacketConn, m *Messages, next, end int, rate float64) error {
	batch := make([]ipv4.Message, burst)
	for i := range batch {
		batch[i].Buffers = make([][]byte, 1)
	}
	start, first := time.Now(), next
	for next < end {
		due := min(first+int(time.Since(start).Seconds()*rate), end)
		if due <= next {
			time.Sleep(tick)
			continue
		}
		n := min(due-next, burst)
		for i := range n {
			batch[i].Buffers[0] = m.At(next + i)
		}
		sent, err := c.WriteBatch(batch[:n], 0)
		if err != nil {
			return err
		}
		next += sent
	}
	return nil
}
