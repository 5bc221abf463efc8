package main

import (
	"net"

	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/internal/receive"
)

// The receive buffer of Syslane's socket, and the most octets taken of a datagram.
const (
	receiveBuffer = 16 << 20
	maxDatagram   = 8 << 10
)

// receiveDatagrams gives datagrams to take, each with an LF behind it, as many at a time
// as Syslane takes and with a receive buffer as large, until either fails.
func receiveDatagrams(listen string, take func([]byte) error) error {
	addr, err := net.ResolveUDPAddr("udp", listen)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return err
	}
	socket, err := receive.NewUnpolled(conn)
	if err != nil {
		return err
	}
	err = socket.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
	})
	if err != nil {
		return err
	}
	r, err := receive.NewDatagrams(socket, maxDatagram)
	if err != nil {
		return err
	}
	for buf := []byte(nil); ; {
		n, err := r.Wait()
		if err != nil {
			return err
		}
		buf = buf[:0]
		for i := range n {
			data, _ := r.Datagram(i)
			buf = append(append(buf, data...), '\n')
		}
		if err := take(buf); err != nil {
			return err
		}
	}
}
