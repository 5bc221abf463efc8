//go:build !linux

package udp

import (
	"errors"
	"syscall"

	"github.com/syslane/syslane/internal/receive"
)

func sharePort(_, _ string, _ syscall.RawConn) error {
	return errors.New("several sockets on one port are supported on Linux only; set sockets = 1")
}

func setReceiveBuffer(conn *receive.Unpolled, size int, _ bool) (granted int, err error) {
	return size, conn.SetReadBuffer(size)
}

// newDropCounter counts nothing: the system does not tell.
func newDropCounter(syscall.Conn) *dropCounter {
	return &dropCounter{ask: func() (uint32, bool) { return 0, false }}
}
