package hostile

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

var connections = flag.Int("connections", 100_000, "how many connections one address makes")

// patience is within what time an honest message gets through, on a busy machine.
const patience = 20 * time.Second

func TestMain(m *testing.M) { syslane.Main(m) }

// victim is a collector with a port of each kind.
type victim struct {
	*syslane.Node
	tcp, tls, relp, journal, zlib, udp string
	sent                               int
	rest                               int64 // what is resident before the attack
}

func start(t *testing.T, more string) *victim {
	t.Helper()
	ca := peers.NewCA(t)
	cert, key := ca.Issue(t, "collector.example.org")
	v := &victim{tcp: proc.FreeAddr(t), tls: proc.FreeAddr(t), relp: proc.FreeAddr(t), journal: proc.FreeAddr(t), zlib: proc.FreeAddr(t), udp: proc.FreeAddr(t)}
	v.Node = syslane.Start(t, "collector", fmt.Sprintf(`
[[input]]
type = "tcp"
name = "tcp"
listen = %q
%s
[[input]]
type = "tls"
listen = %q
handshake_timeout = "3s"
[input.tls]
cert_file = %q
key_file = %q
[[input]]
type = "relp"
listen = %q
link_from = ["192.0.2.0/24"]
[[input]]
type = "journal"
listen = %q
[[input]]
type = "tcp"
name = "zlib"
compression = "zlib"
listen = %q
[[input]]
type = "udp"
listen = %q
`, v.tcp, more, v.tls, cert, key, v.relp, v.journal, v.zlib, v.udp))
	var err error
	if v.rest, err = v.RSS(); err != nil {
		t.Fatal(err)
	}
	return v
}

// honest sends a message by each way and waits until all are found.
func (v *victim) honest(t *testing.T, during string) {
	t.Helper()
	began := time.Now()
	v.sent++
	word := fmt.Sprintf("honest%d", v.sent)
	line := func(way string) []byte {
		return fmt.Appendf(nil, "<13>1 2026-01-01T00:00:00Z h a - - - %s%s\n", word, way)
	}
	send := func(conn net.Conn, err error, octets []byte) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", during, err)
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := conn.Write(octets); err != nil {
			t.Errorf("%s: %v", during, err)
		}
	}
	dialer := &net.Dialer{Timeout: patience}
	conn, err := dialer.Dial("tcp", v.tcp)
	send(conn, err, line("tcp"))
	conn, err = dialer.Dial("udp", v.udp)
	send(conn, err, line("udp"))
	secure, err := tls.DialWithDialer(dialer, "tcp", v.tls, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		send(secure, nil, line("tls"))
	} else {
		t.Errorf("%s: %v", during, err)
	}
	conn, err = dialer.Dial("tcp", v.relp)
	message := line("relp")
	send(conn, err, fmt.Appendf(nil, "1 open 30 relp_version=0\ncommands=syslog\n2 syslog %d %s\n3 close 0\n", len(message)-1, bytes.TrimSpace(message)))
	resp, err := http.Post("http://"+v.journal+"/upload", "application/vnd.fdo.journal",
		strings.NewReader(fmt.Sprintf("__CURSOR=s=1;i=%d\n__REALTIME_TIMESTAMP=1767225600000000\nMESSAGE=%sjournal\n\n", v.sent, word)))
	if err != nil {
		t.Errorf("%s: %v", during, err)
	} else {
		resp.Body.Close()
	}
	await.Until(t, patience, "the honest messages during "+during, func() error {
		found := map[string]bool{}
		v.EachOnDisk(t, func(document []byte) error { // searches over HTTP may be taken up
			for _, way := range []string{"tcp", "udp", "tls", "relp", "journal"} {
				if bytes.Contains(document, []byte(word+way)) {
					found[way] = true
				}
			}
			return nil
		}, word+"*")
		if len(found) < 5 {
			return fmt.Errorf("found %v", found)
		}
		return nil
	})
	t.Logf("during %s honest messages took %v", during, time.Since(began).Round(time.Millisecond))
}

