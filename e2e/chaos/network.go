package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/syslane/syslane/e2e/proc"
)

// network is a bridge, and hosts that are joined to it by a wire each. It is cut
// off from this machine's own: the bridge is in a namespace too.
type network struct {
	prefix string
	hosts  int
}

// host is a machine on the network.
type host struct {
	name, ip string
	net      *network
}

// netnsDir is where ip-netns(8) keeps namespaces.
const netnsDir = "/run/netns"

// namePrefix begins the names of all namespaces of these tests.
const namePrefix = "syslane-chaos-"

// newNetwork makes a network that goes with the test.
func newNetwork(t testing.TB) *network {
	t.Helper()
	removeLeftBehind()
	n := &network{prefix: fmt.Sprintf("%s%d-", namePrefix, os.Getpid())}
	t.Cleanup(func() { removeNamespaces(n.prefix) })
	n.must(t, "ip", "netns", "add", n.prefix+"hub")
	n.must(t, "ip", "-n", n.prefix+"hub", "link", "add", "hub", "type", "bridge")
	n.must(t, "ip", "-n", n.prefix+"hub", "link", "set", "hub", "up")
	return n
}

// host adds a machine.
func (n *network) host(t testing.TB, name string) *host {
	t.Helper()
	n.hosts++
	h := &host{name: name, ip: fmt.Sprintf("198.18.0.%d", n.hosts), net: n}
	hub, ns := n.prefix+"hub", h.namespace()
	n.must(t, "ip", "netns", "add", ns)
	n.must(t, "ip", "-n", hub, "link", "add", name, "type", "veth", "peer", "name", "wire", "netns", ns)
	n.must(t, "ip", "-n", hub, "link", "set", name, "master", "hub", "up")
	n.must(t, "ip", "-n", ns, "link", "set", "lo", "up")
	n.must(t, "ip", "-n", ns, "addr", "add", h.ip+"/24", "dev", "wire")
	n.must(t, "ip", "-n", ns, "link", "set", "wire", "up")
	n.must(t, "ip", "netns", "exec", ns, "nft", "add table inet faults; "+
		"add chain inet faults in { type filter hook input priority 0; }; add chain inet faults out { type filter hook output priority 0; }")
	return h
}

func (n *network) must(t testing.TB, command ...string) {
	t.Helper()
	if err := run(command...); err != nil {
		t.Fatal(err)
	}
}

func run(command ...string) error {
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (h *host) namespace() string { return h.net.prefix + h.name }

// addr is the host's address with a port.
func (h *host) addr(port int) string { return net.JoinHostPort(h.ip, strconv.Itoa(port)) }

// place runs programs on the host, and dials from it.
func (h *host) place() proc.Place {
	return proc.Place{Enter: []string{"ip", "netns", "exec", h.namespace()}, Dialer: h.dial}
}

// dial connects as from the host. A socket belongs to the namespace in which its
// thread was when it was made.
func (h *host) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	there, err := os.Open(filepath.Join(netnsDir, h.namespace()))
	if err != nil {
		return nil, err
	}
	defer there.Close()
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer here.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("enter the network of %s: %w", h.name, err)
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		// The thread stays locked and ends with its goroutine.
		return nil, errors.Join(err, fmt.Errorf("leave the network of %s: %w", h.name, back))
	}
	runtime.UnlockOSThread()
	return conn, err
}

// cut takes the wire out; mend puts it back.
func (h *host) cut() error  { return run("ip", "-n", h.net.prefix+"hub", "link", "set", h.name, "down") }
func (h *host) mend() error { return run("ip", "-n", h.net.prefix+"hub", "link", "set", h.name, "up") }

// rule drops packets of one direction, "in" or "out", of the wire, all of those
// that match; clear takes all rules of the direction away.
func (h *host) rule(direction, match string) error {
	wire := map[string]string{"in": "iifname", "out": "oifname"}[direction]
	return h.nft("add rule inet faults %s %s wire %s counter drop", direction, wire, match)
}

func (h *host) clear(direction string) error { return h.nft("flush chain inet faults %s", direction) }

func (h *host) nft(format string, args ...any) error {
	return run("ip", "netns", "exec", h.namespace(), "nft", fmt.Sprintf(format, args...))
}

// slow narrows what the host sends to a rate of tc(8).
func (h *host) slow(rate string) error {
	return run("tc", "-n", h.namespace(), "qdisc", "add", "dev", "wire", "root", "tbf", "rate", rate, "burst", "16k", "latency", "300ms")
}

func (h *host) fast() error {
	return run("tc", "-n", h.namespace(), "qdisc", "del", "dev", "wire", "root")
}

// removeLeftBehind removes the networks of test processes that are no more.
func removeLeftBehind() {
	names, _ := filepath.Glob(filepath.Join(netnsDir, namePrefix+"*"))
	for _, name := range names {
		owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(name), namePrefix), "-")
		pid, err := strconv.Atoi(owner)
		if err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
			_ = run("ip", "netns", "del", filepath.Base(name))
		}
	}
}

func removeNamespaces(prefix string) {
	names, _ := filepath.Glob(filepath.Join(netnsDir, prefix+"*"))
	for _, name := range names {
		_ = run("ip", "netns", "del", filepath.Base(name))
	}
}
