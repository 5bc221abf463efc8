package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/syslane/syslane/spool"
)

// daemon is a program that takes messages over TCP and queues them on disk while
// its output is down.
type daemon struct {
	// start returns the command for a folder, where to send, and where its output
	// is to go.
	start func(b *bench, dir string, in, out int) (*exec.Cmd, error)
	// queue is the folder of the queue beneath dir.
	queue string
	slow  bool
	// drains says that its output is plain lines over TCP.
	drains bool
	// counted returns how many messages are in the queue; nil: goes by the size
	// of the queue coming to rest.
	counted func(dir string) (int, error)
}

func daemons() []subject {
	var all []subject
	for _, codec := range []spool.Codec{spool.CodecS2, spool.CodecZstd} {
		d := daemon{start: startSyslane(codec), queue: "state/log", counted: func(dir string) (int, error) {
			v, err := spool.OpenReadOnly(filepath.Join(dir, "state/log"))
			if err != nil {
				return 0, err
			}
			st, err := v.Status()
			return int(st.Head - 1), err
		}}
		all = append(all, subject{"syslane relay, " + string(codec), true, d.measure})
	}
	rsyslog := func(name string, durable, slow bool, more string) {
		d := daemon{start: startRsyslog(more), queue: "queue", slow: slow, drains: true}
		all = append(all, subject{"rsyslog disk queue" + name, durable, d.measure})
	}
	rsyslog("", false, false, "")
	rsyslog(", syncQueueFiles", false, true, `queue.syncQueueFiles="on"`)
	rsyslog(", syncQueueFiles, checkpointInterval 1", true, true, `queue.syncQueueFiles="on" queue.checkpointInterval="1"`)
	for _, reliable := range []string{"yes", "no"} {
		d := daemon{start: startSyslogNG(reliable), queue: "queue", drains: true}
		all = append(all, subject{"syslog-ng disk-buffer, reliable(" + reliable + ")", false, d.measure})
	}
	return all
}

// ticksPerSecond is USER_HZ, which is 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// cpuOf returns the CPU time of a process.
func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticksPerSecond, err
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// settle is how long a queue has not grown before all is taken to be in it.
const settle = 2 * time.Second

func (d daemon) measure(b *bench) (r result, err error) {
	dir, err := os.MkdirTemp(b.dir, "daemon-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	queue := filepath.Join(dir, d.queue)
	if err := os.MkdirAll(queue, 0o755); err != nil {
		return r, err
	}
	in, err := freePort()
	if err != nil {
		return r, err
	}
	out, err := freePort()
	if err != nil {
		return r, err
	}
	cmd, err := d.start(b, dir, in, out)
	if err != nil {
		return r, err
	}
	logPath := filepath.Join(dir, "output.log")
	log, err := os.Create(logPath)
	if err != nil {
		return r, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() {
		cmd.Process.Kill()
		cmd.Wait()
		if err != nil {
			said, _ := os.ReadFile(logPath)
			err = fmt.Errorf("%w; it said: %.600s", err, said)
		}
	}()
	r.Messages = b.count
	if d.slow {
		r.Messages = b.slow
	}
	conns, err := connect(in)
	if err != nil {
		return r, err
	}
	const each = 4
	streams := make([][]byte, each)
	for i := range r.Messages {
		s := &streams[i%each]
		*s = append(b.text.appendMessage(*s, i), '\n')
	}
	time.Sleep(time.Second) // for its start to be over and out of the count
	before := octetsIn(queue)
	cpu, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return r, err
	}
	then := time.Now()
	if err := send(conns, streams); err != nil {
		return r, err
	}
	end, err := d.await(dir, queue, r.Messages)
	if err != nil {
		return r, err
	}
	after, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return r, err
	}
	r.Append = float64(r.Messages) / end.Sub(then).Seconds()
	r.CPU = (after - cpu).Seconds() / float64(r.Messages) * 1e6
	r.Disk = float64(octetsIn(queue)-before) / float64(r.Messages)
	for _, c := range conns {
		c.Close()
	}
	if d.drains && !d.slow {
		r.Read, err = drain(out, r.Messages)
	}
	return r, err
}

func connect(port int) ([]net.Conn, error) {
	var conns []net.Conn
	for deadline := time.Now().Add(15 * time.Second); len(conns) < 4; {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conns = append(conns, c)
			continue
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("it never listened: %w", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return conns, nil
}

func send(conns []net.Conn, streams [][]byte) error {
	var wg sync.WaitGroup
	errs := make([]error, len(conns))
	for i, c := range conns {
		wg.Go(func() { _, errs[i] = c.Write(streams[i]) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// await returns when the last message came into the queue.
func (d daemon) await(dir, queue string, messages int) (time.Time, error) {
	last, size := time.Now(), int64(-1)
	for deadline := time.Now().Add(4 * time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if d.counted != nil {
			n, err := d.counted(dir)
			if err != nil || n == messages {
				return time.Now(), err
			}
			continue
		}
		if n := octetsIn(queue); n != size {
			last, size = time.Now(), n
		}
		if time.Since(last) > settle {
			return last, nil
		}
	}
	return last, errors.New("the queue never came to rest")
}

// drain is the output come back. It returns the messages per second from the first
// octet to the last message.
func drain(port, messages int) (float64, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	var seen atomic.Int64
	var first, done atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 1<<20)
				for {
					n, err := c.Read(buf)
					first.CompareAndSwap(0, time.Now().UnixNano())
					lines := int64(strings.Count(string(buf[:n]), "\n"))
					if seen.Add(lines) >= int64(messages) {
						done.CompareAndSwap(0, time.Now().UnixNano())
					}
					if errors.Is(err, io.EOF) || err != nil {
						return
					}
				}
			}()
		}
	}()
	for deadline := time.Now().Add(time.Minute); done.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("only %d of %d messages came back out of the queue", seen.Load(), messages)
		}
	}
	return float64(messages) / time.Duration(done.Load()-first.Load()).Seconds(), nil
}

