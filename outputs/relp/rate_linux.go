package relp

import (
	"net"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deliveryRate returns the octets a second that the network last carried, as the
// kernel measures them (TCP_INFO of tcp(7)). known is false where there was not enough
// to send for that to say anything about the network.
func deliveryRate(c net.Conn) (rate uint64, known bool) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return 0, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	// A failure costs octets, nothing else.
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Delivery_rate == 0 {
			return
		}
		rate, known = info.Delivery_rate, !appLimited(info)
	})
	return rate, known
}

// appLimited returns the lowest bit of the octet before Rto
// (tcpi_delivery_rate_app_limited), which the package leaves without a name.
func appLimited(info *unix.TCPInfo) bool {
	octets := (*[unsafe.Sizeof(*info)]byte)(unsafe.Pointer(info))
	return octets[unsafe.Offsetof(info.Rto)-1]&1 != 0
}
