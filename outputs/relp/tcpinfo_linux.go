package relp

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deliveryRate returns the octets a second that the network last carried, as the
// kernel measures them. known is false where there was not enough to send for that to
// say anything about the network.
func deliveryRate(c net.Conn) (rate uint64, known bool) {
	info := tcpInfo(c)
	if info == nil || info.Delivery_rate == 0 {
		return 0, false
	}
	return info.Delivery_rate, !appLimited(info)
}

// acknowledged returns how many octets the peer's kernel has acknowledged since the
// connection began; 0 where that is not known.
func acknowledged(c net.Conn) uint64 {
	if info := tcpInfo(c); info != nil {
		return info.Bytes_acked
	}
	return 0
}

// tcpInfo returns what the kernel knows of the connection (TCP_INFO of tcp(7)), or nil:
// a failure costs octets or patience, nothing else.
func tcpInfo(c net.Conn) (info *unix.TCPInfo) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err != nil {
			info = nil
		}
	})
	return info
}

// appLimited returns the lowest bit of the octet before Rto
// (tcpi_delivery_rate_app_limited), which the package leaves without a name.
func appLimited(info *unix.TCPInfo) bool {
	octets := (*[unsafe.Sizeof(*info)]byte)(unsafe.Pointer(info))
	return octets[unsafe.Offsetof(info.Rto)-1]&1 != 0
}
