package chaos

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/syslane"
)

// The ports of the cluster's programs; every host has an address of its own.
const (
	tcpPort     = 5514
	relpPort    = 2514
	tlsPort     = 6514
	journalPort = 19532
	linkPort    = 2515
)

// index is where the collectors write in Elasticsearch, both into one.
const index = "logs-syslane.chaos-e2e"

// cluster is four agents, two relays, two collectors and Elasticsearch:
//
//	rsyslog by RELP ─┐         ┌─► collector-1 ─┐
//	rsyslog by TLS  ─┴► relay-1 ┤  (failover)    ├─► Elasticsearch
//	rsyslog by TCP  ─┬► relay-2 ┤  (balance)     │
//	journal-upload  ─┘         └─► collector-2 ─┘
//
// The link between relays and collectors is mutual TLS.
type cluster struct {
	ca         *peers.CA
	agents     []*agent
	relays     []*node
	collectors []*node
	elastic    *elastic
}

// node is a relay or a collector on a machine of its own.
type node struct {
	*host
	program
	disk *disk
	// What follows is for Syslane's nodes only. config is what it was started with.
	clock     *clock
	certified bool
	config    string
}

// program is what runs on a node.
type program interface {
	// Kill ends it as a crash does, Shutdown as an operator does.
	Kill()
	Shutdown(testing.TB)
	// Restart runs it again on what it left.
	Restart(testing.TB)
	Freeze()
	Thaw()
}

// syslane is the node's program where that is Syslane.
func (n *node) syslane() *syslane.Node { return n.program.(*syslane.Node) }

// crashed returns how the node's Syslane has ended though nothing ended it, nil while it
// runs. Faults of its process must not be under way.
func (n *node) crashed() error {
	s, ok := n.program.(*syslane.Node)
	if !ok || s.Exited() == nil {
		return nil
	}
	return fmt.Errorf("%s: %w\n%s", n.name, s.Exited(), s.Tail())
}

// elastic is Elasticsearch on its machine.
type elastic struct {
	*host
	*peers.Elastic
}

func startElastic(t testing.TB, network *network) *elastic {
	t.Helper()
	e := &elastic{host: network.host(t, "elastic")}
	e.Elastic = peers.StartElasticAt(t, e.place())
	t.Cleanup(e.Close)
	return e
}

// api is the address of its API on the network.
func (e *elastic) api() string {
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(e.URL, "http://"))
	return net.JoinHostPort(e.ip, port)
}

// nodes are the relays and collectors.
func (c *cluster) nodes() []*node { return append(append([]*node(nil), c.relays...), c.collectors...) }

// hosts are all machines.
func (c *cluster) hosts() []*host {
	hosts := []*host{c.elastic.host}
	for _, a := range c.agents {
		hosts = append(hosts, a.host)
	}
	for _, n := range c.nodes() {
		hosts = append(hosts, n.host)
	}
	return hosts
}

// startCluster starts everything, the nodes as the given binary.
func startCluster(t testing.TB, binary string) *cluster {
	t.Helper()
	network := newNetwork(t)
	c := &cluster{ca: peers.NewCA(t)}
	c.elastic = startElastic(t, network)

	var targets []string
	for i := range 2 {
		n := newNode(t, network, fmt.Sprintf("collector-%d", i+1))
		cert, key := c.ca.Issue(t, n.name)
		targets = append(targets, fmt.Sprintf("%q", n.addr(linkPort)))
		n.start(t, "collector", binary, fmt.Sprintf(`
[[input]]
type = "relp"
name = "relays"
listen = %q
[input.tls]
cert_file = %q
key_file = %q
ca_file = %q
[[output]]
type = "elasticsearch"
name = "elasticsearch"
hosts = ["http://%s"]
data_stream = { dataset = "syslane.chaos", namespace = "e2e" }
retry_max = "5s"
`, n.addr(linkPort), cert, key, c.ca.File, c.elastic.api()))
		c.collectors = append(c.collectors, n)
	}
	for i, mode := range []string{"failover", "balance"} {
		n := newNode(t, network, fmt.Sprintf("relay-%d", i+1))
		cert, key := c.ca.Issue(t, n.name)
		n.start(t, "relay", binary, fmt.Sprintf(`
[[input]]
type = "tcp"
listen = "%[1]s:%[2]d"
[[input]]
type = "relp"
listen = "%[1]s:%[3]d"
[[input]]
type = "tls"
listen = "%[1]s:%[4]d"
[input.tls]
cert_file = %[6]q
key_file = %[7]q
client_auth = "none"
[[input]]
type = "journal"
listen = "%[1]s:%[5]d"
[[output]]
type = "relp"
name = "collectors"
targets = [%[9]s, %[10]s]
mode = %[11]q
retry_max = "5s"
[output.tls]
cert_file = %[6]q
key_file = %[7]q
ca_file = %[8]q
permitted_peers = ["collector-1", "collector-2"]
`, n.ip, tcpPort, relpPort, tlsPort, journalPort, cert, key, c.ca.File, targets[0], targets[1], mode))
		c.relays = append(c.relays, n)
	}
	c.agents = startAgents(t, network, c)
	return c
}

// newNode makes the machine of a node.
func newNode(t testing.TB, network *network, name string) *node {
	t.Helper()
	return &node{host: network.host(t, name), disk: newDisk(t), clock: newClock(t)}
}

func (n *node) start(t testing.TB, role, binary, text string) {
	t.Helper()
	n.certified, n.config = true, text
	n.program = syslane.StartWith(t, role, syslane.Options{
		Binary: binary, Place: n.place(), State: n.disk.state(), Env: []string{n.clock.env()},
	}, text)
}

// certify gives a node another certificate, in the files that it reads.
func (c *cluster) certify(t testing.TB, n *node, expires time.Time) {
	t.Helper()
	c.ca.IssueUntil(t, n.name, expires)
}
