package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/syslane/syslane/inputs/unixsock"
	"github.com/syslane/syslane/internal/config"
)

// inspectAddresses binds every address for a moment.
func (i *inspector) inspectAddresses() {
	for _, in := range i.plan.Inputs {
		switch address := in.table.Text("listen"); {
		case in.table.Text("type") == "unix":
			i.inspectSocket(in.table, in.table.Text("path"))
		case address == "":
		case in.table.Text("type") == "udp":
			i.inspectAddress(in.table, "listen", "udp", address)
		default:
			i.inspectAddress(in.table, "listen", "tcp", address)
		}
	}
	if address := i.plan.Config.HTTP.Listen; address != "" {
		i.inspectAddress(i.plan.file, "http.listen", "tcp", address)
	}
}

func (i *inspector) inspectAddress(t config.Table, key, network, address string) {
	err := bind(network, address)
	switch {
	case err == nil:
	case errors.Is(err, syscall.EADDRINUSE):
		i.taken(t, key, network+" "+address, holder(network, address))
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		i.add(Failure, t, key, "%s is no address of this machine; `ip address` lists those that are, and 0.0.0.0 or [::] stand for all", address)
	case errors.Is(err, fs.ErrPermission):
		i.add(Failure, t, key, "this user may not bind %s %s; take a port from 1024 on, let systemd bind it (syslane-relay.socket), give the program CAP_NET_BIND_SERVICE, or check as the user that runs it", network, address)
	default:
		i.add(Failure, t, key, "cannot listen on %s %s: %v; want an address of this machine and a port", network, address, err)
	}
}

func bind(network, address string) error {
	var bound io.Closer
	var err error
	lc := net.ListenConfig{}
	if network == "udp" {
		bound, err = lc.ListenPacket(context.Background(), network, address)
	} else {
		bound, err = lc.Listen(context.Background(), network, address)
	}
	if err != nil {
		return err
	}
	return bound.Close()
}

// taken tells of an address that the process pid holds; 0 is one that is not known.
func (i *inspector) taken(t config.Table, key, what string, pid int) {
	for _, r := range i.running {
		if pid == r.PID || pid == 0 {
			i.add(Note, t, key, "%s is held by the %s that runs already (process %d)", what, r.Role, r.PID)
			return
		}
	}
	switch pid {
	case 0:
		i.add(Failure, t, key, "%s is taken by another program; stop that, or name another address (`ss -lnp` as root says who it is; if it is the Syslane of this file, name its state folder with --state)", what)
	case 1:
		i.add(Note, t, key, "%s is held by systemd, which passes it on where a .socket unit says so", what)
	default:
		i.add(Failure, t, key, "%s is taken by %s; stop that, or name another address (if it is the Syslane of this file, name its state folder with --state)", what, program(pid))
	}
}

// inspectSocket looks whether a unix socket can be bound.
func (i *inspector) inspectSocket(t config.Table, path string) {
	_, err := unixsock.Look(path)
	switch {
	case errors.Is(err, unixsock.ErrTaken):
		i.taken(t, "path", path, unixHolder(path))
	case err != nil:
		i.add(Failure, t, "path", "%v", err)
	default:
		dir := filepath.Dir(path)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			i.add(Failure, t, "path", "%s is no folder; make it (`mkdir -p %s`) or name another path", dir, dir)
		} else if err := access(dir, writeAndEnter); err != nil {
			i.add(Failure, t, "path", "no socket can be made in %s: %v; %s", dir, err, ownFolder)
		}
	}
}

// program names a process as people know it.
func program(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("%s (process %d)", strings.TrimSpace(string(name)), pid)
}
