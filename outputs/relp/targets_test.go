package relp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/inputs"
	wire "github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/outputtest"
	output "github.com/syslane/syslane/outputs/relp"
)

// receiver is a RELP input that can be stopped and started again at its address,
// behind a cable that can be cut off.
type receiver struct {
	t     *testing.T
	store *eventStore
	sink  inputs.Sink
	cable *cable
	addr  string
	end   context.CancelFunc
	done  chan struct{}
}

func startReceiver(t *testing.T, plain bool) *receiver {
	t.Helper()
	r := &receiver{t: t, store: newEventStore(), addr: proc.FreeAddr(t)}
	if r.sink = r.store; plain {
		r.sink = plainSink{r.store}
	}
	r.start()
	t.Cleanup(r.stop)
	r.cable = startCable(t, r.addr)
	return r
}

func (r *receiver) start() {
	ctx, stop := context.WithCancel(context.Background())
	r.addr, r.done = runServer(r.t, ctx, r.addr, r.sink)
	r.end = stop
}

func (r *receiver) stop() { r.end(); <-r.done }

func (r *receiver) received() []string {
	messages, events := r.store.received()
	return append(messages, events...)
}

// cable is a TCP proxy that can be blackholed: octets are taken and go nowhere, and
// new connections are accepted and lead nowhere.
type cable struct {
	addr string
	mu   sync.Mutex
	open chan struct{} // closed while octets pass
}

func startCable(t *testing.T, target string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &cable{addr: l.Addr().String(), open: make(chan struct{})}
	close(w.open)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); l.Close(); running.Wait() })
	running.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { w.forward(ctx, client, target) })
		}
	})
	return w
}

func (w *cable) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open = make(chan struct{})
}

func (w *cable) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.open)
}

func (w *cable) passes(ctx context.Context) bool {
	w.mu.Lock()
	open := w.open
	w.mu.Unlock()
	select {
	case <-open:
		return true
	case <-ctx.Done():
		return false
	}
}

func (w *cable) forward(ctx context.Context, client net.Conn, target string) {
	defer client.Close()
	if !w.passes(ctx) {
		return
	}
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer server.Close()
	stop := context.AfterFunc(ctx, func() { client.Close(); server.Close() })
	defer stop()
	var copying sync.WaitGroup
	pipe := func(dst, src net.Conn) {
		defer dst.Close()
		defer src.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := src.Read(buf)
			if n > 0 && w.passes(ctx) {
				if _, werr := dst.Write(buf[:n]); werr != nil {
					return
				}
			}
			if err != nil || ctx.Err() != nil {
				return
			}
		}
	}
	copying.Go(func() { pipe(server, client) })
	copying.Go(func() { pipe(client, server) })
	copying.Wait()
}

func TestConformance(t *testing.T) {
	f := func(name string, plain bool, servers int, cfg output.Config) {
		t.Run(name, func(t *testing.T) {
			outputtest.Run(t, func(t *testing.T) outputtest.Subject {
				cfg := cfg
				var receivers []*receiver
				for range servers {
					r := startReceiver(t, plain)
					receivers = append(receivers, r)
					cfg.Targets = append(slices.Clip(cfg.Targets), r.addr)
				}
				cfg.Name, cfg.Logger = "out", testLogger(t)
				o, err := output.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				return outputtest.Subject{
					Output: o, Unordered: cfg.Mode == "balance",
					Received: func() (all []string) {
						for _, r := range receivers {
							all = append(all, r.received()...)
						}
						return all
					},
					Break: func() {
						for _, r := range receivers {
							r.stop()
						}
					},
					Mend: func() {
						for _, r := range receivers {
							r.start()
						}
					},
				}
			})
		})
	}
	f("link", false, 1, output.Config{})
	f("plain", true, 1, output.Config{})
	f("link to several", false, 3, output.Config{})
	f("link to several, balanced", false, 3, output.Config{Mode: "balance"})
	f("plain to several, balanced", true, 2, output.Config{Mode: "balance"})
}

// feed writes batches until it is told to stop.
type feed struct {
	stop chan struct{}
	done chan struct{}
	mu   sync.Mutex
	next uint64
}

func startFeed(t *testing.T, o *output.Output, each int) *feed {
	f := &feed{stop: make(chan struct{}), done: make(chan struct{}), next: 1}
	go func() {
		defer close(f.done)
		for {
			select {
			case <-f.stop:
				return
			default:
			}
			if r := writeAll(t, o, batchOf(f.next, each)); r != nil {
				t.Errorf("rejected: %v", r)
			}
			f.mu.Lock()
			f.next += uint64(each)
			f.mu.Unlock()
		}
	}()
	return f
}

