//go:build !linux

package receive

import (
	"net"
	"time"
)

// Unpolled is a UDP socket. Only on Linux does it need anything of its own.
type Unpolled struct{ *net.UDPConn }

// NewUnpolled takes the socket of conn over.
func NewUnpolled(conn *net.UDPConn) (*Unpolled, error) { return &Unpolled{conn}, nil }

// Wake makes the read that waits, and each later one, return os.ErrDeadlineExceeded.
func (u *Unpolled) Wake() { u.SetReadDeadline(time.Unix(1, 0)) }
