package hostile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Messages of a quarter of a gigabyte, and as many as there is time for of one octet,
// on every port at once: no memory, and honest messages get through.
func TestHugeAndTinyFramesTakeNoMemoryAndHoldUpNobody(t *testing.T) {
	v := start(t, "")
	v.honest(t, "peace")
	const huge, tiny = 256 << 20, 200_000
	block := bytes.Repeat([]byte("x"), 1<<20)
	octets := func(w io.Writer, n int) (sent int) {
		for sent < n {
			k, err := w.Write(block)
			if sent += k; err != nil {
				return sent
			}
		}
		return sent
	}
	dial := func(addr string) net.Conn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(3 * time.Minute))
		return conn
	}
	const open = "1 open 30 relp_version=0\ncommands=syslog\n"
	attacks := []struct {
		name string
		run  func() (said string)
	}{
		{"a line without end", func() string {
			conn := dial(v.tcp)
			defer conn.Close()
			return fmt.Sprintf("%d MiB taken", octets(conn, huge)>>20)
		}},
		{"an octet count", func() string {
			conn := dial(v.tcp)
			defer conn.Close()
			fmt.Fprintf(conn, "%d ", huge)
			return fmt.Sprintf("%d MiB taken", octets(conn, huge)>>20)
		}},
		{"a RELP frame", func() string {
			conn := dial(v.relp)
			defer conn.Close()
			fmt.Fprintf(conn, "%s2 syslog %d ", open, huge)
			n := octets(conn, huge)
			conn.Write([]byte("\n"))
			answers := bufio.NewScanner(conn)
			for answers.Scan() && !strings.HasPrefix(answers.Text(), "2 ") {
			}
			return fmt.Sprintf("%d MiB taken, answered %q", n>>20, answers.Text())
		}},
		{"a field of a journal", func() string {
			head := binary.LittleEndian.AppendUint64([]byte("__CURSOR=s=9;i=1\nMESSAGE=a large field\nBIG\n"), huge)
			r, w := io.Pipe()
			go func() {
				w.Write(head)
				octets(w, huge)
				w.CloseWithError(io.EOF)
			}()
			resp, err := http.Post("http://"+v.journal+"/upload", "application/vnd.fdo.journal", io.MultiReader(r, strings.NewReader("\n\n")))
			r.Close()
			if err != nil {
				return err.Error()
			}
			resp.Body.Close()
			return resp.Status
		}},
		{"a header of a request", func() string {
			conn := dial(v.HTTP)
			defer conn.Close()
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
			n := octets(conn, huge)
			return fmt.Sprintf("hung up after %d MiB", n>>20)
		}},
		{"messages of one octet", func() string {
			conn := dial(v.tcp)
			defer conn.Close()
			n, err := io.WriteString(conn, strings.Repeat("1 x", tiny/2)+strings.Repeat("x\n", tiny/2)+strings.Repeat("\n", tiny))
			return fmt.Sprintf("%d octets taken, %v", n, err)
		}},
		{"RELP frames of one octet", func() string {
			conn := dial(v.relp)
			defer conn.Close()
			var frames bytes.Buffer
			frames.WriteString(open)
			for i := range tiny {
				fmt.Fprintf(&frames, "%d syslog 1 x\n", i+2)
			}
			var answered sync.WaitGroup
			n := 0
			answered.Go(func() {
				b := make([]byte, 64<<10)
				for n < tiny {
					k, err := conn.Read(b)
					if n += bytes.Count(b[:k], []byte("rsp 6 200 OK")); err != nil {
						return // one that was cut between two reads is not counted
					}
					if bytes.Contains(b[:k], fmt.Appendf(nil, "%d rsp", tiny+1)) {
						return
					}
				}
			})
			if _, err := conn.Write(frames.Bytes()); err != nil {
				return err.Error()
			}
			answered.Wait()
			return fmt.Sprintf("%d answers seen", n)
		}},
		{"entries of one field", func() string {
			resp, err := http.Post("http://"+v.journal+"/upload", "application/vnd.fdo.journal", strings.NewReader(strings.Repeat("A=b\n\n", tiny)))
			if err != nil {
				return err.Error()
			}
			resp.Body.Close()
			return resp.Status
		}},
		{"empty datagrams", func() string {
			conn, err := net.Dial("udp", v.udp)
			if err != nil {
				return err.Error()
			}
			defer conn.Close()
			for range tiny {
				conn.Write(nil)
			}
			return "sent"
		}},
	}
	var all sync.WaitGroup
	for _, a := range attacks {
		all.Go(func() {
			began := time.Now()
			t.Logf("%s: %s, in %v", a.name, a.run(), time.Since(began).Round(time.Millisecond))
		})
	}
	v.honest(t, "huge and tiny frames")
	all.Wait()
	v.honest(t, "the time after")
	v.WaitFor(t, time.Minute, 2*tiny, "syslane_input_stored_messages_total")
	m, err := v.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	discarded := m.Sum("syslane_input_discarded_octets_total")
	t.Logf("%.0f messages are stored, %.0f MiB were cut off and counted", m.Sum("syslane_input_stored_messages_total"), discarded/(1<<20))
	if discarded < 2*(huge-1<<20) {
		t.Errorf("%.0f octets are counted as cut off", discarded)
	}
	v.bounded(t, 250<<20)
	v.Balance(t)
}
