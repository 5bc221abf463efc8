package subject

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Rsyslog is rsyslogd. The settings are the fastest that were found for it.
func Rsyslog(name string, durable bool, c RsyslogConfig) Subject {
	s := Subject{Name: name, Durable: durable, Repeats: true, Launch: c.launch}
	if c.Action == RsyslogFile {
		s.Stored, s.Settle = linesOut, fileSettle
	}
	switch {
	case c.Action == RsyslogOmrelp:
		s.Sends = SendsRELP
	case strings.Contains(c.Action, `"omelasticsearch"`):
		s.Sends = SendsBulk
	}
	return s
}

// RsyslogConfig is made of pieces below. In each, {in} {out} and the like stand for
// what the site says.
type RsyslogConfig struct{ Input, Queue, Action string }

// Inputs of rsyslog. imptcp is twice as fast as imtcp, and two threads are faster
// than one on two cores; its backlog of five makes many that connect at once wait
// for seconds; imtcp is the one that knows TLS. imudp takes 128 datagrams
// at once and asks for the time at each eighth only.
const (
	RsyslogTCP = `module(load="imptcp" threads="2")
input(type="imptcp" address="{inhost}" port="{inport}" ruleset="r" socketBacklog="1024")`
	RsyslogUDP = `module(load="imudp" threads="2" batchSize="128" timeRequery="8")
input(type="imudp" address="{inhost}" port="{inport}" ruleset="r" rcvbufSize="4m")`
	RsyslogRELP = `module(load="imrelp")
input(type="imrelp" address="{inhost}" port="{inport}" ruleset="r")`
	RsyslogTLS = `module(load="imtcp" maxSessions="2000" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="{inhost}" port="{inport}" ruleset="r")`
)

// Queues of rsyslog's ruleset. The direct one is none: the input's thread does all,
// which is fastest where the action is a file. The memory queue, a fixed array with
// large batches, is fastest where it is a connection. Without timeoutEnqueue a full
// queue discards after two seconds.
const (
	RsyslogDirect = `queue.type="direct"`
	RsyslogMemory = `queue.type="fixedArray" queue.size="50000" queue.dequeueBatchSize="4096" queue.timeoutEnqueue="600000"`
)

// RsyslogDisk is a disk queue. queue.size must be given, for the default of it
// stalls; large files make fewer of the index's writes.
const RsyslogDisk = `queue.type="disk" queue.filename="q" queue.size="10000000" queue.maxFileSize="128m" queue.timeoutEnqueue="600000"`

// RsyslogDiskSynced is the only one whose messages survive the loss of power: with
// syncQueueFiles alone the file that says where the queue ends is not synced.
const RsyslogDiskSynced = RsyslogDisk + ` queue.syncQueueFiles="on" queue.checkpointInterval="1"`

// Actions of rsyslog. A file is written in pieces of 256 KiB and not flushed after
// each batch; a thread of its own for it makes it slower. Its format is the one that
// rsyslog has for files, which leaves half of the header out and so costs least.
const (
	RsyslogFile = `action(type="omfile" file="{dir}/out" asyncWriting="off" ioBufferSize="256k" flushOnTXEnd="off")`
	RsyslogFwd  = `action(type="omfwd" target="{outhost}" port="{outport}" protocol="tcp" tcp_framing="octet-counted"
  template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="1")`
	RsyslogOmrelp = `module(load="omrelp")
action(type="omrelp" target="{outhost}" port="{outport}" windowSize="1024"
  template="RSYSLOG_SyslogProtocol23Format" action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="1")`
)

// RsyslogFwdFrom is RsyslogFwd from a queue of its own.
func RsyslogFwdFrom(queue string) string {
	return strings.TrimSuffix(RsyslogFwd, ")") + " " + queue + ")"
}

// RsyslogElastic writes bulk requests from a memory queue, so many documents each,
// with so many workers. Of 1, 2 and 4 workers with 1,000 to 20,000 documents, two with
// 1,000 took the least CPU (9.3 s per million; the others up to 10.9) at as good a rate
// as any and half of the memory. The queue of the ruleset in place of the action's is
// slower, and a document put together of constants is not cheaper than jsonf's.
func RsyslogElastic(workers, batch int) string {
	return fmt.Sprintf(`module(load="omelasticsearch")
template(name="document" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="facility" name="syslogfacility-text" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="procid" name="procid" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
}
action(type="omelasticsearch" server="{outhost}" serverport="{outport}" template="document"
  searchIndex="logs" searchType="" bulkmode="on" maxbytes="10m" action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="1"
  queue.type="fixedArray" queue.size="200000" queue.timeoutEnqueue="600000" queue.dequeueBatchSize="%[2]d"
  queue.workerThreads="%[1]d" queue.workerThreadMinimumMessages="%[2]d")`, workers, batch)
}

