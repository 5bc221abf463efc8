package node

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// holder returns the process that has a socket bound to the port of address; 0 where
// that cannot be known: on systems without proc(5), of port names, and of processes
// that this user may not look into.
func holder(network, address string) int {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0
	}
	suffix := ":" + strings.ToUpper(fmt.Sprintf("%04x", binary.BigEndian.AppendUint16(nil, uint16(n))))
	const listening = "0A" // of TCP; the sockets of UDP have one state only
	return owner(func(fields []string) (inode string) {
		if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && (network == "udp" || fields[3] == listening) {
			return fields[9]
		}
		return ""
	}, network, network+"6")
}

// unixHolder is holder for a unix socket.
func unixHolder(path string) int {
	return owner(func(fields []string) (inode string) {
		if len(fields) > 7 && fields[7] == path {
			return fields[6]
		}
		return ""
	}, "unix")
}

// owner returns the process that holds the socket that which tells from the lines of
// the tables in /proc/net, cut into fields.
func owner(which func(fields []string) (inode string), tables ...string) int {
	wanted := make(map[string]bool)
	for _, table := range tables {
		text, _ := os.ReadFile("/proc/net/" + table)
		for line := range strings.Lines(string(text)) {
			if inode := which(strings.Fields(line)); inode != "" {
				wanted["socket:["+inode+"]"] = true
			}
		}
	}
	if len(wanted) == 0 {
		return 0
	}
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	first := 0
	for _, fd := range descriptors {
		target, err := os.Readlink(fd)
		if err != nil || !wanted[target] {
			continue
		}
		pid, _ := strconv.Atoi(strings.Split(fd, "/")[2])
		// systemd keeps what it has passed to a service: that is who is meant.
		if first == 0 || first == 1 {
			first = pid
		}
	}
	return first
}
