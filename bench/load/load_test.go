package load

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	influx "github.com/influxdata/go-syslog/v3/rfc5424"
)

func TestMessagesAreNumberedRFC5424OfRealisticSize(t *testing.T) {
	m, err := NewMessages(5000, "")
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for n := range m.Count() {
		line := m.At(n)
		total += len(line)
		if _, err := influx.NewMachine().Parse(line); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if !strings.Contains(string(line), fmt.Sprintf(" %s%0*d ", Mark, Digits, n)) {
			t.Fatalf("message %d has not its number: %s", n, line)
		}
		if len(line) < 150 || len(line) > 300 {
			t.Errorf("message %d has %d octets: %s", n, len(line), line)
		}
	}
	if mean := float64(total) / 5000; mean < 180 || mean > 300 {
		t.Errorf("the mean is %.0f octets, want 180 to 300", mean)
	}
}

func TestMessagesAreAsLargeAsAskedFor(t *testing.T) {
	for _, octets := range []int{150, 300, 4000} {
		m := Sized(20, octets)
		for n := range m.Count() {
			line := m.At(n)
			if _, err := influx.NewMachine().Parse(line); err != nil || len(line) != octets || !strings.Contains(string(line), fmt.Sprintf("%s%0*d", Mark, Digits, n)) {
				t.Errorf("message %d of %d octets has %d, %v: %s", n, octets, len(line), err, line)
			}
		}
	}
}

func TestTextsAreTakenFromFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "auth.log")
	if err := os.WriteFile(file, []byte("short\nJun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := NewMessages(3, file)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if !strings.HasSuffix(string(m.At(n)), "combo sshd(pam_unix)[19939]: authentication failure") {
			t.Errorf("message %d is %s", n, m.At(n))
		}
	}
}

func TestAStreamSendsEachMessageOnce(t *testing.T) {
	m, err := NewMessages(1000, "")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := Dial(l.Addr().String(), 7, "")
	if err != nil {
		t.Fatal(err)
	}
	received := make(chan int, 7)
	for range 7 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			defer c.Close()
			b, _ := io.ReadAll(c)
			received <- strings.Count(string(b), "\n")
		}()
	}
	if err := s.Send(m); err != nil {
		t.Fatal(err)
	}
	s.Close()
	total := 0
	for range 7 {
		total += <-received
	}
	if total != 1000 {
		t.Errorf("%d messages arrived, want 1000", total)
	}
}