func startSyslane(codec spool.Codec) func(b *bench, dir string, in, out int) (*exec.Cmd, error) {
	return func(b *bench, dir string, in, out int) (*exec.Cmd, error) {
		if b.syslane == "" {
			return nil, errors.New("no binary given: -syslane FILE")
		}
		conf := filepath.Join(dir, "relay.toml")
		http, err := freePort()
		if err != nil {
			return nil, err
		}
		text := fmt.Sprintf(`
state = %q
[[input]]
type = "tcp"
listen = "127.0.0.1:%d"
[[output]]
type = "relp"
name = "collector"
targets = ["127.0.0.1:%d"]
[log]
codec = %q
[http]
listen = "127.0.0.1:%d"
`, filepath.Join(dir, "state"), in, out, codec, http)
		return exec.Command(b.syslane, "relay", "--config", conf), os.WriteFile(conf, []byte(text), 0o644)
	}
}

func startRsyslog(more string) func(b *bench, dir string, in, out int) (*exec.Cmd, error) {
	return func(_ *bench, dir string, in, out int) (*exec.Cmd, error) {
		program, err := exec.LookPath("rsyslogd")
		if err != nil {
			if program = "/usr/sbin/rsyslogd"; !exists(program) {
				return nil, errNoPeer
			}
		}
		conf := filepath.Join(dir, "rsyslog.conf")
		text := fmt.Sprintf(`
global(workDirectory="%[1]s/queue" net.enableDNS="off" preserveFQDN="on")
module(load="imptcp" threads="2")
ruleset(name="r" queue.type="direct") {
  action(type="omfwd" target="127.0.0.1" port="%[3]d" protocol="tcp" template="RSYSLOG_SyslogProtocol23Format"
    action.resumeRetryCount="-1" action.resumeInterval="1"
    queue.type="disk" queue.filename="q" queue.size="10000000" queue.maxFileSize="128m" queue.timeoutEnqueue="600000" %[4]s)
}
input(type="imptcp" address="127.0.0.1" port="%[2]d" ruleset="r")
`, dir, in, out, more)
		return exec.Command(program, "-n", "-f", conf, "-i", filepath.Join(dir, "pid")), os.WriteFile(conf, []byte(text), 0o644)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func startSyslogNG(reliable string) func(b *bench, dir string, in, out int) (*exec.Cmd, error) {
	return func(_ *bench, dir string, in, out int) (*exec.Cmd, error) {
		cache, err := exec.Command("bash", "-c", `. ../../e2e/setup/cache.sh && printf %s "$cache"`).Output()
		if err != nil {
			return nil, fmt.Errorf("ask e2e/setup/cache.sh where syslog-ng is: %w; run this in bench/spool", err)
		}
		root := filepath.Join(string(cache), "syslog-ng")
		program := filepath.Join(root, "usr/sbin/syslog-ng")
		if !exists(program) {
			return nil, errNoPeer
		}
		lib := filepath.Join(root, "usr/lib/syslog-ng")
		libs, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*"))
		modules, _ := filepath.Glob(filepath.Join(lib, "[0-9]*"))
		if len(modules) == 0 {
			return nil, errNoPeer
		}
		memory := "mem-buf-size(10000000)"
		if reliable == "no" {
			memory = "mem-buf-length(10000)"
		}
		conf := filepath.Join(dir, "syslog-ng.conf")
		text := fmt.Sprintf(`@version: %[6]s
options { threaded(yes); use-dns(no); keep-hostname(yes); stats-freq(0); time-reopen(1); log-fifo-size(400000); };
source s { network(ip("127.0.0.1") port(%[2]d) transport("tcp") flags(syslog-protocol) so-rcvbuf(4194304)
  max-connections(20) log-iw-size(200000) log-fetch-limit(1000)); };
destination d { network("127.0.0.1" port(%[3]d) transport("tcp") flags(syslog-protocol) flush-lines(1000)
  disk-buffer(disk-buf-size(8589934592) reliable(%[4]s) %[5]s dir("%[1]s/queue"))); };
log { source(s); destination(d); flags(flow-control); };
`, dir, in, out, reliable, memory, filepath.Base(modules[0]))
		cmd := exec.Command(program, "-F", "--no-caps", "-f", conf, "-p", filepath.Join(dir, "pid"),
			"-c", filepath.Join(dir, "ctl"), "-R", filepath.Join(dir, "persist"), "--module-path", modules[0])
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+strings.Join(append(libs, lib), ":"))
		return cmd, os.WriteFile(conf, []byte(text), 0o644)
	}
}
