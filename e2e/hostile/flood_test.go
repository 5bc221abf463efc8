package hostile

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Peers that send all they can while nothing can be stored, and wait for no answer, fill
// no memory; when there is room again all goes on.
func TestPeersThatSendAllTheyCanIntoAFullLogTakeLittleMemory(t *testing.T) {
	const (
		full  = `min_free = "100TiB"`
		peers = 250 // of each kind
	)
	v := start(t, "[log]\n"+full)
	text := strings.Repeat("x", 1000)
	kinds := []struct {
		name, addr string
		secure     bool
		greeting   string
		message    func(b *bytes.Buffer, n int)
	}{
		{"tcp", v.tcp, false, "", func(b *bytes.Buffer, n int) { fmt.Fprintf(b, "<13>1 - h a - - - %d %s\n", n, text) }},
		{"tls", v.tls, true, "", func(b *bytes.Buffer, n int) { fmt.Fprintf(b, "<13>1 - h a - - - %d %s\n", n, text) }},
		{"relp", v.relp, false, "1 open 30 relp_version=0\ncommands=syslog\n", func(b *bytes.Buffer, n int) {
			message := fmt.Sprintf("<13>1 - h a - - - %d %s", n, text)
			fmt.Fprintf(b, "%d syslog %d %s\n", n+2, len(message), message)
		}},
		{"journal", v.journal, false, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.fdo.journal\r\nContent-Length: 1000000000\r\n\r\n",
			func(b *bytes.Buffer, n int) {
				fmt.Fprintf(b, "__CURSOR=s=1;i=%d\n__REALTIME_TIMESTAMP=1767225600000000\nMESSAGE=%d %s\n\n", n, n, text)
			}},
	}
	other := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}, Timeout: patience} // than who is honest
	var all sync.WaitGroup
	sent := make([]atomic.Int64, len(kinds))
	for k, kind := range kinds {
		var octets bytes.Buffer
		for n := range 1 << 10 {
			kind.message(&octets, n)
		}
		for range peers {
			all.Go(func() {
				conn, err := other.Dial("tcp", kind.addr)
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(patience))
				if kind.secure {
					conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
				}
				for part := append([]byte(kind.greeting), octets.Bytes()...); len(part) > 0; {
					n, err := conn.Write(part[:min(len(part), 16<<10)])
					sent[k].Add(int64(n))
					if err != nil {
						return // it takes no more
					}
					part = part[n:]
				}
			})
		}
	}
	all.Wait()
	for k, kind := range kinds {
		t.Logf("%s: %d connections got rid of %d KiB each", kind.name, peers, sent[k].Load()>>10/peers)
	}
	v.bounded(t, 300<<20)
	config, err := os.ReadFile(v.Config())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(v.Config(), bytes.Replace(config, []byte(full), []byte(`min_free = "1MiB"`), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if said, status, err := v.Reload(); err != nil || status != 0 {
		t.Fatalf("reload: %s, %d, %v", said, status, err)
	}
	v.honest(t, "the time after")
	v.Balance(t)
}
