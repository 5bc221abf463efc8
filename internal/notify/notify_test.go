package notify

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/tlsconf"
)

var started = time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC)

// notice makes one of an alert on a host.
func notice(host string, status Status) Notice {
	n := Notice{ID: "id-" + host + string(status), Status: status, Alert: "ssh", Severity: "warning", Labels: map[string]string{"host": host, "sd.x@1.y": "z", "empty": ""},
		Summary: "120 failed logins on " + host, Annotations: map[string]string{"runbook": "https://wiki/ssh"}, Query: "failed", Condition: "count > 100", Window: "5m",
		Value: 120, Sample: "Failed password\r\nBcc: x@example.net\x1b[31m", Started: started}
	if status == Resolved {
		ended := started.Add(time.Hour)
		n.Ended = &ended
	}
	return n
}

// receiver takes requests and answers them with a status.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	status   int
	requests []*http.Request
	bodies   []string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: 200}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests, r.bodies = append(r.requests, request), append(r.bodies, string(body))
		w.WriteHeader(r.status)
		fmt.Fprint(w, "no such hook")
	}))
	t.Cleanup(r.Close)
	return r
}

func TestAWebhookGetsAllNoticesInOneDocument(t *testing.T) {
	r := newReceiver(t)
	w := NewWebhook(HTTP{URL: r.URL + "/hook?x=1", Token: config.NewSecret("secret"), Headers: map[string]config.Secret{"X-Team": config.NewSecret("ops")}, Collector: "log1"})
	if err := w.Send(context.Background(), []Notice{notice("web1", Firing), notice("web2", Resolved)}); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Version   int
		Collector string
		Alerts    []Notice
	}
	if err := json.Unmarshal([]byte(r.bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	h := r.requests[0].Header
	if got.Version != 1 || got.Collector != "log1" || len(got.Alerts) != 2 || got.Alerts[0].Labels["host"] != "web1" || got.Alerts[1].Ended == nil ||
		h.Get("Authorization") != "Bearer secret" || h.Get("X-Team") != "ops" || h.Get("Content-Type") != "application/json" || r.requests[0].URL.String() != "/hook?x=1" {
		t.Error(r.bodies[0], h)
	}
}

func TestOnlyWhatWillNeverBeTakenIsRefused(t *testing.T) {
	r := newReceiver(t)
	w := NewWebhook(HTTP{URL: r.URL + "/secret-path"})
	f := func(status int, refused bool) {
		t.Helper()
		r.status = status
		err := w.Send(context.Background(), []Notice{notice("web1", Firing)})
		if err == nil || IsRefused(err) != refused || strings.Contains(err.Error(), "secret-path") {
			t.Errorf("%d: %v", status, err)
		}
	}
	f(400, true)
	f(404, true)
	f(408, false)
	f(429, false)
	f(500, false)
	f(503, false)
	r.Close()
	f(0, false)
}

func TestAnAlertmanagerKnowsAnAlertByItsLabels(t *testing.T) {
	r := newReceiver(t)
	a := NewAlertmanager(HTTP{URL: r.URL + "/am/", Collector: "log1"})
	now := started.Add(10 * time.Minute)
	a.now = func() time.Time { return now }
	if err := a.Send(context.Background(), []Notice{notice("web1", Firing), notice("web2", Firing), notice("web1", Resolved)}); err != nil {
		t.Fatal(err)
	}
	var got []struct {
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
	}
	if err := json.Unmarshal([]byte(r.bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	if r.requests[0].URL.Path != "/am/api/v2/alerts" || len(got) != 2 {
		t.Fatal(r.requests[0].URL, r.bodies[0])
	}
	if _, there := got[0].Labels["empty"]; there || got[0].Labels["alertname"] != "ssh" || got[0].Labels["host"] != "web1" || got[0].Labels["sd_x_1_y"] != "z" ||
		got[0].Labels["severity"] != "warning" || got[0].Labels["collector"] != "log1" || got[0].Annotations["runbook"] == "" {
		t.Error(got[0])
	}
	if !got[0].EndsAt.Equal(started.Add(time.Hour)) || !got[1].EndsAt.Equal(now.Add(believedFor)) {
		t.Error(got[0].EndsAt, got[1].EndsAt)
	}
}

// labelsAt returns the labels of the alerts that an Alertmanager gets.
func labelsAt(t *testing.T, notices ...Notice) (labels []map[string]string) {
	t.Helper()
	r := newReceiver(t)
	if err := NewAlertmanager(HTTP{URL: r.URL, Collector: "log1"}).Send(context.Background(), notices); err != nil {
		t.Fatal(err)
	}
	var got []struct{ Labels map[string]string }
	if err := json.Unmarshal([]byte(r.bodies[0]), &got); err != nil {
		t.Fatal(err)
	}
	for _, a := range got {
		labels = append(labels, a.Labels)
	}
	return labels
}

func TestAnAlertmanagerTellsTheGroupsOfAnAlertApart(t *testing.T) {
	f := func(want []map[string]string, groups ...map[string]string) {
		t.Helper()
		var notices []Notice
		for i, labels := range groups {
			n := notice(fmt.Sprint(i), Firing)
			n.Labels = labels
			notices = append(notices, n)
		}
		for range 10 { // whatever the order of a map
			got := labelsAt(t, notices...)
			if len(got) != len(groups) {
				t.Fatalf("%v became %v", groups, got)
			}
			for i := range got {
				want[i]["alertname"], want[i]["collector"] = "ssh", "log1"
				if !maps.Equal(got[i], want[i]) {
					t.Errorf("%v became %v, want %v", groups[i], got[i], want[i])
				}
			}
		}
	}
	type m = map[string]string
	f([]m{{"severity": "crit"}, {"severity": "err"}, {}}, m{"severity": "crit"}, m{"severity": "err"}, m{"severity": ""})
	f([]m{{"severity": "warning", "sd_a_b_c": "x"}, {"severity": "warning", "sd_a_b_c_2": "x"}},
		m{"sd.a-b.c": "x", "sd.a.b-c": ""}, m{"sd.a-b.c": "", "sd.a.b-c": "x"})
	f([]m{{"severity": "warning", "sd_a_b": "of the configuration", "sd_a_b_2": "y", "sd_a_b_3": "x"}},
		m{"sd.a.b": "x", "sd_a_b": "of the configuration", "sd.a-b": "y"})
}

// script writes a program and returns what runs it.
func script(t *testing.T, text string, args ...string) *Exec {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	x := &Exec{Command: append([]string{path}, args...), Collector: "log1"}
	if err := x.Validate(); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestAProgramGetsItsArgumentsAsTheyAreAndNoticesOnItsInput(t *testing.T) {
	t.Setenv("SECRET", "x")
	dir := t.TempDir()
	x := script(t, `cat >"$1/in"; echo "$2" >"$1/argument"; env >"$1/env"`, dir, "$(reboot) 'a' *")
	if err := x.Send(context.Background(), []Notice{notice("web1; rm -rf /", Firing)}); err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := read("argument"); got != "$(reboot) 'a' *\n" {
		t.Error(got)
	}
	if got := read("in"); !strings.Contains(got, `"host":"web1; rm -rf /"`) || !json.Valid([]byte(got)) {
		t.Error(got)
	}
	if got := read("env"); strings.Contains(got, "SECRET") {
		t.Error(got)
	}
}

func TestAProgramThatFailsTellsWhatItHasPrinted(t *testing.T) {
	x := script(t, `echo "no pager" >&2; exit 3`)
	err := x.Send(context.Background(), []Notice{notice("web1", Firing)})
	if err == nil || IsRefused(err) || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no pager") {
		t.Error(err)
	}
	if err := script(t, `exit 0`).Send(context.Background(), many(MaxNotices)); err != nil {
		t.Error("a program that does not read its input: ", err)
	}
	x = script(t, `yes | head -c 1000000; exit 1`)
	if err := x.Send(context.Background(), many(1)); err == nil || len(err.Error()) > 4*maxPrinted {
		t.Errorf("%.200s", err)
	}
}

func many(n int) (list []Notice) {
	for i := range n {
		list = append(list, notice(fmt.Sprint("web", i), Firing))
	}
	return list
}

func TestAProgramThatHangsIsKilledWithItsChildren(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	x := script(t, `sleep 600 & echo $! >"$1"; wait`, pid)
	x.Timeout = 500 * time.Millisecond
	err := x.Send(context.Background(), []Notice{notice("web1", Firing)})
	if err == nil || !strings.Contains(err.Error(), "did not end within 500ms") {
		t.Fatal(err)
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	child := strings.TrimSpace(string(b))
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + child + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(end) {
			t.Fatal("its child goes on: ", string(stat))
		}
	}
}

func TestOnlyAProgramThatCanBeRunIsTaken(t *testing.T) {
	f := func(want string, command ...string) {
		t.Helper()
		if err := (&Exec{Command: command}).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", command, err)
		}
	}
	f("want a program")
	f("whole path", "mail", "x")
	f("no such file", "/no/such/program")
	f("cannot be run", t.TempDir())
	f("cannot be run", "/etc/passwd")
}

// mailbox is an SMTP server that wants STARTTLS and a password.
type mailbox struct {
	mu       sync.Mutex
	mails    []string
	to       []string
	failures []error // of RCPT, in turn
	// perAddress are those of addresses.
	perAddress map[string]error
}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{m: m}, nil }

type mailSession struct {
	m    *mailbox
	user string
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "syslane" || password != "secret" {
			return errors.New("no")
		}
		s.user = user
		return nil
	}), nil
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error {
	if s.user == "" {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if len(s.m.failures) > 0 {
		err := s.m.failures[0]
		s.m.failures = s.m.failures[1:]
		return err
	}
	if err := s.m.perAddress[to]; err != nil {
		return err
	}
	s.m.to = append(s.m.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.mails = append(s.m.mails, string(b))
	return err
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

// startMail returns the server's mails and a channel that sends to it.
func startMail(t *testing.T, implicit bool) (*mailbox, *Email) {
	t.Helper()
	web := httptest.NewTLSServer(nil) // for its certificate of 127.0.0.1
	web.Close()
	box := &mailbox{}
	server := smtp.NewServer(box)
	server.TLSConfig = &tls.Config{Certificates: web.TLS.Certificates}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if implicit {
		listener = tls.NewListener(listener, server.TLSConfig)
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	roots := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	secured, err := tlsconf.NewClient(tlsconf.Options{CAFile: roots})
	if err != nil {
		t.Fatal(err)
	}
	m := &Email{Server: listener.Addr().String(), From: "Syslane <syslane@example.net>", To: []string{"ops@example.net", "Ärzte <b@example.net>"},
		Username: "syslane", Password: config.NewSecret("secret"), TLS: secured, Collector: "log1"}
	if implicit {
		m.Security = ImplicitTLS
	}
	return box, m
}

func TestAMailTellsOfAllNoticesAndNothingInThemBecomesAHeader(t *testing.T) {
	for _, implicit := range []bool{false, true} {
		box, m := startMail(t, implicit)
		n := notice("web1", Firing)
		n.Summary = "Störung\r\nBcc: evil@example.net\r\n\r\nboo"
		if err := m.Send(context.Background(), []Notice{n, notice("web2", Resolved)}); err != nil {
			t.Fatal(err)
		}
		if len(box.mails) != 1 || strings.Join(box.to, " ") != "ops@example.net b@example.net" {
			t.Fatal(box.mails, box.to)
		}
		message, err := mail.ReadMessage(strings.NewReader(box.mails[0]))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(message.Body)
		if err != nil {
			t.Fatal(err)
		}
		h := message.Header
		if h.Get("Bcc") != "" || h.Get("Message-ID") == "" || h.Get("Auto-Submitted") != "auto-generated" || h.Get("Date") == "" || !strings.Contains(h.Get("Subject"), "2_alerts") {
			t.Error(h)
		}
		for _, want := range []string{"FIRING: ssh", "RESOLVED: ssh", "web2", "count > 100 in 5m", "https://wiki/ssh", "2026-01-31T11:00:00Z"} {
			if !strings.Contains(strings.ReplaceAll(string(body), "=\r\n", ""), want) {
				t.Errorf("%q is not in\n%s", want, body)
			}
		}
		if strings.Contains(string(body), "\nBcc") || strings.Contains(string(body), "\x1b") {
			t.Errorf("what a message holds got a line of its own:\n%s", body)
		}
	}
}

func TestAMailThatIsRefusedIsNotSentAgainAndOneThatIsPutOffIs(t *testing.T) {
	box, m := startMail(t, false)
	m.To = m.To[:1]
	box.failures = []error{&smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "later"}}
	if err := m.Send(context.Background(), many(1)); err == nil || IsRefused(err) {
		t.Error("put off: ", err)
	}
	no := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "who?"}
	box.failures = []error{no}
	if err := m.Send(context.Background(), many(1)); !IsRefused(err) {
		t.Error("refused: ", err)
	}
	m.Password = config.NewSecret("wrong")
	if err := m.Send(context.Background(), many(1)); err == nil || IsRefused(err) {
		t.Error("wrong password: ", err)
	}
	if len(box.mails) != 0 {
		t.Error(box.mails)
	}
}

func TestAnAddressThatIsGoneKeepsNoOtherFromItsMail(t *testing.T) {
	box, m := startMail(t, false)
	gone := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "who?"}
	full := &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "full"}
	box.perAddress = map[string]error{"ops@example.net": gone}
	err := m.Send(context.Background(), many(1))
	if !IsRefused(err) || !strings.Contains(err.Error(), "to ops@example.net") || len(box.mails) != 1 {
		t.Error(err, box.mails)
	}
	// One whose box is full is put off, and the other has its mail.
	box.mails, box.perAddress = nil, map[string]error{"ops@example.net": full}
	errs := m.SendTo(context.Background(), m.To, many(2))
	if errs[0] == nil || IsRefused(errs[0]) || !strings.Contains(errs[0].Error(), "to ops@example.net") || errs[1] != nil || len(box.mails) != 1 {
		t.Error(errs, box.mails)
	}
	if err := m.Send(context.Background(), many(2)); err == nil || IsRefused(err) {
		t.Error(err)
	}
	box.mails, box.to, box.perAddress = nil, nil, nil
	if errs := m.SendTo(context.Background(), m.To[:1], many(2)); errs[0] != nil || len(box.mails) != 1 || strings.Join(box.to, " ") != "ops@example.net" {
		t.Error(errs, box.mails, box.to)
	}
}

