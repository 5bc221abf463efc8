package udp

import (
	"errors"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// dropCounter keeps the number of datagrams that the kernel dropped at a socket.
// The kernel counts with 32 bits; it is asked often enough to see them wrap.
type dropCounter struct {
	ask func() (uint32, bool)

	mu   sync.Mutex // guards what follows
	last uint32
	sum  uint64
}

// total asks the kernel; the last answer stands once the socket is closed.
func (d *dropCounter) total() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now, ok := d.ask(); ok {
		d.sum += uint64(now - d.last)
		d.last = now
	}
	return d.sum
}

// register registers the metrics of the socket.
func (s *socket) register() error {
	r := s.in.cfg.SocketMetrics
	if r == nil {
		return nil
	}
	labels := prometheus.Labels{"input": s.in.cfg.Name, "socket": strconv.Itoa(s.index)}
	return errors.Join(
		r.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "syslane_input_kernel_dropped_messages_total",
			Help:        "Datagrams that the kernel dropped because the receive buffer of the socket was full (or their checksum was wrong).",
			ConstLabels: labels}, func() float64 { return float64(s.drops.total()) })),
		r.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "syslane_input_receive_buffer_octets",
			Help: "Size of the socket's receive buffer in the kernel, as granted.", ConstLabels: labels},
			func() float64 { return float64(s.granted.Load()) })))
}
