//go:build !linux

package relp

import "net"

func deliveryRate(net.Conn) (rate uint64, known bool) { return 0, false }

func acknowledged(net.Conn) uint64 { return 0 }
