package packages

import (
	"fmt"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
)

// As shipped, systemd gives systemd-journal-upload up when the relay has been away for
// a second, and lets it wait for minutes for an answer that does not come.
func TestTheUploadOfTheJournalGoesOnWhateverBecomesOfTheRelay(t *testing.T) {
	t.Parallel()
	m := boot(t)
	const upload = "systemd-journal-upload.service"
	m.do(t, "dpkg -i /packages/syslane_*_amd64.deb")
	m.do(t, `printf '\n[[input]]\ntype = "journal"\nlisten = "127.0.0.1:19532"\n' >>/etc/syslane/relay.toml`)
	m.do(t, "syslane setup journald --relay 127.0.0.1 --write")
	m.do(t, "systemd-analyze verify --man=no "+upload)
	m.do(t, "systemctl mask systemd-networkd-wait-online.service") // there is loopback only
	m.do(t, "systemctl daemon-reload; systemctl enable "+upload+"; systemctl restart "+upload)
	restarts := func() string { return m.unit(t, upload, "NRestarts") }
	await.Until(t, time.Minute, "the upload to be started again though there is no relay", func() error {
		if n := restarts(); len(n) < 2 && n < "3" {
			return fmt.Errorf("%s times so far", n)
		}
		return nil
	})
	m.do(t, "systemctl start "+roles)
	m.do(t, "logger -t from-host 'when the relay is there'")
	m.find(t, "relay there app:from-host", 1)

	// While all is well it gives signs of life, with nothing to send as well.
	idle := restarts()
	time.Sleep(25 * time.Second)
	if n := restarts(); n != idle {
		t.Errorf("started again %s times, %s before: the watchdog is not fed", n, idle)
	}

	// A relay that stands still takes the connection and never answers.
	before, pid := restarts(), m.unit(t, "syslane-relay.service", "MainPID")
	m.do(t, "kill -STOP "+pid+" && logger -t from-host 'while nobody answers'")
	await.Until(t, time.Minute, "another upload", func() error {
		if n := restarts(); n == before {
			return fmt.Errorf("started again %s times, as before", n)
		}
		return nil
	})
	m.do(t, "kill -CONT "+pid)
	m.find(t, "nobody answers app:from-host", 1)
}
