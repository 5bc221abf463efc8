package peers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
)

// StartSyslogNG runs a syslog-ng until the test ends. It takes RFC 5424 over TCP,
// LF-terminated, at the address that is returned; that is its source s_input, and
// statements, such as destinations and log paths, say what becomes of it.
func StartSyslogNG(t testing.TB, statements string) (input string) {
	t.Helper()
	program := Find(t, SyslogNG)
	dir := t.TempDir()
	input = proc.FreeAddr(t)
	host, port := split(input)
	text := fmt.Sprintf(`@version: 3.35
options { keep-hostname(yes); use-dns(no); stats-freq(0); };
source s_input { network(transport("tcp") ip(%q) port(%d) flags(syslog-protocol)); };
%s
`, host, port, statements)
	conf := filepath.Join(dir, "syslog-ng.conf")
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	p := proc.Start(t, proc.Config{
		Name: "syslog-ng",
		Args: []string{program, "--foreground", "--stderr", "--no-caps", "--cfgfile=" + conf,
			"--persist-file=" + in("persist"), "--pidfile=" + in("pid"), "--control=" + in("control")},
		Log: in("output.log"),
	})
	await.Until(t, time.Minute, "syslog-ng's input", func() error {
		if err := p.Exited(); err != nil {
			return await.Hopeless(fmt.Errorf("%w\n%s", err, p.Tail()))
		}
		conn, err := net.Dial("tcp", input)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	return input
}