// bounded checks that the process lives and has not taken more memory than it may.
func (v *victim) bounded(t *testing.T, most int64) {
	t.Helper()
	if err := v.Exited(); err != nil {
		t.Fatalf("%v\n%s", err, v.Tail())
	}
	peak, err := v.PeakRSS()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MiB were resident before, and at most %d MiB", v.rest>>20, peak>>20)
	if peak > most {
		t.Errorf("%d MiB were resident, want at most %d", peak>>20, most>>20)
	}
}

// Hundreds of peers that send an octet now and then, on every port, hold up nobody.
func TestSlowPeersOnEveryPortHoldUpNobody(t *testing.T) {
	v := start(t, "")
	v.honest(t, "peace")
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var open atomic.Int64
	for addr, octets := range map[string]string{
		v.tcp:     "5000 <13>1 2026-01-01T00:00:00Z h a - - - slow",
		v.tls:     "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and on it goes",
		v.relp:    "1 open 5000 relp_version=0 and on it goes",
		v.journal: "POST /upload HTTP/1.1\r\nHost: a\r\nX-And: on it goes and goes",
		v.zlib:    "\x78\x9c and no more of it",
		v.HTTP:    "GET /api/v1/search?q=a HTTP/1.1\r\nHost: localhost and on",
	} {
		for range 150 {
			all.Go(func() {
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				defer conn.Close()
				open.Add(1)
				for i := range len(octets) {
					if _, err := conn.Write([]byte(octets[i : i+1])); err != nil {
						return // hanging up on us is its right
					}
					select {
					case <-ctx.Done():
						return
					case <-time.After(500 * time.Millisecond):
					}
				}
				<-ctx.Done()
			})
		}
	}
	await.Until(t, patience, "the slow peers", func() error {
		if n := open.Load(); n < 800 {
			return fmt.Errorf("%d are connected", n)
		}
		return nil
	})
	v.honest(t, "900 slow peers")
	await.Until(t, patience, "the handshakes that never end to be ended", func() error {
		m, err := v.Metrics()
		if err == nil && m.Sum("syslane_input_tls_handshake_failures_total") < 150 {
			err = fmt.Errorf("%v have ended", m.Sum("syslane_input_tls_handshake_failures_total"))
		}
		return err
	})
	m, err := v.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d slow peers; %.0f handshakes were ended", open.Load(), m.Sum("syslane_input_tls_handshake_failures_total"))
	stop()
	all.Wait()
	v.honest(t, "the time after")
	v.bounded(t, 200<<20)
	v.Balance(t)
}

// One address that connects without end gets what an address gets, and is counted;
// others get through.
func TestManyConnectionsFromOneAddressCostNoOther(t *testing.T) {
	v := start(t, "max_connections_per_address = 200")
	var refused, made atomic.Int64
	var all sync.WaitGroup
	hold := make(chan net.Conn, 1000)
	for range 8 {
		all.Go(func() {
			for made.Add(1) <= int64(*connections) {
				conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 66)}, Timeout: patience}).Dial("tcp", v.tcp)
				if err != nil {
					refused.Add(1)
					continue
				}
				select {
				case hold <- conn:
				default:
					conn.(*net.TCPConn).SetLinger(0)
					conn.Close()
				}
			}
		})
	}
	v.honest(t, "the storm of connections")
	all.Wait()
	v.honest(t, "held connections")
	m, err := v.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d connections made, %v refused and counted", *connections, m.Sum("syslane_input_refused_connections_total", "input", "tcp"))
	if m.Sum("syslane_input_refused_connections_total", "input", "tcp") < 100 {
		t.Error("nothing was refused")
	}
	close(hold)
	for conn := range hold {
		conn.Close()
	}
	v.bounded(t, 200<<20)
	v.Balance(t)
}

