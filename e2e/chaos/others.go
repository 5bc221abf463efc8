package chaos

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
)

// othersIndex is where other programs write in Elasticsearch.
const othersIndex = "others"

// daemon is another program on a node, with a service manager that starts it again
// where it ends by itself.
type daemon struct {
	cfg    proc.Config
	listen string

	mu      sync.Mutex
	running *proc.Process
	wanted  bool
}

// Restart implements program. Unlike Syslane, others need not come up: what that
// costs the checker counts.
func (d *daemon) Restart(t testing.TB) {
	t.Helper()
	d.mu.Lock()
	d.running, d.wanted = proc.Start(t, d.cfg), true
	d.mu.Unlock()
	err := await.Nil(time.Minute, func() error {
		conn, err := d.cfg.Place.Dial(t.Context(), "tcp", d.listen)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		t.Logf("%s does not start: %v\n%s", d.cfg.Name, err, d.current().Tail())
	}
}

// supervise is the service manager.
func (d *daemon) supervise(t testing.TB) {
	for t.Context().Err() == nil {
		time.Sleep(time.Second)
		d.mu.Lock()
		if t.Context().Err() == nil && d.wanted && d.running.Exited() != nil {
			d.running = proc.Start(t, d.cfg)
		}
		d.mu.Unlock()
	}
}

func (d *daemon) current() *proc.Process {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.running
}

// unwanted tells the service manager to leave it, and returns it.
func (d *daemon) unwanted() *proc.Process {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = false
	return d.running
}

// Kill, Freeze and Thaw implement program.
func (d *daemon) Kill()   { d.unwanted().Kill() }
func (d *daemon) Freeze() { d.current().Freeze() }
func (d *daemon) Thaw()   { d.current().Thaw() }

// Shutdown implements program.
func (d *daemon) Shutdown(t testing.TB) {
	if err := d.unwanted().Stop(30 * time.Second); err != nil {
		t.Logf("%s did not end well: %v", d.cfg.Name, err)
	}
}

// startDaemon runs a daemon on a node. text is its configuration, args are given the
// configuration's file and the state folder.
func (n *node) startDaemon(t testing.TB, name, text string, port int, args func(conf, state string) []string) {
	t.Helper()
	conf := filepath.Join(t.TempDir(), name+".conf")
	err := os.WriteFile(conf, []byte(text), 0o644)
	if err == nil {
		err = os.MkdirAll(n.disk.state(), 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	d := &daemon{listen: n.addr(port), cfg: proc.Config{
		Name: name + " of " + n.name, Args: args(conf, n.disk.state()), Log: conf + ".log", Place: n.place(),
	}}
	d.Restart(t)
	go d.supervise(t)
	n.program = d
}

// startRsyslogs is two lines of rsyslog, agent to relay to collector to
// Elasticsearch, RELP on each hop of the first and TCP from the agent on the
// second. Every daemon has a disk queue that is synced and records at each batch
// how far it is, the settings with which it promises most.
func startRsyslogs(t testing.TB) *cluster {
	t.Helper()
	network := newNetwork(t)
	c := &cluster{elastic: startElastic(t, network)}
	rsyslogd := peers.Find(t, peers.Rsyslogd)
	start := func(n *node, modules, action string, port int, input string) {
		n.startDaemon(t, "rsyslogd", fmt.Sprintf(`
global(workDirectory="%[1]s" preserveFQDN="on" net.enableDNS="off" maxMessageSize="64k")
module(load="imrelp") module(load="imtcp" maxSessions="50")
%[2]s
action(type="omfile" file="/dev/null")
ruleset(name="r" queue.type="disk" queue.filename="main" queue.size="1000000" queue.maxFileSize="16m" queue.timeoutEnqueue="600000"
  queue.syncQueueFiles="on" queue.checkpointInterval="1" queue.saveOnShutdown="on") {
%[3]s
}
input(type=%[4]q address=%[5]q port="%[6]d" ruleset="r")
`, n.disk.state(), modules, action, input, n.ip, port), port, func(conf, _ string) []string {
			// A service has its pid elsewhere than on a disk that may be full, and does not
			// start where there is half of one.
			return []string{rsyslogd, "-n", "-f", conf, "-i", conf + ".pid"}
		})
	}
	for i := range 2 {
		n := newNode(t, network, fmt.Sprintf("collector-%d", i+1))
		host, port, _ := net.SplitHostPort(c.elastic.api())
		start(n, `module(load="omelasticsearch")
template(name="document" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}`, fmt.Sprintf(`action(type="omelasticsearch" server=%q serverport=%q template="document" searchIndex=%q searchType="" bulkmode="on" maxbytes="10m"
  retryfailures="on" action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="5")`, host, port, othersIndex), linkPort, "imrelp")
		c.collectors = append(c.collectors, n)
	}
	for i, collector := range c.collectors {
		n := newNode(t, network, fmt.Sprintf("relay-%d", i+1))
		input, port := "imrelp", relpPort
		if i == 1 {
			input, port = "imtcp", tcpPort
		}
		start(n, `module(load="omrelp")`, fmt.Sprintf(`action(type="omrelp" target=%q port="%d" timeout="10" action.resumeRetryCount="-1"
  action.resumeInterval="1" action.resumeIntervalMax="5" template="RSYSLOG_SyslogProtocol23Format")`, collector.ip, linkPort), port, input)
		c.relays = append(c.relays, n)
	}
	c.agents = []*agent{
		rsyslogAgent(t, network.host(t, "relp"), true, peers.RsyslogConfig{
			Modules: `module(load="omrelp")`,
			Actions: peers.ForwardRELP(c.relays[0].addr(relpPort)),
		}),
		rsyslogAgent(t, network.host(t, "tcp"), false, peers.RsyslogConfig{
			Actions: fmt.Sprintf("  action(type=\"omfwd\" protocol=\"tcp\" target=%q port=\"%d\" %s)", c.relays[1].ip, tcpPort, queue),
		}),
	}
	return c
}

// startSyslogNGs is two lines of agent (rsyslog, TCP), relay and collector
// (syslog-ng with reliable disk buffers, TCP), and Elasticsearch.
func startSyslogNGs(t testing.TB) *cluster {
	t.Helper()
	network := newNetwork(t)
	c := &cluster{elastic: startElastic(t, network)}
	program := peers.Find(t, peers.SyslogNG)
	start := func(n *node, destination string) {
		n.startDaemon(t, "syslog-ng", fmt.Sprintf(`@version: 3.35
options { keep-hostname(yes); use-dns(no); stats-freq(0); time-reopen(1); };
source s { network(transport("tcp") ip(%q) port(%d) flags(syslog-protocol) log-iw-size(1000)); };
destination d { %s };
log { source(s); destination(d); flags(flow-control); };
`, n.ip, tcpPort, fmt.Sprintf(destination, fmt.Sprintf(`disk-buffer(disk-buf-size(268435456) reliable(yes) mem-buf-size(1000000) dir(%q))`, n.disk.state()))),
			tcpPort, func(conf, state string) []string {
				in := func(name string) string { return filepath.Join(state, name) }
				return []string{program, "--foreground", "--stderr", "--no-caps", "--cfgfile=" + conf,
					"--persist-file=" + in("persist"), "--pidfile=" + conf + ".pid", "--control=" + in("control")}
			})
	}
	for i := range 2 {
		n := newNode(t, network, fmt.Sprintf("collector-%d", i+1))
		start(n, fmt.Sprintf(`http(url("http://%s/_bulk") method("POST") headers("Content-Type: application/x-ndjson")
  body('{"index":{"_index":"%s"}}
$(format-json @timestamp=$ISODATE message=$MESSAGE)') delimiter("\n") body-suffix("\n")
  batch-lines(1000) batch-timeout(500) timeout(10) retries(1000000) persist-name("bulk") %%s);`, c.elastic.api(), othersIndex))
		c.collectors = append(c.collectors, n)
	}
	for i, collector := range c.collectors {
		n := newNode(t, network, fmt.Sprintf("relay-%d", i+1))
		start(n, fmt.Sprintf(`network(%q port(%d) transport("tcp") flags(syslog-protocol) keep-alive(yes) %%s);`, collector.ip, tcpPort))
		c.relays = append(c.relays, n)
		c.agents = append(c.agents, rsyslogAgent(t, network.host(t, fmt.Sprintf("tcp-%d", i+1)), false, peers.RsyslogConfig{
			Actions: fmt.Sprintf("  action(type=\"omfwd\" protocol=\"tcp\" target=%q port=\"%d\" %s)", n.ip, tcpPort, queue),
		}))
	}
	return c
}
