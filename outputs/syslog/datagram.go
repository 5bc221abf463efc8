package syslog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/time/rate"

	"github.com/syslane/syslane/outputs"
)

// datagramsAtOnce is how many datagrams go out with one system call (sendmmsg).
const datagramsAtOnce = 128

// datagrams is the lane to one server over UDP: a message a datagram (RFC 5426 §3.1).
type datagrams struct {
	cfg     *Config
	metrics *metrics
	target  string
	limit   *rate.Limiter

	mu     sync.Mutex
	conn   net.Conn
	batch  *ipv4.PacketConn
	renew  atomic.Bool
	remote atomic.Pointer[netip.Addr]

	place  place
	render renderer
	// octets is the memory of the messages; each of messages is a part of it, and
	// indexes says of which event.
	octets   []byte
	messages []ipv4.Message
	indexes  []int
}

func newDatagrams(cfg *Config, m *metrics, target string) *datagrams {
	d := &datagrams{cfg: cfg, metrics: m, target: target, render: renderer{cfg: cfg, metrics: m}}
	d.messages = make([]ipv4.Message, datagramsAtOnce)
	for i := range d.messages {
		d.messages[i].Buffers = make([][]byte, 1)
	}
	d.indexes = make([]int, 0, datagramsAtOnce)
	if cfg.Rate > 0 {
		d.limit = rate.NewLimiter(rate.Limit(cfg.Rate), max(1, min(cfg.Rate/20, datagramsAtOnce)))
	}
	return d
}

// Write implements targets.Lane.
func (d *datagrams) Write(ctx context.Context, b *outputs.Batch) (owned int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := &d.place
	p.begin(b)
	if err := d.connect(ctx); err != nil {
		return p.owned(), err
	}
	most := datagramsAtOnce
	if d.limit != nil {
		most = d.limit.Burst()
	}
	for events := newCursor(b); p.start < b.Count; {
		next, err := d.gather(&events, most)
		if err == nil {
			err = d.send(ctx)
		}
		if err != nil {
			return p.owned(), err
		}
		p.start = next
	}
	return b.Count, p.done()
}

// gather renders up to most messages and returns the index after the last.
func (d *datagrams) gather(events *cursor, most int) (next int, err error) {
	d.octets, d.indexes = d.octets[:0], d.indexes[:0]
	var ends [datagramsAtOnce]int
	for len(d.indexes) < most {
		record, err := events.next()
		if err != nil {
			return 0, err
		}
		if record == nil {
			break
		}
		if events.index < d.place.start {
			continue
		}
		message, err := d.render.message(record)
		if err != nil {
			d.place.reject(events.index, err.Error())
			continue
		}
		if len(message) == 0 {
			continue
		}
		d.octets = append(d.octets, message...)
		ends[len(d.indexes)] = len(d.octets)
		d.indexes = append(d.indexes, events.index)
	}
	start := 0
	for i := range d.indexes {
		d.messages[i].Buffers[0] = d.octets[start:ends[i]:ends[i]]
		start = ends[i]
	}
	return events.index + 1, nil
}

// send sends the messages gathered.
func (d *datagrams) send(ctx context.Context) error {
	for done := 0; done < len(d.indexes); {
		if d.limit != nil {
			if err := d.limit.WaitN(ctx, len(d.indexes)-done); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := d.batch.WriteBatch(d.messages[done:len(d.indexes)], 0)
		for _, m := range d.messages[done : done+max(n, 0)] {
			d.metrics.octets.Add(float64(len(m.Buffers[0])))
		}
		done += max(n, 0)
		switch {
		case err == nil && n > 0:
		case errors.Is(err, syscall.EMSGSIZE):
			d.place.reject(d.indexes[done], fmt.Sprintf("a datagram of %d octets is too large for the network: set max_message_size", len(d.messages[done].Buffers[0])))
			done++
		case errors.Is(err, syscall.ENOBUFS):
			time.Sleep(time.Millisecond)
		default:
			// What was sent is not sent again.
			if done < len(d.indexes) {
				d.place.start = d.indexes[done]
			}
			d.drop()
			d.metrics.losses.Inc()
			return fmt.Errorf("send: %w", err)
		}
	}
	return nil
}

func (d *datagrams) connect(ctx context.Context) error {
	if d.conn != nil && !d.renew.Load() {
		return nil
	}
	d.drop()
	d.renew.Store(false)
	ctx, cancel := context.WithTimeout(ctx, d.cfg.ConnectTimeout)
	defer cancel()
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "udp", d.target)
	if err != nil {
		d.metrics.connectFailures.Inc()
		return err
	}
	d.metrics.connects.Inc()
	d.conn, d.batch = c, ipv4.NewPacketConn(c.(*net.UDPConn))
	remote := c.RemoteAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	d.remote.Store(&remote)
	return nil
}

func (d *datagrams) drop() {
	d.remote.Store(nil)
	if d.conn != nil {
		d.conn.Close()
		d.conn, d.batch = nil, nil
	}
}

// Silent implements targets.Lane: nobody owes an answer.
func (d *datagrams) Silent() time.Duration { return 0 }

// Check implements targets.Lane. All that can be known is whether the name
// resolves and there is a route.
func (d *datagrams) Check(ctx context.Context) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "udp", d.target)
	if err != nil {
		return err
	}
	return c.Close()
}

// Remote implements targets.Lane.
func (d *datagrams) Remote() netip.Addr {
	if a := d.remote.Load(); a != nil {
		return *a
	}
	return netip.Addr{}
}

// Renew implements targets.Lane.
func (d *datagrams) Renew() { d.renew.Store(true) }

// Close implements targets.Lane.
func (d *datagrams) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop()
	return nil
}
