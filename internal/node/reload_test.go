package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// live is a node that runs and can be reloaded.
type live struct {
	*Node
	t       *testing.T
	text    atomic.Pointer[string]
	reloads chan os.Signal
	stop    context.CancelFunc
	done    chan error
}

// start runs a collector on the configuration text until the test ends. prepare may change
// its plan before it is opened.
func start(t *testing.T, text string, prepare ...func(*Plan)) *live {
	t.Helper()
	l := &live{t: t, reloads: make(chan os.Signal), done: make(chan error, 1)}
	l.text.Store(&text)
	read := func() (*config.File, error) { return config.Parse("test.toml", []byte(*l.text.Load())) }
	f, err := read()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Load(f, Options{State: t.TempDir(), Read: read, Reloads: l.reloads,
		NewLogger: func(LoggingConfig) zerolog.Logger { return inputtest.Logger(t) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range prepare {
		change(plan)
	}
	if l.Node, err = Open(Role{Name: "collector", KeepDelivered: true, Search: true}, plan); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go func() { l.done <- l.Run(ctx) }()
	t.Cleanup(l.end)
	inputtest.Eventually(t, "the node runs", func() bool { _, err := FindRunning(l.state); return err == nil })
	return l
}

// end stops the node, once, and waits until it has stopped.
func (l *live) end() {
	l.t.Helper()
	if l.stop == nil {
		return
	}
	l.stop()
	l.stop = nil
	select {
	case err := <-l.done:
		if err != nil {
			l.t.Errorf("Run returned %v", err)
		}
	case <-time.After(60 * time.Second):
		l.t.Error("the node does not stop")
	}
}

// fails waits for the node to stop by itself, with an error.
func (l *live) fails(want error) {
	l.t.Helper()
	select {
	case err := <-l.done:
		l.stop()
		l.stop = nil
		if !errors.Is(err, want) {
			l.t.Errorf("Run returned %v, want %v", err, want)
		}
	case <-time.After(60 * time.Second):
		l.t.Error("the node goes on without its inputs")
	}
}

// last returns what the last reload has come to, nil before the first.
func (l *live) last() *Reload {
	l.t.Helper()
	running, err := FindRunning(l.state)
	if err != nil {
		l.t.Fatal(err)
	}
	return running.Reload
}

// beginReload asks for a reload with another configuration. The returned function waits for it.
func (l *live) beginReload(text string) (wait func() *Reload) {
	l.t.Helper()
	before := l.last()
	l.text.Store(&text)
	l.reloads <- os.Interrupt
	return func() (now *Reload) {
		l.t.Helper()
		inputtest.Eventually(l.t, "a reload", func() bool {
			now = l.last()
			return now != nil && (before == nil || now.Began.After(before.Began))
		})
		return now
	}
}

// reload loads another configuration, and fails the test where that has not the result.
func (l *live) reload(result, text string) *Reload {
	l.t.Helper()
	r := l.beginReload(text)()
	if r.Result != result {
		l.t.Fatalf("the reload is %s, want %s: %+v", r.Result, result, r)
	}
	return r
}

// texts returns the messages in the log.
func (l *live) texts() (all []string) {
	l.t.Helper()
	r := l.log.NewReader(l.log.Tail())
	defer r.Close()
	for r.Position() < l.log.Head() {
		block, err := r.Next(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		for run := block.Records; len(run) > 0; {
			var record []byte
			record, run = syslog.NextRecord(run)
			var e syslog.Event
			if err := e.Decode(record, nil); err != nil {
				l.t.Fatal(err)
			}
			all = append(all, string(e.Text.Of(e.Raw)))
		}
	}
	return all
}

// stored waits until the log has a message.
func (l *live) stored(text string) {
	l.t.Helper()
	inputtest.Eventually(l.t, fmt.Sprintf("%q is stored", text), func() bool { return slices.Contains(l.texts(), text) })
}

// present returns the input of a name that there is now.
func (l *live) present(name string) *receiving {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.input(name)
}

// send writes to an address, and keeps the connection open until the test ends.
func send(t *testing.T, network, address, text string) net.Conn {
	t.Helper()
	c := inputtest.Dial(t, network, address)
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// table is an [[input]] or [[output]] with these lines.
func table(kind string, lines ...string) string {
	return "[[" + kind + "]]\n" + strings.Join(lines, "\n") + "\n"
}

func key(name, value string) string { return fmt.Sprintf("%s = %q", name, value) }

func TestAnOutputThatStandsStillIsOpenedByALaterReload(t *testing.T) {
	in, dir := freeAddr(t), t.TempDir()
	input := table("input", key("type", "tcp"), key("listen", in))
	text := func(retry string) string {
		return input + table("output", key("type", "file"), key("path", filepath.Join(dir, "all.log")), key("retry_max", retry))
	}
	n := start(t, text("1s"))
	letters := DeadLetterDir(n.state)
	spoil := func(retry string) {
		t.Helper()
		if err := os.RemoveAll(letters); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(letters, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if r := n.reload(ReloadPartial, text(retry)); !strings.Contains(fmt.Sprint(r.Failed), "stands still") {
			t.Fatalf("it failed with %q", r.Failed)
		}
	}
	mend := func(text string) {
		t.Helper()
		if err := os.Remove(letters); err != nil {
			t.Fatal(err)
		}
		n.reload(ReloadApplied, text)
	}
	delivered := func(message string) {
		t.Helper()
		send(t, "tcp", in, "<13>1 - host app - - - "+message+"\n")
		inputtest.Eventually(t, message+" is delivered", func() bool {
			octets, _ := os.ReadFile(filepath.Join(dir, "all.log"))
			return strings.Contains(string(octets), message)
		})
	}
	spoil("2s")
	mend(text("3s"))
	delivered("changed")
	spoil("4s")
	n.reload(ReloadPartial, text("4s"))
	mend(text("4s"))
	delivered("unchanged")
	spoil("5s")
	mend(input)
	n.reload(ReloadApplied, text("5s"))
	delivered("removed and added")
}

func TestAlertsThatStandStillAreWatchedAfterALaterReload(t *testing.T) {
	text := func(window string) string {
		return table("alert", key("condition", "count > 1"), key("window", window))
	}
	n := start(t, text("1m"))
	state := alertState(n.state)
	inputtest.Eventually(t, "the state of alerts to be a folder", func() bool {
		os.Remove(state)
		return os.Mkdir(state, 0o700) == nil
	})
	if r := n.reload(ReloadPartial, text("2m")); !strings.Contains(fmt.Sprint(r.Failed), "not watched") {
		t.Fatalf("it failed with %q", r.Failed)
	}
	n.reload(ReloadPartial, text("2m"))
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	n.reload(ReloadApplied, text("2m"))
	if got := n.alertStatus().Alerts; len(got) != 1 {
		t.Errorf("alerts %+v are watched, want one", got)
	}
	if r := n.reload(ReloadApplied, text("2m")); len(r.Applied) > 0 {
		t.Errorf("without a change it does %q", r.Applied)
	}
}

func TestAUnixSocketLivesOnUnderAnotherName(t *testing.T) {
	for network, stream := range map[string]bool{"unixgram": false, "unix": true} {
		path := filepath.Join(t.TempDir(), "s")
		input := func(name string) string {
			return table("input", key("type", "unix"), key("name", name), key("path", path), fmt.Sprint("stream = ", stream))
		}
		n := start(t, input("a"))
		before := n.present("a")
		n.reload(ReloadApplied, input("b"))
		<-before.done
		send(t, network, path, "<13>app: renamed\n")
		n.stored("renamed")

		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		n.reload(ReloadRefused, input("c")+table("input", key("type", "tcp"), key("listen", taken.Addr().String())))
		taken.Close()
		send(t, network, path, "<13>app: refused\n")
		n.stored("refused")

		n.end()
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the socket file is left behind: %v", network, err)
		}
	}
}

func TestARefusedReloadLeavesNoSocketFile(t *testing.T) {
	dir := t.TempDir()
	input := func(path string) string {
		return table("input", key("type", "unix"), key("path", filepath.Join(dir, path)))
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	n := start(t, input("a"))
	n.reload(ReloadRefused, input("b")+table("input", key("type", "tcp"), key("listen", taken.Addr().String())))
	if _, err := os.Lstat(filepath.Join(dir, "b")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket file is left behind: %v", err)
	}
	send(t, "unixgram", filepath.Join(dir, "a"), "<13>app: goes on")
	n.stored("goes on")
}

func TestConnectionsFromBeforeAnEarlierReloadEndWithTheOthers(t *testing.T) {
	for _, revoked := range []string{`proxy_protocol_from = ["192.0.2.1/32"]`, ""} {
		listen := freeAddr(t)
		input := func(more string) string {
			return table("input", key("type", "tcp"), key("listen", listen), more)
		}
		n := start(t, input("max_connections = 10"))
		conn := send(t, "tcp", listen, "<13>1 - host app - - - first\n")
		n.stored("first")
		n.reload(ReloadApplied, input("max_connections = 11"))
		if _, err := io.WriteString(conn, "<13>1 - host app - - - second\n"); err != nil {
			t.Fatal(err)
		}
		n.stored("second") // it goes on
		if revoked == "" {
			n.reload(ReloadApplied, "")
		} else {
			n.reload(ReloadApplied, input(revoked))
		}
		conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("after a reload with %q the connection has %v, want its end", revoked, err)
		}
		n.end()
	}
}

// broken is an input that fails.
type broken struct{ err error }

func (broken) Name() string                             { return "broken" }
func (broken) Listen() error                            { return nil }
func (b broken) Run(context.Context, inputs.Sink) error { return b.err }

func TestAnInputThatFailsEndsTheNode(t *testing.T) {
	failure := errors.New("it broke")
	n := start(t, table("input", key("type", "tcp"), key("listen", freeAddr(t))), func(p *Plan) {
		p.Inputs[0].open = func() (inputs.Input, error) { return broken{failure}, nil }
	})
	n.fails(failure)
}

// full makes the log full by what it must leave free.
const full = "[log]\nmin_free = \"100000TiB\"\n"

func TestAChangedFileInputStoresEachLineOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.log")
	write := func(line string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := io.WriteString(f, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	input := func(flush string) string {
		return table("input", key("type", "file"), key("name", "f"), fmt.Sprintf("include = [%q]", path), key("flush_after", flush))
	}
	write("one")
	n := start(t, input("10s"))
	n.stored("one")
	n.reload(ReloadApplied, full+input("10s"))
	inputtest.Eventually(t, "the log is full", func() bool { return n.log.Stats().Full })
	write("two")
	inputtest.Eventually(t, "the line is read", func() bool {
		return inputtest.Metric(t, n.begun.registry, "syslane_input_received_messages_total", "f") == 2
	})
	n.reload(ReloadApplied, full+input("11s")) // while the line waits for the log
	n.reload(ReloadApplied, input("11s"))
	write("three")
	n.stored("three")
	if got := n.texts(); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("the log has %q", got)
	}
}

func TestAFullLogDoesNotHoldUpTheEnd(t *testing.T) {
	listen := freeAddr(t)
	input := table("input", key("type", "tcp"), key("listen", listen)) + "[dedupe]\nwindow = \"1h\"\n"
	n := start(t, input)
	send(t, "tcp", listen, strings.Repeat("<13>1 - host app - - - again\n", 3))
	inputtest.Eventually(t, "repeats are suppressed", func() bool {
		return inputtest.Metric(t, n.begun.registry, "syslane_input_suppressed_messages_total", "tcp") == 2
	})
	n.reload(ReloadApplied, input+full)
	inputtest.Eventually(t, "the log is full", func() bool { return n.log.Stats().Full })
	n.end() // with a count to tell
}

// breaking is an input that fails when it is told to.
type breaking struct {
	broken
	when chan struct{}
}

func (b breaking) Run(ctx context.Context, sink inputs.Sink) error {
	select {
	case <-b.when:
	case <-ctx.Done():
	}
	return b.broken.Run(ctx, sink)
}

func TestAFullLogDoesNotHoldUpTheEndThatAFailedInputBrings(t *testing.T) {
	listen := freeAddr(t)
	b := breaking{broken{errors.New("it broke")}, make(chan struct{})}
	n := start(t, full+table("input", key("type", "tcp"), key("name", "a"), key("listen", listen))+
		table("input", key("type", "tcp"), key("name", "b"), key("listen", freeAddr(t))), func(p *Plan) {
		p.Inputs[1].open = func() (inputs.Input, error) { return b, nil }
	})
	inputtest.Eventually(t, "the log is full", func() bool { return n.log.Stats().Full })
	send(t, "tcp", listen, "<13>1 - host app - - - waits\n")
	inputtest.Eventually(t, "a message is received", func() bool {
		return inputtest.Metric(t, n.begun.registry, "syslane_input_received_messages_total", "a") == 1
	})
	close(b.when)
	n.fails(b.err)
}

func TestMetricsCanBeReadDuringReloads(t *testing.T) {
	n := start(t, "")
	accounts := prometheus.NewRegistry()
	accounts.MustRegister(newAccounts(n.Node))
	reading, end := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for reading.Err() == nil {
				if _, err := accounts.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 10 {
		n.reload(ReloadApplied, fmt.Sprintf("[log]\nmax_age = \"%dh\"\n", i+1))
	}
	end()
	readers.Wait()
}

// validFor returns for how many days the certificate of an endpoint is good, by the metrics.
func (l *live) validFor(endpoint string) int {
	l.t.Helper()
	families, err := l.plan.registry.Gather()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "syslane_tls_certificate_expiry_timestamp_seconds" && m.GetLabel()[0].GetValue() == endpoint {
				return int(math.Round(time.Until(time.Unix(int64(m.GetGauge().GetValue()), 0)).Hours() / 24))
			}
		}
	}
	return 0
}

func TestWhatCannotBeOpenedDoesNotTakeThePlaceOfWhatRunsInTheMetrics(t *testing.T) {
	const day = 24 * time.Hour
	listen := freeAddr(t)
	http := func(listen string, lifetime time.Duration) string {
		return "[http]\n" + key("listen", listen) + "\n[http.tls]\n" + issue(t, lifetime) + "\n"
	}
	alert := func(lifetime time.Duration) string {
		return table("alert", key("condition", "count > 1"), key("window", "1m"), `notify = ["hook"]`) +
			table("notify", key("name", "hook"), key("type", "webhook"), key("url", "https://127.0.0.1:1/"), "[notify.tls]", issue(t, lifetime))
	}
	n := start(t, http(listen, 60*day)+alert(60*day))
	expect := func(endpoint string, days int) {
		t.Helper()
		if got := n.validFor(endpoint); got != days {
			t.Errorf("the certificate of %s is good for %d days, want %d", endpoint, got, days)
		}
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	n.reload(ReloadRefused, http(taken.Addr().String(), 30*day)+alert(60*day))
	expect("http", 60)

	state := alertState(n.state)
	inputtest.Eventually(t, "the state of alerts to be a folder", func() bool {
		os.Remove(state)
		return os.Mkdir(state, 0o700) == nil
	})
	same := http(listen, 60*day)
	n.reload(ReloadPartial, same+alert(30*day))
	expect(`notify "hook"`, 60)
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	n.reload(ReloadApplied, http(listen, 30*day)+alert(30*day))
	expect("http", 30)
	expect(`notify "hook"`, 30)
}

func TestAnOutputThatGoesOnAsBeforeKeepsItsMetrics(t *testing.T) {
	n := start(t, "")
	metrics := func(value float64) *staged {
		gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "test_state"})
		gauge.Set(value)
		return &staged{Registerer: n.plan.registry, waiting: []prometheus.Collector{gauge}}
	}
	planned := func(value float64, err error) PlannedOutput {
		return PlannedOutput{Name: "out", metrics: metrics(value), open: func() (outputs.Output, error) { return slow{}, err }}
	}
	c := &changeover{}
	expect := func(s *sending, value float64) {
		t.Helper()
		n.disconnect(s)
		families, err := n.plan.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == "test_state" })
		if at < 0 || families[at].GetMetric()[0].GetGauge().GetValue() != value {
			t.Errorf("the metrics are not those of output %v", value)
		}
	}
	first := n.resume(c, nil, planned(1, nil))
	expect(first, 1)
	expect(n.resume(c, first, planned(2, errors.New("no"))), 1)
	expect(n.resume(c, first, planned(3, nil)), 3)
	if len(c.failed) != 1 || !strings.Contains(c.failed[0], "goes on as before") {
		t.Errorf("failed is %q", c.failed)
	}
}

// slow is an output whose Write lasts until it is released.
type slow struct{ begun, release chan struct{} }

func (s slow) Write(context.Context, *outputs.Batch) error {
	s.begun <- struct{}{}
	<-s.release
	return nil
}

func (slow) Close() error { return nil }

func TestWhatAnInputBringsWhileItIsRemovedIsReadAsBefore(t *testing.T) {
	listen := freeAddr(t)
	input := table("input", key("type", "tcp"), key("listen", listen), key("charset", "windows-1252"))
	s := slow{make(chan struct{}, 1), make(chan struct{})}
	n := start(t, input+table("output", key("type", "file"), key("path", filepath.Join(t.TempDir(), "all.log"))),
		func(p *Plan) { p.Outputs[0].open = func() (outputs.Output, error) { return s, nil } })
	conn := send(t, "tcp", listen, "<13>1 - host app - - - fran\xe7ais\n")
	n.stored("français")
	<-s.begun
	before := n.current()
	wait := n.beginReload("")
	inputtest.Eventually(t, "the input is removed", func() bool { return n.current() != before })
	if _, err := io.WriteString(conn, "<13>1 - host app - - - gar\xe7on\n"); err != nil {
		t.Fatal(err)
	}
	n.stored("garçon")
	close(s.release)
	wait()
}

func TestAUnixSocketBecomesOneOfTheOtherKind(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	input := func(stream bool) string {
		return table("input", key("type", "unix"), key("path", path), fmt.Sprint("stream = ", stream))
	}
	n := start(t, input(false))
	n.reload(ReloadApplied, input(true))
	send(t, "unix", path, "<13>app: stream\n")
	n.stored("stream")

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	n.reload(ReloadRefused, input(false)+table("input", key("type", "tcp"), key("listen", taken.Addr().String())))
	send(t, "unix", path, "<13>app: still a stream\n")
	n.stored("still a stream")

	before := n.present("unix")
	n.reload(ReloadApplied, input(false))
	<-before.done
	send(t, "unixgram", path, "<13>app: datagram")
	n.stored("datagram")
	n.end()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
}