// ElasticIndex is the index that the case with a real server writes to.
const ElasticIndex = "syslane-bench"

// RsyslogECS is RsyslogElastic with documents that have the fields of Syslane's, but for
// an id of the event and structured data, for which rsyslog has no object.
func RsyslogECS(workers, batch int) string {
	action := RsyslogElastic(workers, batch)
	document, rest, _ := strings.Cut(action, "action(type")
	document, _, _ = strings.Cut(document, "  property(")
	var fields strings.Builder
	for _, f := range [][2]string{
		{"@timestamp", `name="timereported" dateFormat="rfc3339"`}, {"message", `name="msg"`},
		{"log.level", `name="syslogseverity-text"`}, {"log.syslog.priority", `name="pri" dataType="number"`},
		{"log.syslog.facility.code", `name="syslogfacility" dataType="number"`}, {"log.syslog.facility.name", `name="syslogfacility-text"`},
		{"log.syslog.severity.code", `name="syslogseverity" dataType="number"`}, {"log.syslog.severity.name", `name="syslogseverity-text"`},
		{"log.syslog.hostname", `name="hostname"`}, {"log.syslog.appname", `name="app-name"`},
		{"log.syslog.procid", `name="procid"`}, {"log.syslog.msgid", `name="msgid"`},
		{"host.name", `name="hostname"`}, {"host.hostname", `name="hostname"`}, {"process.name", `name="app-name"`},
		{"process.pid", `name="procid"`}, {"source.address", `name="fromhost-ip"`}, {"source.ip", `name="fromhost-ip"`},
		{"event.created", `name="timegenerated" dateFormat="rfc3339"`}, {"labels.input", `name="inputname"`},
	} {
		fmt.Fprintf(&fields, "  property(outname=%q %s format=\"jsonf\")\n", f[0], f[1])
	}
	for _, f := range [][2]string{
		{"log.syslog.version", "1"}, {"observer.product", "rsyslog"}, {"observer.hostname", "collector"},
		{"event.dataset", "syslog"}, {"labels.format", "rfc5424"}, {"ecs.version", "8.11.0"},
	} {
		fmt.Fprintf(&fields, "  constant(outname=%q value=%q format=\"jsonf\")\n", f[0], f[1])
	}
	return document + fields.String() + "}\naction(type" + strings.Replace(rest, `searchIndex="logs"`, `searchIndex="`+ElasticIndex+`"`, 1)
}

func (c RsyslogConfig) launch(s *Site) (*exec.Cmd, error) {
	program := "/usr/sbin/rsyslogd"
	if _, err := os.Stat(program); err != nil {
		return nil, ErrMissing
	}
	global, actions := `global(workDirectory="{dir}" net.enableDNS="off" preserveFQDN="on" {tls})`, []string(nil)
	tls := ""
	if c.Input == RsyslogTLS {
		tls = `defaultNetstreamDriverCAFile="{ca}" defaultNetstreamDriverCertFile="{cert}" defaultNetstreamDriverKeyFile="{key}"`
	}
	// module and template statements stand outside the ruleset.
	var outside []string
	for line := range strings.SplitSeq(c.Action, "\naction(") {
		if strings.HasPrefix(line, "module(") || strings.HasPrefix(line, "template(") {
			outside = append(outside, line)
			continue
		}
		actions = append(actions, "action("+strings.TrimPrefix(line, "action("))
	}
	inhost, inport := hostPort(s.In)
	outhost, outport := hostPort(s.Out)
	text := strings.NewReplacer("{tls}", tls).Replace(global) + "\n" + strings.Join(outside, "\n") +
		"\nruleset(name=\"r\" " + c.Queue + ") {\n" + strings.Join(actions, "\n") + "\n}\n" + c.Input + "\n"
	text = strings.NewReplacer("{dir}", s.Dir, "{inhost}", inhost, "{inport}", inport, "{outhost}", outhost, "{outport}", outport,
		"{ca}", s.Tools.CA, "{cert}", s.Tools.Cert, "{key}", s.Tools.Key).Replace(text)
	conf := filepath.Join(s.Dir, "rsyslog.conf")
	return exec.Command(program, "-n", "-f", conf, "-i", filepath.Join(s.Dir, "pid")), os.WriteFile(conf, []byte(text), 0o644)
}

// linesOut counts the lines of the file out, after the daemon was told to write what
// it still has in memory.
func linesOut(r *Running) (int, error) {
	if err := r.Signal(syscall.SIGHUP); err != nil {
		return 0, r.Blame(err)
	}
	time.Sleep(100 * time.Millisecond) // it answers no HUP; the caller asks again
	f, err := os.Open(filepath.Join(r.Dir, "out"))
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines, buf := 0, make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if err == io.EOF {
			return lines, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
