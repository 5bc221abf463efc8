package subject

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// SyslogNG is syslog-ng, as e2e/setup unpacks it. The settings are the fastest that
// were found for it: threads, batches of a thousand, a large window and receive
// buffer, and flow control, without which it drops.
func SyslogNG(name string, c SyslogNGConfig) Subject {
	s := Subject{Name: name, Launch: c.launch}
	if c.Destination == SyslogNGFile {
		s.Stored, s.Settle = linesOut, fileSettle
	}
	if strings.HasPrefix(c.Destination, "http(") {
		s.Sends = SendsBulk
	}
	return s
}

// SyslogNGConfig is made of the drivers below.
type SyslogNGConfig struct{ Source, Destination string }

// Sources of syslog-ng. It divides log-iw-size by max-connections, and that is the
// window of each connection.
const (
	SyslogNGTCP = `network(ip("{inhost}") port({inport}) transport("tcp") flags(syslog-protocol) so-rcvbuf(4194304)
  max-connections({conns}) log-iw-size({window}) log-fetch-limit(1000));`
	SyslogNGTLS = `network(ip("{inhost}") port({inport}) transport("tls") flags(syslog-protocol) so-rcvbuf(4194304)
  max-connections({conns}) log-iw-size({window}) log-fetch-limit(1000)
  tls(key-file("{key}") cert-file("{cert}") peer-verify(optional-untrusted)));`
	SyslogNGUDP = `network(ip("{inhost}") port({inport}) transport("udp") flags(syslog-protocol) so-rcvbuf(4194304)
  log-iw-size(200000) log-fetch-limit(1000));`
)

// Destinations of syslog-ng.
const (
	SyslogNGFile    = `file("{dir}/out" flush-lines(1000));`
	SyslogNGForward = `syslog("{outhost}" port({outport}) transport("tcp") flush-lines(1000));`
	// SyslogNGReliable writes each message into a file before it goes on, without
	// syncing it.
	SyslogNGReliable = `syslog("{outhost}" port({outport}) transport("tcp") flush-lines(1000)
  disk-buffer(disk-buf-size(8589934592) reliable(yes) mem-buf-size(10000000) dir("{dir}")));`
)

// SyslogNGElastic writes bulk requests, as its elasticsearch-http() does. One worker
// takes the least CPU (7.5 s per million, with 1 to 4 workers and 1,000 to 5,000
// documents up to 8.1); on idle CPUs two are faster.
func SyslogNGElastic(workers, batch int) string {
	return fmt.Sprintf(`http(url("http://{outhost}:{outport}/_bulk") method("POST") headers("Content-Type: application/x-ndjson")
  body('{"index":{"_index":"logs"}}
$(format-json --scope rfc5424 --key ISODATE @timestamp=$ISODATE)') delimiter("\n") body-suffix("\n")
  batch-lines(%d) batch-bytes(10485760) batch-timeout(1000) workers(%d) timeout(60) persist-name("bulk"));`, batch, workers)
}

// The window of one connection, and the most of all, in messages.
const (
	windowEach = 10_000
	maxWindow  = 1_000_000
)

func (c SyslogNGConfig) launch(s *Site) (*exec.Cmd, error) {
	cache, err := exec.Command("bash", "-c", `. e2e/setup/cache.sh && printf %s "$cache"`).Output()
	if err != nil {
		return nil, fmt.Errorf("ask e2e/setup/cache.sh where syslog-ng is: %w; run this at the top of the source", err)
	}
	// Not the wrapper in bin: its process would be the shell's for a moment.
	root := filepath.Join(string(cache), "syslog-ng")
	program := filepath.Join(root, "usr/sbin/syslog-ng")
	lib := filepath.Join(root, "usr/lib/syslog-ng")
	libs, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
	modules, _ := filepath.Glob(filepath.Join(lib, "[0-9]*"))
	if len(modules) == 0 {
		return nil, ErrMissing
	}
	inhost, inport := hostPort(s.In)
	outhost, outport := hostPort(s.Out)
	text := fmt.Sprintf(`@version: %s
options { threaded(yes); use-dns(no); keep-hostname(yes); stats-freq(0); time-reopen(1); log-fifo-size(2000000); };
source s { %s };
destination d { %s };
log { source(s); destination(d); flags(flow-control); };
`, filepath.Base(modules[0]), c.Source, c.Destination)
	text = strings.NewReplacer("{dir}", s.Dir, "{inhost}", inhost, "{inport}", inport, "{outhost}", outhost, "{outport}", outport,
		"{conns}", strconv.Itoa(s.Conns), "{window}", strconv.Itoa(max(10*windowEach, min(s.Conns*windowEach, maxWindow))),
		"{cert}", s.Tools.Cert, "{key}", s.Tools.Key).Replace(text)
	conf := filepath.Join(s.Dir, "syslog-ng.conf")
	cmd := exec.Command(program, "-F", "--no-caps", "-f", conf, "-p", filepath.Join(s.Dir, "pid"),
		"-c", filepath.Join(s.Dir, "ctl"), "-R", filepath.Join(s.Dir, "persist"), "--module-path", modules[0])
	cmd.Env = append(os.Environ(), "SYSLOGNG_PREFIX="+filepath.Join(root, "usr"),
		"LD_LIBRARY_PATH="+strings.Join(append(libs, lib), ":"))
	return cmd, os.WriteFile(conf, []byte(text), 0o644)
}
