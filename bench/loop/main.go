// Command loop receives over TCP or UDP and does nothing but count line feeds or, with
// -file, write all octets to a file and sync it. It shows what the machine takes for that
// alone.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// piece is the most octets of one read, and of one write.
const piece = 256 << 10

func main() {
	listen := flag.String("listen", "", "address")
	web := flag.String("http", "", "address that answers with the count")
	udp := flag.Bool("udp", false, "receive datagrams, and count these")
	file := flag.String("file", "", "file to write; none: only count")
	flag.Parse()
	fmt.Fprintln(os.Stderr, run(*listen, *web, *file, *udp))
	os.Exit(1)
}

// run goes on until something fails.
func run(listen, web, file string, udp bool) error {
	var count atomic.Int64
	take := func(octets []byte) error {
		count.Add(int64(bytes.Count(octets, []byte{'\n'})))
		return nil
	}
	failed := make(chan error, 1)
	if file != "" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			return err
		}
		w := &writer{f: f, count: &count, wake: make(chan struct{}, 1)}
		take = w.write
		go func() { failed <- w.sync() }()
	}
	go func() {
		failed <- http.ListenAndServe(web, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, count.Load())
		}))
	}()
	if udp {
		go func() { failed <- receiveDatagrams(listen, take) }()
		return <-failed
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				failed <- err
				return
			}
			go func() {
				if err := receiveStream(c, take); err != nil {
					failed <- err
				}
			}()
		}
	}()
	return <-failed
}

// receiveStream gives what a connection brings to take, until either ends.
func receiveStream(c net.Conn, take func([]byte) error) error {
	defer c.Close()
	buf := make([]byte, piece)
	for {
		n, err := c.Read(buf)
		if err := take(buf[:n]); err != nil {
			return err
		}
		if err != nil {
			return nil
		}
	}
}

// writer writes to a file, and counts lines once they are synced. One sync serves all
// that was written before it.
type writer struct {
	f     *os.File
	count *atomic.Int64

	mu      sync.Mutex
	written int64 // lines
	wake    chan struct{}
}

func (w *writer) write(octets []byte) error {
	lines := int64(bytes.Count(octets, []byte{'\n'}))
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.f.Write(octets); err != nil {
		return err
	}
	w.written += lines
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// sync goes on until the disk fails.
func (w *writer) sync() error {
	for range w.wake {
		w.mu.Lock()
		lines := w.written
		w.mu.Unlock()
		if err := syscall.Fdatasync(int(w.f.Fd())); err != nil {
			return err
		}
		w.count.Store(lines)
	}
	return nil
}
