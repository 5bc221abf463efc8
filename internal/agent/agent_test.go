package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	ca   = "/etc/syslane/ca.pem"
	cert = "/etc/syslane/host.pem"
	key  = "/etc/syslane/host-key.pem"
)

// shipped are the files of etc, and what they are made by.
var shipped = []struct {
	file, program string
	options       Options
	// part is which of its files it is.
	part int
}{
	{"rsyslog/syslane-relp.conf", Rsyslog, Options{}, 0},
	{"rsyslog/syslane-relp-tls.conf", Rsyslog, Options{CA: ca, Cert: cert, Key: key}, 0},
	{"rsyslog/syslane-tcp.conf", Rsyslog, Options{Protocol: TCP}, 0},
	{"rsyslog/syslane-tls.conf", Rsyslog, Options{Protocol: TCP, CA: ca, Cert: cert, Key: key}, 0},
	{"syslog-ng/syslane.conf", SyslogNG, Options{}, 0},
	{"syslog-ng/syslane-tls.conf", SyslogNG, Options{CA: ca, Cert: cert, Key: key}, 0},
	{"journald/syslane.conf", Journald, Options{}, 0},
	{"journald/syslane-tls.conf", Journald, Options{CA: ca, Cert: cert, Key: key}, 0},
	{"journald/systemd-journal-upload.service.d.conf", Journald, Options{}, 1},
}

func TestFilesInEtcAreWhatSetupMakes(t *testing.T) {
	want := map[string]bool{}
	for _, s := range shipped {
		s.options.Relay = "relay.example.net"
		files, err := Files(s.program, s.options)
		if err != nil {
			t.Fatal(err)
		}
		text := files[s.part].Text
		path := filepath.Join("../../etc", s.file)
		want[path] = true
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != text {
			t.Errorf("%s is not what setup makes:\n%s\n(UPDATE=1 go test ./internal/agent writes it)", path, text)
		}
	}
	for _, dir := range []string{"rsyslog", "syslog-ng", "journald"} {
		files, err := filepath.Glob(filepath.Join("../../etc", dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !want[f] {
				t.Errorf("nothing makes %s", f)
			}
		}
	}
}

func TestSetupRefusesWhatCannotBeMeant(t *testing.T) {
	f := func(program string, o Options, want string) {
		t.Helper()
		if files, err := Files(program, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s %+v: %v, want %q\n%s", program, o, err, want, files)
		}
	}
	f("rsyslogd", Options{Relay: "r"}, "there are rsyslog, syslog-ng, journald")
	f(Rsyslog, Options{}, "name the relay")
	f(Rsyslog, Options{Relay: "r:514"}, "the port is --port")
	f(Rsyslog, Options{Relay: "r\" port=\"1"}, "neither a host name nor an address")
	f(Rsyslog, Options{Relay: "r", Port: 70000}, "1 to 65535")
	f(Rsyslog, Options{Relay: "r", Protocol: "udp"}, "want \"relp\" or \"tcp\"")
	f(SyslogNG, Options{Relay: "r", Protocol: RELP}, "one way only")
	f(SyslogNG, Options{Relay: "r", Source: "s); log{"}, "no name of a source")
	f(Rsyslog, Options{Relay: "r", Cert: cert}, "go together")
	f(Rsyslog, Options{Relay: "r", Cert: cert, Key: key}, "needs --ca")
	f(Rsyslog, Options{Relay: "r", CA: "ca.pem"}, "absolute path")
	f(Rsyslog, Options{Relay: "r", CA: "/a\"b"}, "without quotes")
	f(Journald, Options{Relay: "r", CA: ca}, "needs --cert and --key")
	f(Rsyslog, Options{Relay: "r", MaxDisk: 1}, "at least 16MiB")
}

func TestInstallKeepsWhatWasThereAndLeavesForeignFilesAlone(t *testing.T) {
	root, now := t.TempDir(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first, err := Files(Journald, Options{Relay: "one"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := Files(Journald, Options{Relay: "two"})
	if err != nil {
		t.Fatal(err)
	}
	file, unit := filepath.Join(root, first[0].Path), filepath.Join(root, first[1].Path)
	read := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	done, err := Install(root, Journald, first, now)
	if err != nil || done[0].File != file || done[0].Backup != "" || read(file) != first[0].Text || read(unit) != first[1].Text {
		t.Fatalf("%+v, %v", done, err)
	}
	if done, err := Install(root, Journald, first, now); err != nil || !done[0].Unchanged || !done[1].Unchanged {
		t.Fatalf("again: %+v, %v", done, err)
	}
	done, err = Install(root, Journald, second, now)
	if err != nil || read(file) != second[0].Text || read(done[0].Backup) != first[0].Text || !strings.HasSuffix(done[0].Backup, ".conf.before-20260102-030405") || !done[1].Unchanged {
		t.Fatalf("another: %+v, %v", done, err)
	}
	if err := os.WriteFile(unit, []byte("[Service]\nNice=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(root, Journald, first, now); err == nil || !strings.Contains(err.Error(), "move it away") || read(file) != second[0].Text {
		t.Fatalf("a foreign file: %v", err)
	}
}