func TestAPasswordNeverTravelsInClearText(t *testing.T) {
	box, m := startMail(t, false)
	m.TLS = nil // the server cannot be verified
	if err := m.Send(context.Background(), many(1)); err == nil || len(box.mails) > 0 {
		t.Error("an unknown server got the mail")
	}
	m.Security = NoTLS
	m.Server = "192.0.2.1:25"
	if key, err := m.Validate(); key != "security" || err == nil {
		t.Error(key, err)
	}
}

func TestMistakesInTheSettingsOfMailAreTold(t *testing.T) {
	f := func(want string, change func(*Email)) {
		t.Helper()
		m := &Email{Server: "smtp.example.net:587", From: "a@example.net", To: []string{"b@example.net"}}
		if key, err := m.Validate(); err != nil {
			t.Fatal(key, err)
		}
		change(m)
		if key, err := m.Validate(); err == nil || key != want {
			t.Errorf("%s: %s %v", want, key, err)
		}
	}
	f("server", func(m *Email) { m.Server = "smtp.example.net" })
	f("server", func(m *Email) { m.Server = ":25" })
	f("from", func(m *Email) { m.From = "nobody" })
	f("to", func(m *Email) { m.To = nil })
	f("to", func(m *Email) { m.To = []string{"b@example.net\r\nBcc: x"} })
	f("security", func(m *Email) { m.Security = "ssl" })
	f("password", func(m *Email) { m.Password = config.NewSecret("x") })
}

