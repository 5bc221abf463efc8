package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/numbered"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

func TestLoggerOfUtilLinuxIsUnderstoodInAllItsForms(t *testing.T) {
	logger := peers.Find(t, peers.Logger)
	udp, tcp := proc.FreeAddr(t), proc.FreeAddr(t)
	node := syslane.Start(t, "collector", fmt.Sprintf(`
[[input]]
type = "udp"
listen = %q
[[input]]
type = "tcp"
listen = %q
`, udp, tcp))
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}

	f := func(text string, addr string, args ...string) {
		t.Helper()
		host, port, _ := net.SplitHostPort(addr)
		args = append([]string{"--server", host, "--port", port, "--tag", "backup", "--priority", "local3.warning", "--id=4711"}, args...)
		sent := time.Now()
		if out, err := exec.Command(logger, append(args, text)...).CombinedOutput(); err != nil {
			t.Fatalf("logger %q: %v: %s", args, err, out)
		}
		var found *numbered.Document
		await.Until(t, 10*time.Second, fmt.Sprintf("%q", text), func() error {
			node.Each(t, func(source []byte) error {
				d, err := numbered.Decode(source)
				if err == nil && d.Message == text {
					found = d
				}
				return err
			})
			if found == nil {
				return fmt.Errorf("it is not in the log")
			}
			return nil
		})
		s := found.Log.Syslog
		got := fmt.Sprint(found.Host.Name, " ", s.Facility.Name, ".", s.Severity.Name, " ", s.Appname, " ", s.ProcID)
		if want := hostname + " local3.warning backup 4711"; got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
		if age := found.Timestamp.Sub(sent).Abs(); age > time.Minute {
			t.Errorf("%s: the timestamp is %v away", text, age)
		}
	}
	f("RFC 5424 by UDP", udp, "--udp", "--rfc5424")
	f("RFC 5424 by TCP", tcp, "--tcp", "--rfc5424")
	f("RFC 5424 by TCP, octets counted", tcp, "--tcp", "--rfc5424", "--octet-count")
	f("RFC 3164 by UDP", udp, "--udp", "--rfc3164")
	f("RFC 3164 by TCP", tcp, "--tcp", "--rfc3164")
	f("RFC 3164 by TCP, octets counted", tcp, "--tcp", "--rfc3164", "--octet-count")
}