// A gigabyte of zeros in a megabyte, by each way that takes compressed octets.
func TestCompressedBombsTakeNoMemory(t *testing.T) {
	v := start(t, "")
	zeros := func(w io.WriteCloser) error {
		block := make([]byte, 1<<20)
		for range 1024 {
			if _, err := w.Write(block); err != nil {
				return err
			}
		}
		return w.Close()
	}
	var deflated bytes.Buffer
	if err := zeros(zlib.NewWriter(&deflated)); err != nil {
		t.Fatal(err)
	}
	bomb := func(head []byte) []byte {
		var z bytes.Buffer
		encoder, err := zstd.NewWriter(&z)
		if err == nil {
			_, err = encoder.Write(head)
		}
		if err == nil {
			err = zeros(encoder)
		}
		if err != nil {
			t.Fatal(err)
		}
		return z.Bytes()
	}
	const entry = "__CURSOR=s=9;i=1\n"
	conn, err := net.Dial("tcp", v.zlib)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := conn.Write(deflated.Bytes()); err != nil {
		t.Logf("zlib: it hung up: %v", err)
	}
	conn.Close()
	t.Logf("zlib: 1 GiB in %d KiB", deflated.Len()>>10)
	for name, body := range map[string][]byte{
		"zeros": bomb(nil), "a text without end": bomb([]byte(entry + "MESSAGE=")),
		"a field of a terabyte": bomb(binary.LittleEndian.AppendUint64([]byte(entry+"MESSAGE\n"), 1<<40)),
	} {
		request, err := http.NewRequest("POST", "http://"+v.journal+"/upload", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/vnd.fdo.journal")
		request.Header.Set("Content-Encoding", "zstd")
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Logf("%s: it hung up: %v", name, err)
			continue
		}
		resp.Body.Close()
		t.Logf("zstd, %s: 1 GiB in %d KiB is answered %s", name, len(body)>>10, resp.Status)
		if resp.StatusCode < 400 {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	v.manyWindows(t, bomb([]byte(entry + "MESSAGE="))[:4<<10])
	v.honest(t, "bombs")
	v.bounded(t, 250<<20)
	v.Balance(t)
}

// manyWindows begins hundreds of uploads that take as much as one may to decompress, and go
// no further.
func (v *victim) manyWindows(t *testing.T, begin []byte) {
	t.Helper()
	const uploads = 300
	var refused atomic.Int64
	var all sync.WaitGroup
	for range uploads {
		all.Go(func() {
			conn, err := net.Dial("tcp", v.journal)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second)) // those that are taken wait
			fmt.Fprintf(conn, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: application/vnd.fdo.journal\r\nContent-Encoding: zstd\r\nContent-Length: 1000000000\r\n\r\n%s", begin)
			if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				resp.Body.Close()
				if resp.StatusCode == http.StatusServiceUnavailable {
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d uploads of %d octets that take 8 MiB each: %d are answered 503", uploads, len(begin), refused.Load())
}

// Only a peer that is told apart may say of whom its events are.
func TestAnEnvelopeFromAStrangerIsNotTaken(t *testing.T) {
	v := start(t, "")
	conn, err := net.Dial("tcp", v.relp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	offers := "relp_version=0\nrelp_software=syslane\ncommands=syslog,batch\nsyslane_link=1\nsyslane_stream=forged/x"
	fmt.Fprintf(conn, "1 open %d %s\n", len(offers), offers)
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(answer[:n]); !strings.Contains(got, "200 OK") || strings.Contains(got, "syslane_link") || strings.Contains(got, "batch") {
		t.Errorf("a stranger was answered %q", got)
	}
	t.Logf("a stranger's offers are answered %q", answer[:n])
	batch := "SLBT\x01\x00\x00\x00" + strings.Repeat("\x00", 64)
	fmt.Fprintf(conn, "2 batch %d %s\n", len(batch), batch)
	n, err = conn.Read(answer)
	if got := string(answer[:n]); err == nil && strings.Contains(got, "200") {
		t.Errorf("a stranger's batch was answered %q", got)
	}
	t.Logf("a stranger's batch is answered %q", answer[:n])
	v.honest(t, "forgery")
	v.Balance(t)
}

// Queries that are made to cost get an answer or a refusal, and others theirs.
func TestQueriesMadeToCostAreBounded(t *testing.T) {
	v := start(t, "")
	conn, err := net.Dial("tcp", v.tcp)
	if err != nil {
		t.Fatal(err)
	}
	const events = 100_000
	for n := range events {
		fmt.Fprintf(conn, "<13>1 2026-01-01T00:00:%02dZ host%d app%d %d - - %s %d\n", n%60, n, n%1000, n, strings.Repeat("a", 100), n)
	}
	conn.Close()
	v.WaitFor(t, time.Minute, events, "syslane_log_stored_messages_total")
	ask := func(path string, values url.Values) (int, error) {
		client := http.Client{Timeout: 2 * time.Minute}
		resp, err := client.Get("http://" + v.HTTP + path + "?" + values.Encode())
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, err
	}
	for name, query := range map[string]string{
		"parentheses":              strings.Repeat("(", 3000) + "a" + strings.Repeat(")", 3000),
		"negations":                strings.Repeat("not ", 3000) + "a",
		"a thousand words":         strings.Repeat("a* or ", 1000) + "b",
		"nested repetitions":       "/(((a{1,100}){1,100}){1,100})/",
		"backtracking":             "/(a+)+(a+)+(a+)+$b/",
		"as many groups as events": "| count by host, procid",
		"all sorted":               "| sort message",
		"a histogram of seconds":   "| histogram 1s by host",
		"wildcards":                strings.Repeat("*a", 500) + "*",
	} {
		began := time.Now()
		status, err := ask("/api/v1/search", url.Values{"q": {query}, "since": {"2000-01-01"}, "limit": {"100000"}})
		t.Logf("%s: %d %v in %v", name, status, err, time.Since(began).Round(time.Millisecond))
		if status == 0 || status >= 500 && status != http.StatusServiceUnavailable && status != http.StatusGatewayTimeout {
			t.Errorf("%s: status %d, %v", name, status, err)
		}
	}
	status, err := ask("/api/v1/search", url.Values{"q": {strings.Repeat("a ", 1<<20)}})
	t.Logf("a query of 2 MB: %d %v", status, err)
	if status < 400 {
		t.Errorf("a query of 2 MB: %d", status)
	}
	var all sync.WaitGroup
	var lock sync.Mutex
	statuses := map[int]int{}
	for range 200 {
		all.Go(func() {
			status, _ := ask("/api/v1/search", url.Values{"q": {"/a.*b.*c/"}, "since": {"2000-01-01"}})
			lock.Lock()
			statuses[status]++
			lock.Unlock()
		})
	}
	v.honest(t, "200 searches at once")
	all.Wait()
	t.Logf("200 searches at once: %v", statuses)
	v.bounded(t, 512<<20)
	if strings.Contains(v.Tail(), "superfluous") {
		t.Errorf("a refused search was answered twice:\n%s", v.Tail())
	}
}

// A page of another site that got its name to lead here is not answered.
func TestRequestsUnderAnotherNameAreRefused(t *testing.T) {
	v := start(t, "")
	for _, host := range []string{"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8514"} {
		request, _ := http.NewRequest("GET", "http://"+v.HTTP+"/api/v1/search?q=a", nil)
		request.Host = host
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("Host %s: %s, want 403", host, resp.Status)
		}
		t.Logf("Host %s: %s", host, resp.Status)
		if allowed := resp.Header.Get("Access-Control-Allow-Origin"); allowed != "" {
			t.Errorf("pages of %q may read", allowed)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		request, _ := http.NewRequest(method, "http://"+v.HTTP+"/api/v1/search?q=a", nil)
		request.Header.Set("Origin", "http://evil.example")
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		t.Logf("%s: %s", method, resp.Status)
		if resp.StatusCode < 400 || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is answered %s, for %q", method, resp.Status, resp.Header.Get("Access-Control-Allow-Origin"))
		}
	}
	request, _ := http.NewRequest("POST", "http://"+v.HTTP+"/api/v1/search", strings.NewReader("q=a"))
	resp, err := http.DefaultClient.Do(request)
	if err == nil {
		resp.Body.Close()
		t.Logf("POST with a body: %s", resp.Status)
	}
	if err != nil && !errors.Is(err, io.EOF) || err == nil && resp.StatusCode < 400 {
		t.Errorf("a form is answered %v, %v", resp, err)
	}
}
