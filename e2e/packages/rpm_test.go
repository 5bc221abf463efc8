package packages

import (
	"strings"
	"testing"
)

// The rpm under a real rpm. The machine's systemd comes from Debian packages, of which
// rpm's database knows nothing: hence --nodeps.
func TestRpmIsInstalledUpgradedAndRemoved(t *testing.T) {
	t.Parallel()
	dist := distribution(t)
	m := boot(t)
	rpm := func(mode, pattern string) {
		t.Helper()
		m.do(t, "rpm --force-debian --dbpath /var/lib/rpm --nodeps "+mode+" /packages"+strings.TrimPrefix(one(t, dist, pattern), dist))
	}
	m.do(t, "mkdir -p /var/lib/rpm && rpm --dbpath /var/lib/rpm --initdb")

	rpm("-i", "previous/*.x86_64.rpm")
	for _, unit := range strings.Fields(roles + " syslane-relay.socket") {
		if active, enabled := m.unit(t, unit, "ActiveState"), m.unit(t, unit, "UnitFileState"); active != "inactive" || enabled != "disabled" {
			t.Errorf("fresh %s is %s and %s", unit, active, enabled)
		}
	}
	m.do(t, "systemctl enable --now syslane-relay.socket "+roles)
	m.onlyLoopback(t)
	m.do(t, "logger --server 127.0.0.1 --port 5515 --tcp --rfc5424 --octet-count 'before the upgrade'")
	m.find(t, "before upgrade", 1)

	m.do(t, "echo '# changed by hand' >>/etc/syslane/relay.toml")
	before := m.unit(t, "syslane-relay.service", "MainPID")
	rpm("-U", "*.x86_64.rpm")
	if now := m.unit(t, "syslane-relay.service", "MainPID"); now == before || now == "0" {
		t.Errorf("the relay is process %s after the upgrade, %s before", now, before)
	}
	if !strings.HasSuffix(m.do(t, "cat /etc/syslane/relay.toml"), "# changed by hand\n") || !m.has("/etc/syslane/relay.toml.rpmnew") {
		t.Error("the upgrade changed the administrator's configuration, or put no new one beside it")
	}
	if strings.HasPrefix(m.do(t, "cat /etc/syslane/collector.toml"), previousText) {
		t.Error("the upgrade left shipped configuration that nobody had changed")
	}
	m.do(t, "logger --server 127.0.0.1 --port 5515 --udp --rfc5424 'after the upgrade'")
	m.find(t, "the upgrade", 2)

	m.do(t, "rpm --force-debian --dbpath /var/lib/rpm --nodeps -e syslane")
	if m.has("/usr/bin/syslane") || !m.has("/var/lib/syslane/collector/log") || !m.has("/etc/syslane/relay.toml.rpmsave") {
		t.Error("after the removal program, data or configuration are not as they should")
	}
	if out, _ := m.try("pgrep -x syslane"); out != "" {
		t.Errorf("processes after the removal: %s", out)
	}
}
