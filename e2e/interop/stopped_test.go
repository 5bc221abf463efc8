package interop

import (
	"fmt"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// A program that is stopped neither reads, writes nor closes. A hundred of its
// connections over TCP, and as many over TLS, leave others as they were.
func TestStoppedClientsHoldNobodyUp(t *testing.T) {
	const stopped = 100
	loggen := peers.Find(t, peers.Loggen)
	certFile, keyFile := peers.NewCA(t).Issue(t, serverName)
	tcp, tls := proc.FreeAddr(t), proc.FreeAddr(t)
	node := syslane.Start(t, "collector", fmt.Sprintf(`[[input]]
type = "tcp"
listen = %q
[[input]]
type = "tls"
listen = %q
tls = { cert_file = %q, key_file = %q }
`, tcp, tls, certFile, keyFile))
	metric := func(name string, want float64) {
		t.Helper()
		await.Until(t, arrival, fmt.Sprintf("%s of %v", name, want), func() error {
			m, err := node.Metrics()
			if got := m.Sum(name); err == nil && got < want {
				err = fmt.Errorf("it is %v", got)
			}
			return err
		})
	}
	ways := []struct {
		addr    string
		options []string
	}{{tcp, []string{"--inet", "--stream"}}, {tls, []string{"--use-ssl"}}}
	args := func(addr string, options []string, more ...string) []string {
		host, port, _ := net.SplitHostPort(addr)
		return append(append(append([]string{loggen, "--quiet"}, options...), more...), host, port)
	}
	var running []*proc.Process
	for i, w := range ways {
		running = append(running, proc.Start(t, proc.Config{
			Name: "loggen", Log: filepath.Join(t.TempDir(), "log"),
			Args: args(w.addr, w.options, fmt.Sprintf("--active-connections=%d", stopped), "--rate=20", "--permanent"),
		}))
		metric("syslane_input_connections", float64((i+1)*stopped))
	}
	metric("syslane_input_stored_messages_total", 10*stopped)
	for _, p := range running {
		if err := syscall.Kill(-p.PID(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	// What the others send is told apart by its form.
	const count = 200
	for i, w := range ways {
		cmd := args(w.addr, w.options, "--rate=1000", "--syslog-proto", fmt.Sprintf("--number=%d", count))
		run(t, cmd[0], cmd[1:]...)
		await.Until(t, arrival, "the messages of another client", func() error {
			found := 0
			node.Each(t, func(source []byte) error {
				d, err := decode(source)
				if err == nil && d.Labels.Format == rfc5424.label {
					found++
				}
				return err
			})
			if want := (i + 1) * count; found != want {
				return fmt.Errorf("%d of %d are there", found, want)
			}
			return nil
		})
	}
	metric("syslane_input_connections", 2*stopped)
}
