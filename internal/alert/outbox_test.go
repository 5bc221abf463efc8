package alert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/syslane/syslane/internal/notify"
	"github.com/syslane/syslane/internal/vfs"
)

// mailboxes is an SMTP server.
type mailboxes struct {
	mu sync.Mutex
	// full are the addresses whose mail is put off.
	full map[string]bool
	// got are the hosts that each address was told of, in order.
	got map[string][]string
}

func (m *mailboxes) NewSession(*smtp.Conn) (smtp.Session, error) { return &delivery{m: m}, nil }

// delivery is one connection to it.
type delivery struct {
	m  *mailboxes
	to []string
}

func (d *delivery) Mail(string, *smtp.MailOptions) error { return nil }
func (d *delivery) Reset()                               { d.to = nil }
func (d *delivery) Logout() error                        { return nil }

func (d *delivery) Rcpt(to string, _ *smtp.RcptOptions) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if d.m.full[to] {
		return &smtp.SMTPError{Code: 452, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "full"}
	}
	d.to = append(d.to, to)
	return nil
}

func (d *delivery) Data(r io.Reader) error {
	message, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(message.Body)
	if err != nil {
		return err
	}
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	for line := range strings.Lines(string(body)) {
		if host, ok := strings.CutPrefix(line, "  host "); ok {
			for _, to := range d.to {
				d.m.got[to] = append(d.m.got[to], strings.TrimSpace(host))
			}
		}
	}
	return nil
}

// have waits until an address was told of these hosts, and sees to it that it was told
// of no other, and of none twice.
func (m *mailboxes) have(t *testing.T, to string, hosts ...string) {
	t.Helper()
	var got []string
	eventually(t, fmt.Sprint("mail to ", to), func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		got = slices.Clone(m.got[to])
		return len(got) >= len(hosts)
	})
	if !slices.Equal(got, hosts) {
		t.Errorf("%s was told of %q, want %q", to, got, hosts)
	}
}

func TestAMailboxThatIsFullKeepsNoOtherFromItsMailAndGivesNoneASecond(t *testing.T) {
	m := &mailboxes{full: map[string]bool{"b@example.net": true}, got: make(map[string][]string)}
	server := smtp.NewServer(m)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	b := newBench(t, nil, rule(t, "failed", "count > 2", 5*minute, "host"))
	b.to[0].Sender = &notify.Email{Server: listener.Addr().String(), Security: notify.NoTLS, From: "s@example.net", To: []string{"a@example.net", "b@example.net"}}
	b.start()
	for host := range 3 {
		b.add(fmt.Sprint("web", host), 3)
		eventually(t, "an attempt", func() bool {
			m.mu.Lock()
			defer m.mu.Unlock()
			return slices.Contains(m.got["a@example.net"], fmt.Sprint("web", host))
		})
	}
	m.have(t, "a@example.net", "web0", "web1", "web2")
	if s := b.w.Status().Channels[0]; s.Pending != 3 || s.Sent != 0 || !strings.Contains(s.Error, "to b@example.net") {
		t.Errorf("%+v", s)
	}
	m.mu.Lock()
	m.full = nil
	m.mu.Unlock()
	m.have(t, "b@example.net", "web0", "web1", "web2")
	b.add("web3", 3)
	m.have(t, "b@example.net", "web0", "web1", "web2", "web3")
	m.have(t, "a@example.net", "web0", "web1", "web2", "web3")
	eventually(t, "an empty box", func() bool { s := b.w.Status().Channels[0]; return s.Pending == 0 && s.Sent == 4 && s.Error == "" })
}

// several is a channel with recipients that remembers what each was told.
type several struct {
	told
	names []string
	// fails are the errors of recipients.
	fails map[string]error
	// calls are the recipients of each attempt.
	calls []string
	by    map[string][]string
}

func (c *several) Recipients() []string { return c.names }

func (c *several) SendTo(_ context.Context, to []string, notices []notify.Notice) []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, strings.Join(to, " "))
	errs := make([]error, len(to))
	for i, name := range to {
		if errs[i] = c.fails[name]; errs[i] == nil {
			for _, n := range notices {
				c.by[name] = append(c.by[name], n.ID)
			}
		}
	}
	return errs
}

// crowd returns a watcher of no alerts with a channel of some recipients, and how to
// add notices.
func crowd(t *testing.T, b *bench, c *several) (o *outbox, add func(ids ...string), drain func()) {
	t.Helper()
	b.to = []Channel{{Name: "c", Sender: c, RetryMin: time.Hour, RetryMax: time.Hour}}
	w, err := New(Config{Channels: b.to, View: b.log.View(), State: "alerts.json", Now: b.clock.now, FS: b.fs})
	if err != nil {
		t.Fatal(err)
	}
	o = w.boxes[0]
	add = func(ids ...string) {
		for _, id := range ids {
			o.add(notify.Notice{ID: id}, b.clock.now())
		}
		w.saveNow()
	}
	drain = func() {
		for to, batch, _ := w.take(o); len(batch) > 0; to, batch, _ = w.take(o) {
			w.told(o, to, batch, o.send(context.Background(), to, batch), &w.cfg.Logger)
		}
	}
	return o, add, drain
}

