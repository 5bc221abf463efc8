//go:build !linux

package syslog

import (
	"errors"
	"net"
)

// unacknowledged is known on Linux only.
func unacknowledged(*net.TCPConn) (int, error) { return 0, errors.ErrUnsupported }
