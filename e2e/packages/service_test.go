package packages

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
)

// The shipped units under a real systemd.
func TestUnits(t *testing.T) {
	t.Parallel()
	m := boot(t)
	m.do(t, "dpkg -i /packages/syslane_*_amd64.deb")

	t.Run("are sound, and exposed at most 1.5", func(t *testing.T) {
		m.do(t, "systemd-analyze verify --man=no /usr/lib/systemd/system/syslane-*")
		exposure := regexp.MustCompile(`Overall exposure level for (\S+): ([0-9.]+)`)
		for _, unit := range append(strings.Fields(roles), "rsyslog.service") {
			out := m.do(t, "systemd-analyze security --no-pager --offline=true "+unit)
			found := exposure.FindStringSubmatch(out)
			if found == nil {
				t.Fatalf("%s: %s", unit, out)
			}
			t.Logf("%s: %s", unit, found[2])
			if unit != "rsyslog.service" && found[2] > "1.5" {
				t.Errorf("%s is exposed:\n%s", unit, out)
			}
		}
	})
	m.do(t, "systemctl start "+roles)

	t.Run("write nothing but their state, as a user of their own", func(t *testing.T) {
		pid := m.unit(t, "syslane-relay.service", "MainPID")
		status := m.do(t, "cat /proc/"+pid+"/status")
		for _, want := range []string{"NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000400", "CapBnd:\t0000000000000400"} {
			if !strings.Contains(status, want) {
				t.Errorf("no %q in\n%s", want, status)
			}
		}
		if strings.Contains(status, "\nUid:\t0") {
			t.Error("it runs as root")
		}
		in := "nsenter -t " + pid + " -m setpriv --reuid=syslane --regid=syslane --clear-groups "
		if out, err := m.try(in + "touch /etc/syslane/x /usr/x /var/log/x"); err == nil {
			t.Errorf("it may write: %s", out)
		}
		m.do(t, in+"touch /var/lib/syslane/relay/x")
	})

	t.Run("say how they are", func(t *testing.T) {
		m.do(t, "logger --server 127.0.0.1 --port 5515 --tcp --rfc5424 --octet-count hello")
		m.find(t, "hello", 1)
		if text := m.unit(t, "syslane-relay.service", "StatusText"); !strings.Contains(text, "messages stored since the start") || !strings.Contains(text, "output collector") {
			t.Errorf("the status is %q", text)
		}
	})

	t.Run("pass credentials, also to commands begun as the manual says", func(t *testing.T) {
		m.do(t, "(umask 077 && echo opensesame >/root/http-token)")
		m.write(t, "/etc/systemd/system/syslane-collector.service.d/test.conf", "[Service]\nLoadCredential=http-token:/root/http-token\n")
		shipped := m.do(t, "cat /etc/syslane/collector.toml")
		m.write(t, "/etc/syslane/collector.toml", strings.Replace(shipped, "\n[http]\n", "\n[http]\ntoken = \"credential:http-token\"\n", 1))
		m.do(t, "systemctl daemon-reload && systemctl restart syslane-collector")
		if out, err := m.try("syslane search hello"); err == nil || !strings.Contains(out, "token") {
			t.Errorf("without the token: %v, %s", err, out)
		}
		m.do(t, "SYSLANE_TOKEN=opensesame syslane search hello")

		const check = "syslane check --online /etc/syslane/collector.toml"
		m.do(t, "syslane check /etc/syslane/collector.toml")
		if out, err := m.try("runuser -u syslane -- " + check); err == nil || !strings.Contains(out, "CREDENTIALS_DIRECTORY") {
			t.Errorf("a command that is passed none: %v, %s", err, out)
		}
		m.do(t, "runuser -u syslane -- env CREDENTIALS_DIRECTORY=/run/credentials/syslane-collector.service "+check)
		m.do(t, "systemctl stop syslane-collector")
		m.do(t, "systemd-run --pipe --uid=syslane --property=LoadCredential=http-token:/root/http-token "+check)
		m.do(t, "rm /etc/systemd/system/syslane-collector.service.d/test.conf")
		m.write(t, "/etc/syslane/collector.toml", shipped)
		m.do(t, "systemctl daemon-reload && systemctl start syslane-collector")
	})

	t.Run("reload by systemctl, which fails where the configuration is refused", func(t *testing.T) {
		before := m.unit(t, "syslane-relay.service", "MainPID")
		shipped := m.do(t, "cat /etc/syslane/relay.toml")
		m.write(t, "/etc/syslane/relay.toml", shipped+"\n[[input]]\ntype = \"udp\"\nname = \"later\"\nlisten = \"127.0.0.1:5999\"\n")
		m.do(t, "systemctl reload syslane-relay")
		m.do(t, "logger --server 127.0.0.1 --port 5999 --udp --rfc5424 'to an input of the reload'")
		m.find(t, "input of reload", 1)
		m.write(t, "/etc/syslane/relay.toml", shipped+"\nlissen = 1\n")
		if out, err := m.try("systemctl reload syslane-relay"); err == nil {
			t.Errorf("a configuration that is no good was taken: %s", out)
		}
		if now, state := m.unit(t, "syslane-relay.service", "MainPID"), m.unit(t, "syslane-relay.service", "ActiveState"); now != before || state != "active" {
			t.Errorf("process %s is %s, %s before", now, state, before)
		}
		m.do(t, "logger --server 127.0.0.1 --port 5999 --udp --rfc5424 'after the refusal'")
		m.find(t, "after refusal", 1)
		m.write(t, "/etc/syslane/relay.toml", shipped)
		m.do(t, "systemctl reload syslane-relay")
	})

	t.Run("are killed by the watchdog where they stand still, and started again", func(t *testing.T) {
		m.write(t, "/etc/systemd/system/syslane-relay.service.d/test.conf", "[Service]\nWatchdogSec=5s\nRestartSec=100ms\n")
		m.do(t, "systemctl daemon-reload && systemctl restart syslane-relay")
		before := m.unit(t, "syslane-relay.service", "MainPID")
		time.Sleep(6 * time.Second) // longer than the watchdog waits: it must be fed
		if now := m.unit(t, "syslane-relay.service", "MainPID"); now != before {
			t.Fatalf("process %s, %s before: the watchdog is not fed", now, before)
		}
		m.do(t, "kill -STOP "+before)
		await.Until(t, time.Minute, "another process", func() error {
			now, state := m.unit(t, "syslane-relay.service", "MainPID"), m.unit(t, "syslane-relay.service", "ActiveState")
			if now == before || state != "active" {
				return fmt.Errorf("process %s is %s", now, state)
			}
			return nil
		})
		if out := m.do(t, "journalctl --no-pager -u syslane-relay"); !strings.Contains(out, "Watchdog timeout") {
			t.Errorf("the journal knows of no watchdog:\n%s", out)
		}
		m.do(t, "rm /etc/systemd/system/syslane-relay.service.d/test.conf && systemctl daemon-reload")
	})

	t.Run("take ports below 1024 from a socket, without any capability", func(t *testing.T) {
		m.do(t, "systemctl stop syslane-relay && sed -i 's/127.0.0.1:5515/:514/' /etc/syslane/relay.toml")
		m.write(t, "/etc/systemd/system/syslane-relay.service.d/test.conf", "[Service]\nCapabilityBoundingSet=\nAmbientCapabilities=\n")
		m.write(t, "/etc/systemd/system/syslane-relay.socket.d/ports.conf", "[Socket]\nListenDatagram=\nListenStream=\nListenDatagram=514\nListenStream=514\n")
		m.do(t, "systemctl daemon-reload && systemctl start syslane-relay.socket")
		m.do(t, "logger --server 127.0.0.1 --port 514 --udp --rfc5424 'wakes the relay'")
		m.do(t, "logger --server 127.0.0.1 --port 514 --tcp --rfc5424 --octet-count 'wakes the relay too'")
		m.find(t, "wakes", 2)
		pid := m.unit(t, "syslane-relay.service", "MainPID")
		if out := m.do(t, "grep Cap /proc/"+pid+"/status"); !strings.Contains(out, "CapEff:\t0000000000000000") {
			t.Errorf("capabilities: %s", out)
		}
		if out := m.do(t, "journalctl --no-pager -u syslane-relay --since=-1min"); strings.Contains(out, "receive_buffer_wanted") && strings.Contains(out, "in the .socket unit") {
			t.Errorf("the socket's receive buffer is too small:\n%s", out)
		}
		m.do(t, "rm /etc/systemd/system/syslane-relay.s*.d/*.conf && systemctl daemon-reload && systemctl stop syslane-relay.socket syslane-relay")
		m.do(t, "sed -i 's/\":514\"/\"127.0.0.1:5515\"/' /etc/syslane/relay.toml")
	})

	t.Run("stand in for rsyslog behind journald", func(t *testing.T) {
		m.write(t, "/etc/systemd/system/syslane-relay.service.d/journald.conf", behindJournald)
		m.write(t, "/etc/syslane/relay.toml", m.do(t, "cat /etc/syslane/relay.toml")+"\n[[input]]\ntype = \"unix\"\npath = \"/run/systemd/journal/syslog\"\n")
		m.do(t, "systemctl disable --now rsyslog.service && systemctl daemon-reload && systemctl enable syslane-relay.service && systemctl restart syslog.socket && systemctl restart syslane-relay.service")
		m.do(t, "logger -t local-app 'by way of journald'")
		m.find(t, "app:local-app journald", 1)
	})
}

// behindJournald is what docs/INSTALL.md says.
const behindJournald = `[Unit]
Requires=syslog.socket
After=syslog.socket
[Service]
Sockets=syslog.socket
[Install]
Alias=syslog.service
`
