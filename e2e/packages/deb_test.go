package packages

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
)

const roles = "syslane-collector.service syslane-relay.service"

// A Debian machine from the first installation to the purge, by apt.
func TestDebIsInstalledUpgradedRemovedAndPurged(t *testing.T) {
	t.Parallel()
	dist := distribution(t)
	m := boot(t)
	install := func(pattern string) string {
		return "apt-get -q -y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install " +
			"/packages" + strings.TrimPrefix(one(t, dist, pattern), dist)
	}

	m.do(t, install("previous/*_amd64.deb"))
	m.do(t, "dpkg --verify syslane && test -z \"$(dpkg --audit)\"")
	for _, unit := range strings.Fields(roles + " syslane-relay.socket") {
		if active, enabled := m.unit(t, unit, "ActiveState"), m.unit(t, unit, "UnitFileState"); active != "inactive" || enabled != "disabled" {
			t.Errorf("fresh %s is %s and %s", unit, active, enabled)
		}
	}
	if out := m.do(t, "id syslane && stat -c '%U:%G %a' /var/lib/syslane"); !strings.Contains(out, "syslane:syslane 750") {
		t.Errorf("user and state folder: %s", out)
	}

	m.do(t, "cd /usr/share/doc/syslane && test -s docs/TROUBLESHOOTING.md && test -s etc/prometheus/syslane.rules.yml")

	m.do(t, "systemctl enable --now "+roles)
	// As docs/INSTALL.md says: a socket takes its ports only while the service is stopped.
	m.do(t, "systemctl stop syslane-relay && systemctl enable --now syslane-relay.socket && systemctl start syslane-relay")
	m.onlyLoopback(t)
	m.do(t, "logger --server 127.0.0.1 --port 5515 --udp --rfc5424 'datagram to the relay'")
	m.do(t, "logger --server 127.0.0.1 --port 5515 --tcp --rfc5424 --octet-count 'stream to the relay'")
	m.find(t, "to the relay", 2)
	m.write(t, "/etc/rsyslog.d/90-syslane.conf", `module(load="omrelp")
if $programname == "from-host" then action(type="omrelp" target="127.0.0.1" port="2515")
`)
	m.do(t, "systemctl restart rsyslog && logger -t from-host 'through journald and rsyslog'")
	m.find(t, "journald rsyslog", 1)

	m.do(t, "echo '# changed by hand' >>/etc/syslane/relay.toml")
	m.do(t, "systemctl stop syslane-collector.service")
	m.do(t, "logger --server 127.0.0.1 --port 5515 --tcp --rfc5424 --octet-count 'kept by the relay'")
	before := m.unit(t, "syslane-relay.service", "MainPID")
	m.write(t, "/root/send", sendAlong)
	sending := make(chan string, 1)
	go func() {
		out, err := m.try("bash /root/send")
		sending <- fmt.Sprint(out, err)
	}()
	await.Until(t, 30*time.Second, "messages on their way", func() error {
		if !m.has("/root/sent-10") {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	m.do(t, install("*_amd64.deb"))
	m.do(t, "touch /root/enough")
	if out := <-sending; out != "<nil>" {
		t.Errorf("while the relay was restarted: %s", out)
	}
	if now := m.unit(t, "syslane-relay.service", "MainPID"); now == before || now == "0" {
		t.Errorf("the relay is process %s after the upgrade, %s before", now, before)
	}
	if active := m.unit(t, "syslane-collector.service", "ActiveState"); active != "inactive" {
		t.Errorf("the collector, stopped before the upgrade, is %s", active)
	}
	if out := m.do(t, "cat /etc/syslane/relay.toml"); !strings.HasSuffix(out, "# changed by hand\n") || !strings.HasPrefix(out, previousText) {
		t.Error("the upgrade changed the administrator's configuration")
	}
	if out := m.do(t, "cat /etc/syslane/collector.toml"); strings.HasPrefix(out, previousText) {
		t.Error("the upgrade left shipped configuration that nobody had changed")
	}
	m.do(t, "systemctl start syslane-collector.service")
	m.find(t, "kept by the relay", 1)
	m.find(t, "to the relay", 2)
	sent := strings.Count(m.do(t, "ls /root | grep ^sent-"), "\n")
	m.find(t, "along-udp", sent)
	m.find(t, "along-tcp", sent)
	t.Logf("%d datagrams and %[1]d connections while the relay was upgraded: nothing was lost or refused", sent)

	m.do(t, "apt-get -q -y remove syslane")
	if m.has("/usr/bin/syslane") || !m.has("/var/lib/syslane/collector/log") || !m.has("/etc/syslane/relay.toml") {
		t.Error("after the removal program, data or configuration are not as they should")
	}
	if out, _ := m.try("pgrep -x syslane"); out != "" {
		t.Errorf("processes after the removal: %s", out)
	}
	m.do(t, install("*_amd64.deb"))
	m.do(t, "systemctl start syslane-collector.service")
	m.find(t, "kept by the relay", 1)

	m.do(t, "apt-get -q -y purge syslane")
	for _, path := range []string{"/var/lib/syslane", "/etc/syslane", "/etc/systemd/system/multi-user.target.wants/syslane-relay.service"} {
		if m.has(path) {
			t.Errorf("%s is there after the purge", path)
		}
	}
}

// sendAlong sends numbered messages by UDP and TCP, each over a socket of its own,
// until /root/enough is there. It fails where one is refused.
const sendAlong = `
for i in $(seq 1 5000); do
  echo "<13>1 - - along-udp - - - datagram $i" >/dev/udp/127.0.0.1/5515 || exit 1
  echo "<13>1 - - along-tcp - - - stream $i" >/dev/tcp/127.0.0.1/5515 || exit 1
  touch /root/sent-$i
  [ ! -e /root/enough ] || exit 0
  sleep 0.01
done
`
