package chaos

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// A log that makes room on a disk that others fill would be eaten up by them. What was
// stored is there when they have gone, and what was held back with it.
func TestADiskThatOthersFillTwiceCostsACollectorNothing(t *testing.T) {
	requirements(t)
	d, tcp := newDisk(t), proc.FreeAddr(t)
	n := syslane.StartWith(t, "collector", syslane.Options{State: d.state()}, fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n", tcp))
	conn, err := net.Dial("tcp", tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := 0
	send := func(count int) {
		t.Helper()
		var b strings.Builder
		for range count {
			fmt.Fprintf(&b, "<13>1 2026-11-26T15:00:00Z host app - - - message %d\n", sent)
			sent++
		}
		if _, err := io.WriteString(conn, b.String()); err != nil {
			t.Fatal(err)
		}
	}
	health := func() (string, error) {
		resp, err := http.Get("http://" + n.HTTP + "/healthz")
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	for range 2 {
		send(1000)
		n.WaitFor(t, time.Minute, float64(sent), "syslane_log_stored_messages_total")
		if err := d.fill(); err != nil {
			t.Fatal(err)
		}
		// The first group fails, and ends a segment; then nothing is tried any more.
		send(1000)
		await.Until(t, time.Minute, "the disk being told", func() error {
			text, err := health()
			if err == nil && !strings.Contains(text, "the disk of the log is full") {
				err = errors.New(text)
			}
			return err
		})
		if err := d.free(); err != nil {
			t.Fatal(err)
		}
		n.WaitFor(t, time.Minute, float64(sent), "syslane_log_stored_messages_total")
	}
	found := 0
	n.EachOnDisk(t, func([]byte) error { found++; return nil })
	if found != sent {
		t.Errorf("%d of %d messages are in the log", found, sent)
	}
}