func (f *feed) end() (next uint64) {
	close(f.stop)
	<-f.done
	return f.next
}

// moves waits until a receiver gets events it had not when moves was called.
func (r *receiver) moves(limit time.Duration) error {
	before := len(r.received())
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if len(r.received()) > before {
			return nil
		}
	}
	return fmt.Errorf("nothing arrives for %s", limit)
}

// Each of three servers in turn is stopped, and cut off so that octets go
// nowhere, while events flow.
func TestNoServerThatFailsTakesAnEventAlong(t *testing.T) {
	for _, mode := range []string{"failover", "balance"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			var receivers []*receiver
			cfg := output.Config{Mode: mode, AckTimeout: 700 * time.Millisecond, ConnectTimeout: 700 * time.Millisecond}
			for range 3 {
				r := startReceiver(t, false)
				receivers = append(receivers, r)
				cfg.Targets = append(cfg.Targets, r.cable.addr)
			}
			o := startOutput(t, cfg)
			f := startFeed(t, o, 1000)
			for i, r := range receivers {
				other := receivers[(i+1)%3]
				if mode == "failover" {
					// The others are away, so that this one is in use.
					for j := range i {
						receivers[j].cable.cut()
					}
					other = receivers[min(i+1, 2)]
				}
				if err := r.moves(20 * time.Second); err != nil {
					t.Errorf("server %d in use: %v", i, err)
				}
				for _, how := range []struct {
					name         string
					break_, mend func()
				}{{"cut off", r.cable.cut, r.cable.mend}, {"stopped", r.stop, r.start}} {
					how.break_()
					if other != r {
						if err := other.moves(20 * time.Second); err != nil {
							t.Errorf("after server %d was %s: %v", i, how.name, err)
						}
					}
					how.mend()
					if err := r.moves(20 * time.Second); err != nil {
						t.Errorf("after server %d came back from being %s: %v", i, how.name, err)
					}
				}
				if mode == "failover" {
					for j := range i {
						receivers[j].cable.mend()
					}
				}
			}
			next := f.end()
			var all []string
			for _, r := range receivers {
				got := r.received()
				unique := make(map[string]bool, len(got))
				for _, m := range got {
					if unique[m] {
						t.Errorf("a server stored %q twice", m)
					}
					unique[m] = true
				}
				all = append(all, got...)
			}
			twice := expectNumbers(t, all, 1, int(next-1))
			t.Logf("%d events, %d of them at two servers", next-1, twice)
		})
	}
}

func TestALogRestoredFromABackupLosesNothingThoughItGivesPositionsTwice(t *testing.T) {
	store := newEventStore()
	addr := startServer(t, store, nil)
	writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), outputtest.WithIDs(batchOf(1, 1000)))

	// The log goes back to position 501, and gives 501 to 700 to other messages.
	restored := outputtest.WithIDs(renumbered(501, 200, 5000))
	o := startOutput(t, output.Config{Targets: []string{addr}})
	writeAll(t, o, restored)
	_, events := store.received()
	expectNumbers(t, events[1000:], 5000, 200)
	if len(events) != 1200 {
		t.Errorf("%d events are stored, want 1200", len(events))
	}
	writeAll(t, o, outputtest.WithIDs(renumbered(701, 500, 5200)))
	_, events = store.received()
	expectNumbers(t, events[1000:], 5000, 700)
}

func TestALogRestoredAgainAndAgainLosesNothing(t *testing.T) {
	store := newEventStore()
	addr := startServer(t, store, nil)
	writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), outputtest.WithIDs(batchOf(1, 1000)))
	for life := range 5 {
		// Each time the log goes back to position 501 and gives 501 to 700 to other
		// messages. In between the sender starts again, behind what it has sent.
		numbers := 5000 + 1000*life
		writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), outputtest.WithIDs(renumbered(501, 150, numbers)))
		writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), outputtest.WithIDs(renumbered(601, 100, numbers+100)))
		_, events := store.received()
		expectNumbers(t, events[1000+200*life:], numbers, 200)
		if want := 1200 + 200*life; len(events) != want {
			t.Fatalf("%d events are stored after %d restores, want %d", len(events), life+1, want)
		}
	}
}