// again ends the pauses.
func (o *outbox) again() {
	for _, r := range o.recipients {
		r.until = time.Time{}
	}
}

func numbered(from, to int) (ids []string) {
	for i := from; i < to; i++ {
		ids = append(ids, fmt.Sprint("n", i))
	}
	return ids
}

func TestWhatOneRecipientDoesNotTakeWaitsForItAlone(t *testing.T) {
	c := &several{names: []string{"a", "b"}, fails: map[string]error{"b": errors.New("full")}, by: make(map[string][]string)}
	b := newBench(t, &told{})
	b.fs = vfs.NewMem()
	_, add, drain := crowd(t, b, c)
	told := func(name string, want []string) {
		t.Helper()
		if !slices.Equal(c.by[name], want) {
			t.Errorf("%s was told %q, want %q", name, c.by[name], want)
		}
	}
	for i := range 3 * notify.MaxNotices {
		add(numbered(i, i+1)...)
		drain()
	}
	told("a", numbered(0, 300))
	told("b", nil)
	if n := len(c.calls); n != 300 { // b but once
		t.Errorf("%d attempts", n)
	}
	// A restart does not tell a again.
	o, add, drain := crowd(t, b, c)
	drain()
	told("a", numbered(0, 300))
	// Once b takes what waits, both are told together.
	c.fails, c.calls = nil, nil
	o.again()
	drain()
	told("b", numbered(0, 300))
	add(numbered(300, 302)...)
	drain()
	told("a", numbered(0, 302))
	told("b", numbered(0, 302))
	if want := []string{"b", "b", "b", "a b"}; !slices.Equal(c.calls, want) {
		t.Errorf("attempts were to %q, want %q", c.calls, want)
	}
	if len(o.list) != 0 || o.sent != 302 {
		t.Errorf("%d wait, %d are sent", len(o.list), o.sent)
	}
}

func TestRecipientsThatFailTogetherAreTriedTogether(t *testing.T) {
	down := errors.New("no route")
	c := &several{names: []string{"a", "b", "c"}, fails: map[string]error{"a": down, "b": down, "c": down}, by: make(map[string][]string)}
	b := newBench(t, &told{})
	b.fs = vfs.NewMem()
	o, add, drain := crowd(t, b, c)
	add("n0")
	drain()
	add("n1")
	drain()
	if err := o.failure(); err == nil || err.Error() != "no route" {
		t.Error(err)
	}
	o.again()
	c.fails = map[string]error{"c": &notify.RefusedError{Err: errors.New("who?")}}
	drain()
	if want := []string{"a b c", "a b c"}; !slices.Equal(c.calls, want) || o.sent != 0 || o.lost["refused"] != 2 || o.retries != 1 {
		t.Errorf("attempts were to %q; %d sent, %d refused, %d retries", c.calls, o.sent, o.lost["refused"], o.retries)
	}
}

func TestThatOneHasRefusedANoticeIsKeptForWhenTheLastHasIt(t *testing.T) {
	c := &several{names: []string{"a", "b"}, by: make(map[string][]string)}
	c.fails = map[string]error{"a": &notify.RefusedError{Err: errors.New("who?")}, "b": errors.New("full")}
	b := newBench(t, &told{})
	b.fs = vfs.NewMem()
	_, add, drain := crowd(t, b, c)
	add("n0")
	drain()
	o, _, drain := crowd(t, b, c) // a restart
	c.fails = nil
	drain()
	if o.sent != 0 || o.lost["refused"] != 1 || len(c.by["a"]) != 0 {
		t.Errorf("%d sent, %d refused, a was told %q", o.sent, o.lost["refused"], c.by["a"])
	}
}

func TestWhatGivesWayOrExpiresTakesNothingNewFromAnyRecipient(t *testing.T) {
	c := &several{names: []string{"a", "b"}, fails: map[string]error{"b": errors.New("full")}, by: make(map[string][]string)}
	b := newBench(t, &told{})
	b.fs = vfs.NewMem()
	o, add, drain := crowd(t, b, c)
	add(numbered(0, maxPending)...)
	o.recipients[0].has = maxPending - 2
	drain()
	add(numbered(maxPending, maxPending+5)...)
	drain()
	if !slices.Equal(c.by["a"], numbered(maxPending-2, maxPending+5)) || o.lost["overflow"] != 5 || len(o.list) != maxPending {
		t.Errorf("a was told %d, %v, %d wait", len(c.by["a"]), o.lost, len(o.list))
	}
	b.clock.pass(25 * time.Hour)
	add("new")
	c.fails = nil
	o.again()
	drain()
	if !slices.Equal(c.by["a"], append(numbered(maxPending-2, maxPending+5), "new")) || !slices.Equal(c.by["b"], []string{"new"}) {
		t.Errorf("a was told %d, b %q", len(c.by["a"]), c.by["b"])
	}
	if want := map[string]uint64{"overflow": 6, "expired": maxPending - 1, "refused": 0}; !maps.Equal(o.lost, want) || o.sent != 1 {
		t.Errorf("%v, %d sent", o.lost, o.sent)
	}
}