// talk is an SMTP server that says these lines, each after a line from the other side,
// the first at once, and then nothing more.
func talk(t *testing.T, hangUp bool, lines ...string) *Email {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				in := bufio.NewReader(conn)
				for i, line := range lines {
					for i > 0 {
						said, err := in.ReadString('\n')
						if err != nil {
							return
						}
						if lines[i-1] != "354 go on" || said == ".\r\n" {
							break
						}
					}
					fmt.Fprintf(conn, "%s\r\n", line)
				}
				if hangUp {
					conn.Close()
				}
			}()
		}
	}()
	return &Email{Server: listener.Addr().String(), Security: NoTLS, From: "a@example.net", To: []string{"b@example.net"}, Timeout: 300 * time.Millisecond}
}

// accepting is what a mail server says that takes a mail: to EHLO, NOOP, MAIL, RCPT,
// DATA and the mail.
var accepting = []string{"220 here", "250 mail", "250 ok", "250 ok", "250 ok", "354 go on", "250 taken"}

func TestAMailServerThatStandsStillKeepsNobodyLongerThanTheTimeout(t *testing.T) {
	for n := range accepting {
		m := talk(t, false, accepting[:n]...)
		ended := make(chan error, 1)
		go func() { ended <- m.Send(context.Background(), many(1)) }()
		select {
		case err := <-ended:
			if err == nil || IsRefused(err) {
				t.Errorf("after %d answers: %v", n, err)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("after %d answers it still waits", n)
		}
	}
}

func TestAMailThatWasTakenIsNotSentAgainBecauseOfTheGoodbye(t *testing.T) {
	for _, hangUp := range []bool{true, false} {
		m := talk(t, hangUp, accepting...)
		m.Timeout = 3 * time.Second
		if err := m.Send(context.Background(), many(1)); err != nil {
			t.Errorf("hang up %t: %v", hangUp, err)
		}
	}
}

func TestAProgramThatLeavesAnotherBehindHasDoneItsWork(t *testing.T) {
	x := script(t, `sleep 30 & exit 0`)
	if err := x.Send(context.Background(), many(1)); err != nil {
		t.Error(err)
	}
}

func TestARedirectIsNotFollowedAndNotTakenForSuccess(t *testing.T) {
	var mu sync.Mutex
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Method+" "+r.Header.Get("X-Api-Key"))
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		first := httptest.NewServer(http.RedirectHandler(other.URL+"/moved?key=hidden", status))
		w := NewWebhook(HTTP{URL: first.URL, Headers: map[string]config.Secret{"X-Api-Key": config.NewSecret("secret")}})
		err := w.Send(context.Background(), many(1))
		if err == nil || IsRefused(err) || !strings.Contains(err.Error(), other.URL) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%d: %v", status, err)
		}
		if err := w.Reach(context.Background()); err != nil {
			t.Errorf("%d: %v", status, err)
		}
		first.Close()
	}
	if len(got) > 0 {
		t.Errorf("the other server got %q", got)
	}
}