// What a server that fails has not taken goes to one whose session began further on, and
// that has had other messages at these positions.
func TestALogRestoredFromABackupLosesNothingWhereOneOfSeveralServersFails(t *testing.T) {
	store := newEventStore()
	addr := startServer(t, store, nil)
	writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), outputtest.WithIDs(batchOf(1, 590)))
	failing := startScriptedOpen(t, func(txnr uint32, _ string) answer {
		return answer{write: string(wire.AppendResponse(nil, txnr, wire.CodeOK, "OK", []byte("relp_version=0\ncommands=syslog,batch\nsyslane_link=1")))}
	}, func(uint32, string) answer { return answer{end: true} })
	// The log goes back to position 501, and its messages are divided among the servers.
	o := startOutput(t, output.Config{Targets: []string{failing.addr, addr}, Mode: "balance"})
	writeAll(t, o, outputtest.WithIDs(renumbered(501, 4000, 5000)))
	_, events := store.received()
	expectNumbers(t, events[590:], 5000, 4000)
	if got, _, _ := failing.state(); len(got) == 0 {
		t.Error("the first server was given nothing: the test has shown nothing")
	}
}

func TestASenderThatStartsAgainSendsNothingTwice(t *testing.T) {
	store := newEventStore()
	addr := startServer(t, store, nil)
	writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), outputtest.WithIDs(batchOf(1, 1000)))
	writeAll(t, startOutput(t, output.Config{Targets: []string{addr}}), outputtest.WithIDs(batchOf(501, 1000)))
	_, events := store.received()
	if n := expectNumbers(t, events, 1, 1500); n != 0 || store.repeated != 0 {
		t.Errorf("%d events are stored twice, %d were sent twice", n, store.repeated)
	}
}

// renumbered is a batch of n events at position first whose messages, and ids,
// are those of other positions.
func renumbered(first uint64, n, numbers int) *outputs.Batch {
	b := batchOf(uint64(numbers), n)
	b.First, b.Next = first, first+uint64(n)
	return b
}

// nameServer answers questions for SRV records with what records says.
func nameServer(t *testing.T, records func() []dnsmessage.SRVResource) *net.Resolver {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { c.Close(); running.Wait() })
	running.Go(func() {
		b := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeSRV {
				for _, r := range records() {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1}, Body: &r,
					})
				}
			}
			if answer, err := m.Pack(); err == nil {
				c.WriteTo(answer, from)
			}
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
}

func TestTheServersOfAnSRVRecordAreFoundAndFollowed(t *testing.T) {
	first, second := startReceiver(t, false), startReceiver(t, false)
	record := func(r *receiver, priority uint16) dnsmessage.SRVResource {
		_, port, _ := net.SplitHostPort(r.addr)
		var p uint16
		fmt.Sscan(port, &p)
		return dnsmessage.SRVResource{Priority: priority, Weight: 1, Port: p, Target: dnsmessage.MustNewName("localhost.")}
	}
	var mu sync.Mutex
	list := []dnsmessage.SRVResource{record(second, 20), record(first, 10)}
	resolver := nameServer(t, func() []dnsmessage.SRVResource {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	})
	o := startOutput(t, output.Config{Targets: []string{"_syslane._tcp.example.net"}, Resolver: resolver, ResolveEvery: 50 * time.Millisecond})
	writeAll(t, o, batchOf(1, 10))
	if n := len(first.received()); n != 10 {
		t.Fatalf("the server of the lowest priority has %d events, want 10", n)
	}
	mu.Lock()
	list = list[:1]
	mu.Unlock()
	for next := uint64(11); len(second.received()) == 0; next += 10 {
		if next > 100_000 {
			t.Fatal("the server that is left in the record gets nothing")
		}
		writeAll(t, o, batchOf(next, 10))
		time.Sleep(time.Millisecond)
	}
}

func TestThatNoServerIsKnownIsAnErrorThatSaysWhy(t *testing.T) {
	resolver := nameServer(t, func() []dnsmessage.SRVResource { return nil })
	o := startOutput(t, output.Config{Targets: []string{"_syslane._tcp.example.net"}, Resolver: resolver})
	err := o.Write(t.Context(), batchOf(1, 1))
	var dns *net.DNSError
	if !errors.As(err, &dns) || !strings.Contains(err.Error(), "_syslane._tcp.example.net") {
		t.Errorf("got %v", err)
	}
}
