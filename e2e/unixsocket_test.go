package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// localDocument is what a document says of a sender on this host.
type localDocument struct {
	Message string `json:"message"`
	Host    struct {
		Name string `json:"name"`
	} `json:"host"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Labels struct {
		SenderPID string `json:"sender_pid"`
	} `json:"labels"`
	Log struct {
		Syslog struct {
			Priority int    `json:"priority"`
			Hostname string `json:"hostname"`
			Appname  string `json:"appname"`
			ProcID   string `json:"procid"`
		} `json:"syslog"`
	} `json:"log"`
	Tags []string `json:"tags"`
}

// findLocal waits for the document with the text.
func findLocal(t *testing.T, node *syslane.Node, text string) (found localDocument) {
	t.Helper()
	await.Until(t, time.Minute, fmt.Sprintf("%q", text), func() error {
		ok := false
		node.Each(t, func(source []byte) error {
			var d localDocument
			err := json.Unmarshal(source, &d)
			if d.Message == text {
				found, ok = d, true
			}
			return err
		})
		if !ok {
			return fmt.Errorf("it is not in the log")
		}
		return nil
	})
	return found
}

func TestProgramsOnThisHostAreHeardByUnixSocket(t *testing.T) {
	dir := t.TempDir()
	datagrams, streams := filepath.Join(dir, "log"), filepath.Join(dir, "stream")
	node := syslane.Start(t, "collector", fmt.Sprintf(`
[[input]]
type = "unix"
path = %q
[[input]]
type = "unix"
path = %q
stream = true
mode = "0600"
`, datagrams, streams))
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}

	// f runs a program that sends text and checks how it is understood: app and pid
	// as the message has them ("" pid: that of the program), and who sent it.
	f := func(text string, priority int, app, pid string, command ...string) {
		t.Helper()
		cmd := exec.Command(command[0], command[1:]...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v: %s", command, err, out)
		}
		d := findLocal(t, node, text)
		sender := fmt.Sprint(cmd.Process.Pid)
		if pid == "" {
			pid = sender
		}
		s := d.Log.Syslog
		got := fmt.Sprint(d.Host.Name, " ", s.Priority, " ", s.Appname, "[", s.ProcID, "] from ", d.Labels.SenderPID, " of ", d.User.ID, " ", d.Tags)
		tags := "[]"
		if strings.Contains(app, "no-stamp") {
			app, tags = strings.TrimPrefix(app, "no-stamp "), "[no-timestamp]"
		} else if s.Hostname == "" {
			tags = "[year-inferred]"
		}
		want := fmt.Sprint(hostname, " ", priority, " ", app, "[", pid, "] from ", sender, " of ", os.Getuid(), " ", tags)
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", text, got, want)
		}
	}

	logger := peers.Find(t, peers.Logger)
	for socket, form := range map[string]string{datagrams: "datagram", streams: "stream"} {
		f("local form by "+form, 156, "backup", "4711", logger, "-u", socket, "-p", "local3.warning", "-t", "backup", "--id=4711", "local form by "+form)
		f("own pid by "+form, 13, "backup", "", logger, "-u", socket, "-t", "backup", "-i", "own pid by "+form)
		f("rfc5424 by "+form, 13, "backup", "4711", logger, "-u", socket, "-t", "backup", "--id=4711", "--rfc5424", "rfc5424 by "+form)
	}

	python := peers.Find(t, peers.Python)
	const handler = `
import logging, logging.handlers, socket, sys
kind = socket.SOCK_STREAM if sys.argv[2] == "stream" else socket.SOCK_DGRAM
h = logging.handlers.SysLogHandler(address=sys.argv[1], socktype=kind, facility="local1")
h.setFormatter(logging.Formatter("pyapp[%(process)d]: %(message)s"))
logging.getLogger().addHandler(h)
logging.getLogger().error(sys.argv[3])
`
	f("python's datagram", 139, "no-stamp pyapp", "", python, "-c", handler, datagrams, "datagram", "python's datagram")
	f("python's stream", 139, "no-stamp pyapp", "", python, "-c", handler, streams, "stream", "python's stream")
}

// libc's syslog(3), which busybox uses as nearly every program does, knows only
// /dev/log. The test has it where no other service does.
func TestProgramsThatCallSyslogAreHeard(t *testing.T) {
	busybox := peers.Find(t, peers.Busybox)
	if c, err := net.Dial("unixgram", "/dev/log"); err == nil {
		c.Close()
		peers.LeaveOut(t, "another service has /dev/log")
	}
	if os.Getuid() != 0 {
		peers.LeaveOut(t, "only root may make /dev/log")
	}
	node := syslane.Start(t, "collector", "[[input]]\ntype = \"unix\"\npath = \"/dev/log\"\n")
	cmd := exec.Command(busybox, "logger", "-p", "daemon.err", "-t", "box", "hello from busybox")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d := findLocal(t, node, "hello from busybox")
	if s := d.Log.Syslog; s.Appname != "box" || s.Priority != 27 || d.Labels.SenderPID != fmt.Sprint(cmd.Process.Pid) {
		t.Errorf("it was understood as %+v", d)
	}
	node.Shutdown(t)
	if _, err := os.Lstat("/dev/log"); err == nil {
		t.Error("/dev/log is still there")
	}
}

// systemd makes the socket, holds what comes before the service runs, and keeps
// the socket while it restarts.
func TestSocketsOfSystemdKeepWhatComesWhileTheServiceIsAway(t *testing.T) {
	activate := peers.Find(t, peers.SocketActivate)
	logger := peers.Find(t, peers.Logger)
	dir := t.TempDir()
	socket, config := filepath.Join(dir, "syslog"), filepath.Join(dir, "relay.toml")
	text := fmt.Sprintf("state = %q\n[[input]]\ntype = \"unix\"\npath = %q\n", filepath.Join(dir, "state"), socket)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	p := proc.Start(t, proc.Config{Name: "systemd-socket-activate", Log: filepath.Join(dir, "log"),
		Args: []string{activate, "--datagram", "--listen", socket, syslane.Binary(t), "collector", "--config", config}})
	await.Until(t, time.Minute, "the socket", func() error {
		_, err := os.Lstat(socket)
		return err
	})
	if out, err := exec.Command(logger, "-u", socket, "-t", "early", "came before the service").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	await.Until(t, time.Minute, "the message", func() error {
		out, err := exec.Command(syslane.Binary(t), "search", "--dir", filepath.Join(dir, "state"), "app:early").CombinedOutput()
		if err != nil || !strings.Contains(string(out), "came before the service") {
			return fmt.Errorf("%v: %s", err, out)
		}
		return nil
	})
	if err := p.Stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Errorf("systemd's socket is gone: %v", err)
	}
}
