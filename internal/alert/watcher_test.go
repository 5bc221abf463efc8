package alert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/notify"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/internal/vfs"
	"github.com/syslane/syslane/spool"
)

// clock is one that the tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// told is a channel that remembers what it was told.
type told struct {
	mu   sync.Mutex
	list []notify.Notice
	fail error
	// tried counts the attempts, also those that failed.
	tried int
	hold  chan struct{} // nil: it takes all at once
}

func (c *told) Send(ctx context.Context, notices []notify.Notice) error {
	c.mu.Lock()
	hold := c.hold
	c.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tried++
	if c.fail != nil {
		return c.fail
	}
	c.list = append(c.list, notices...)
	return nil
}

func (c *told) set(fail error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = fail
}

// lines are what it was told: "firing a web1".
func (c *told) lines() (lines []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.list {
		lines = append(lines, strings.TrimSpace(fmt.Sprint(n.Status, " ", n.Alert, " ", n.Labels["host"])))
	}
	return lines
}

// bench is a log with what watches it.
type bench struct {
	t     *testing.T
	log   *spool.Log
	clock *clock
	dir   string
	fs    vfs.FS
	rules []*Rule
	to    []Channel
	w     *Watcher
	stop  func()
	reg   *prometheus.Registry
}

func newBench(t *testing.T, c *told, rules ...*Rule) *bench {
	t.Helper()
	l, err := spool.Open(spool.Config{Dir: t.TempDir(), KeepDelivered: true, MinFree: -1, Sync: spool.SyncOS})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	b := &bench{t: t, log: l, clock: &clock{t: start}, dir: t.TempDir(), fs: vfs.OS, rules: rules, to: []Channel{{Name: "c", Type: "test", Sender: c, RetryMin: time.Millisecond, RetryMax: 5 * time.Millisecond}}}
	return b
}

func (b *bench) start() {
	b.t.Helper()
	b.reg = prometheus.NewRegistry()
	w, err := New(Config{Rules: b.rules, Channels: b.to, View: b.log.View(), State: filepath.Join(b.dir, "alerts.json"), Interval: 2 * time.Millisecond,
		Now: b.clock.now, FS: b.fs, Registerer: b.reg, Logger: zerolog.New(zerolog.NewTestWriter(b.t))})
	if err != nil {
		b.t.Fatal(err)
	}
	b.w = w
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	b.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				b.t.Error(err)
			}
		})
	}
	b.t.Cleanup(b.stop)
}

// add appends n messages of a host, received now.
func (b *bench) add(host string, n int) {
	b.t.Helper()
	var records []byte
	at := b.clock.now()
	for range n {
		records = syslog.AppendRecord(records, event(host, "failed", at.Sub(start)))
	}
	batch := spool.Batch{Records: records, Count: n, MinTime: at.UnixNano(), MaxTime: at.UnixNano()}
	if _, err := b.log.Append(context.Background(), batch); err != nil {
		b.t.Fatal(err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("in vain is waited for ", what)
		}
	}
}

func (b *bench) expect(c *told, want ...string) {
	b.t.Helper()
	eventually(b.t, strings.Join(want, ", "), func() bool { return len(c.lines()) >= len(want) })
	if got := c.lines(); !slices.Equal(got, want) {
		b.t.Errorf("told was %q, want %q", got, want)
	}
}

func TestARestartTellsNothingTwiceAndForgetsNoEnd(t *testing.T) {
	c := &told{}
	b := newBench(t, c, rule(t, "failed", "count > 2", 5*minute, "host"))
	b.start()
	b.add("web1", 3)
	b.expect(c, "firing a web1")
	b.stop()
	b.clock.pass(minute)
	b.start()
	b.add("web2", 3)
	b.expect(c, "firing a web1", "firing a web2")
	b.stop()
	b.add("web3", 3) // while nobody watches
	b.clock.pass(minute)
	b.start()
	b.expect(c, "firing a web1", "firing a web2", "firing a web3")
	b.stop()
	b.clock.pass(time.Hour)
	b.start()
	eventually(t, "all ends", func() bool { return len(c.lines()) == 6 })
	got := c.lines()[3:]
	slices.Sort(got)
	if want := []string{"resolved a web1", "resolved a web2", "resolved a web3"}; !slices.Equal(got, want) {
		t.Error(got)
	}
	b.stop()
	ids := map[string]bool{}
	for _, n := range c.list {
		ids[n.ID] = true
	}
	if len(ids) != 6 {
		t.Error("two notices have one id")
	}
}

func TestAfterARestartSilenceBeginsAnew(t *testing.T) {
	c := &told{}
	b := newBench(t, c, rule(t, "", "", 10*minute, "host"))
	b.start()
	b.add("web1", 1)
	b.add("web2", 1)
	b.clock.pass(11 * minute)
	eventually(t, "two hosts that are silent", func() bool { return len(c.lines()) == 2 })
	b.add("web2", 1)
	b.expect(c, "firing a web1", "firing a web2", "resolved a web2")
	b.stop()
	b.clock.pass(time.Hour) // nobody listened: that tells nothing of web2
	b.start()
	b.clock.pass(9 * minute)
	b.add("web1", 1)
	b.expect(c, "firing a web1", "firing a web2", "resolved a web2", "resolved a web1")
	b.clock.pass(2 * minute)
	b.expect(c, "firing a web1", "firing a web2", "resolved a web2", "resolved a web1", "firing a web2")
}

func TestAReloadDoesNotMakeSilenceBeginAnew(t *testing.T) {
	c := &told{}
	b := newBench(t, c, rule(t, "", "", 10*minute))
	b.start()
	b.add("web1", 1)
	for range 5 {
		b.clock.pass(9 * minute / 5)
		eventually(t, "evaluation", func() bool { b.w.mu.Lock(); defer b.w.mu.Unlock(); return b.w.engine.now == b.clock.now().UnixNano() })
		b.stop()
		b.start()
	}
	b.clock.pass(2 * minute)
	b.expect(c, "firing a")
}

func TestAClockThatIsSetBackWhileNobodyWatchesLeavesNoAlertFalseOrDeaf(t *testing.T) {
	c := &told{}
	many, silent := rule(t, "", "count > 2", 5*minute, "host"), rule(t, "", "", 10*minute, "host")
	silent.Name = "b"
	b := newBench(t, c, many, silent)
	b.clock.pass(48 * time.Hour)
	b.start()
	b.add("web1", 3)
	b.expect(c, "firing a web1")
	b.stop()
	b.clock.pass(-47 * time.Hour)
	b.start()
	b.expect(c, "firing a web1", "resolved a web1")
	b.add("web1", 1)
	eventually(t, "evaluation", func() bool { b.w.mu.Lock(); defer b.w.mu.Unlock(); return b.w.position == b.log.Head() })
	b.clock.pass(11 * minute)
	b.expect(c, "firing a web1", "resolved a web1", "firing b web1")
}

func TestABlockThatWasWrittenWhileTheClockWasAheadDoesNotBringThatTimeBack(t *testing.T) {
	b := newBench(t, &told{}, rule(t, "", "", 10*minute, "host"))
	w, err := New(Config{Rules: b.rules, View: b.log.View(), State: filepath.Join(b.dir, "alerts.json"), Now: b.clock.now, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	b.add("web1", 1) // the log has the clock of the machine, which is days ahead
	b.add("web1", 1)
	if err := w.evaluate(); err != nil {
		t.Fatal(err)
	}
	follower := w.cfg.View.Follow(w.position)
	defer follower.Close()
	block, err := follower.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	w.block(&block)
	if at := time.Unix(0, w.engine.now); w.position >= w.head || !at.Equal(start) {
		t.Errorf("at %d of %d it is %s, want %s", w.position, w.head, at, start)
	}
}

func TestAHostThatFellSilentBeforeThereWasAnAlertIsTold(t *testing.T) {
	c := &told{}
	b := newBench(t, c, rule(t, "failed", "", 10*minute, "host"))
	b.add("web1", 1)
	b.add("old", 1)
	b.clock.pass(23 * time.Hour)
	b.start()
	eventually(t, "the look into the past", func() bool { return b.w.Status().Alerts[0].Watched == 2 })
	b.clock.pass(9 * minute)
	b.add("web1", 1)
	eventually(t, "evaluation", func() bool { b.w.mu.Lock(); defer b.w.mu.Unlock(); return b.w.position == b.log.Head() })
	b.clock.pass(2 * minute)
	b.expect(c, "firing a old")
}

func TestWhatCannotBeToldWaitsAndHoldsUpNothing(t *testing.T) {
	c := &told{fail: errors.New("no route")}
	b := newBench(t, c, rule(t, "failed", "count > 2", 5*minute, "host"))
	b.start()
	b.add("web1", 3)
	eventually(t, "attempts", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.tried > 3 })
	b.clock.pass(10 * minute)
	b.add("web2", 3)
	eventually(t, "evaluation while the channel is down", func() bool { return b.w.Status().Channels[0].Pending == 3 })
	if s := b.w.Status(); s.Channels[0].Error != "no route" || s.Alerts[0].State != Firing {
		t.Errorf("%+v", s)
	}
	b.stop()
	b.start() // what waits is durable
	c.set(nil)
	b.expect(c, "firing a web1", "resolved a web1", "firing a web2")
	b.stop()
	b.start()
	b.expect(c, "firing a web1", "resolved a web1", "firing a web2")
	if n, err := testutil.GatherAndCount(b.reg, "syslane_alert_notifications_pending"); err != nil || n != 1 {
		t.Error(n, err)
	}
}

func TestWhatIsRefusedForGoodIsDroppedAndCounted(t *testing.T) {
	c := &told{fail: &notify.RefusedError{Err: errors.New("400")}}
	b := newBench(t, c, rule(t, "failed", "count > 2", 5*minute, "host"))
	b.start()
	b.add("web1", 3)
	eventually(t, "a refusal", func() bool { return b.w.Status().Channels[0].Dropped == 1 })
	want := `
# HELP syslane_alert_notifications_total Notices that a channel was given, by what has become of them.
# TYPE syslane_alert_notifications_total counter
syslane_alert_notifications_total{channel="c",result="expired"} 0
syslane_alert_notifications_total{channel="c",result="overflow"} 0
syslane_alert_notifications_total{channel="c",result="refused"} 1
syslane_alert_notifications_total{channel="c",result="sent"} 0
`
	if err := testutil.GatherAndCompare(b.reg, strings.NewReader(want), "syslane_alert_notifications_total"); err != nil {
		t.Error(err)
	}
	c.set(nil)
	b.add("web2", 3)
	b.expect(c, "firing a web2")
}

func TestWhatNoChannelTakesForADayExpires(t *testing.T) {
	c := &told{fail: errors.New("no route")}
	b := newBench(t, c, rule(t, "failed", "count > 2", 5*minute))
	b.start()
	b.add("web1", 3)
	eventually(t, "an attempt", func() bool { return b.w.Status().Channels[0].Pending == 1 })
	b.clock.pass(25 * time.Hour)
	eventually(t, "the end of patience", func() bool { return b.w.Status().Channels[0].Dropped >= 1 })
}

func TestWhatIsToldWasDurableBefore(t *testing.T) {
	c := &told{hold: make(chan struct{})}
	b := newBench(t, c, rule(t, "failed", "count > 2", 5*minute, "host"))
	b.start()
	b.add("web1", 3)
	eventually(t, "the notice in the file", func() bool {
		s, err := readState(vfs.OS, filepath.Join(b.dir, "alerts.json"))
		return err == nil && len(s.Pending) == 1 && s.Alerts["a"].Groups[0].State == Firing && s.Position == b.log.Head()
	})
	close(c.hold)
	b.expect(c, "firing a web1")
	eventually(t, "the file without it", func() bool {
		s, err := readState(vfs.OS, filepath.Join(b.dir, "alerts.json"))
		return err == nil && len(s.Pending) == 0
	})
}

// failing is a disk on which nothing can be made.
type failing struct{ vfs.FS }

func (failing) Create(string, os.FileMode) (vfs.File, error) { return nil, errors.New("disk full") }

func TestAlertsAreToldAlsoWhereTheirStateCannotBeSaved(t *testing.T) {
	c := &told{}
	b := newBench(t, c, rule(t, "failed", "count > 2", 5*minute))
	b.start()
	b.w.saving.Lock()
	b.w.cfg.FS = failing{vfs.OS}
	b.w.saving.Unlock()
	b.add("web1", 3)
	b.expect(c, "firing a")
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if b.w.saveErrors == 0 {
		t.Error("that the state was not saved is not counted")
	}
}

func TestAnAlertWhoseRuleIsGoneIsToldToHaveEnded(t *testing.T) {
	c := &told{}
	r := rule(t, "failed", "count > 2", 5*minute, "host")
	r.Labels = map[string]string{"team": "ops"}
	b := newBench(t, c, r)
	b.start()
	b.add("web1", 3)
	b.expect(c, "firing a web1")
	b.stop()
	b.rules = []*Rule{rule(t, "failed", "count > 20", 5*minute, "host")}
	b.start()
	b.expect(c, "firing a web1", "resolved a web1")
	b.stop()
	if n := c.list[1]; n.Labels["team"] != "ops" || n.Note == "" {
		t.Errorf("%+v", n)
	}
	b.rules = nil
	b.start()
	b.expect(c, "firing a web1", "resolved a web1")
}

func TestAStateThatIsDamagedIsSetAside(t *testing.T) {
	b := newBench(t, &told{}, rule(t, "", "count > 2", minute))
	path := filepath.Join(b.dir, "alerts.json")
	for _, text := range []string{"", "{", "\x00\x00\x00"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Config{Rules: b.rules, View: b.log.View(), State: path}); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if kept, err := os.ReadFile(path + ".bad"); err != nil || string(kept) != text {
			t.Errorf("%q is kept as %q, %v", text, kept, err)
		}
		if _, err := readState(vfs.OS, path); err != nil {
			t.Errorf("after %q: %v", text, err)
		}
	}
}

func TestAStateIsNotWrittenLargerThanItIsRead(t *testing.T) {
	many, few := rule(t, "", "count > 5", 5*minute, "host"), rule(t, "", "count < 2", 5*minute, "host")
	few.Name = "b"
	b := newBench(t, &told{}, many, few)
	path := filepath.Join(b.dir, "alerts.json")
	var logged strings.Builder
	open := func() *Watcher {
		w, err := New(Config{Rules: b.rules, Channels: b.to, View: b.log.View(), State: path, Now: b.clock.now, Logger: zerolog.New(&logged)})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	size := func() int {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return len(text)
	}
	evaluate := func(w *Watcher) {
		t.Helper()
		if err := w.evaluate(); err != nil {
			t.Fatal(err)
		}
	}
	w := open()
	b.clock.pass(time.Hour)
	b.add("web0", 6)
	for host := range 20 {
		b.add(fmt.Sprint("db", host), 2)
	}
	follower := w.cfg.View.Follow(w.position)
	defer follower.Close()
	evaluate(w) // finds the end of the log
	for w.position < w.head {
		block, err := follower.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		w.block(&block)
	}
	evaluate(w)
	w.saveNow()
	w.most = size() - 1
	w.saveNow()
	w.saveNow()
	if n := size(); n > w.most || n < w.most/2 {
		t.Errorf("%d octets were written, and %d are read", n, w.most)
	}
	if n := strings.Count(logged.String(), "too large"); n != 1 {
		t.Errorf("that was told %d times: %s", n, &logged)
	}
	// What is left out makes nothing fire or end, and what fires ends in time.
	w = open()
	b.clock.pass(time.Second)
	evaluate(w)
	a := w.Status().Alerts
	if a[0].Firing != 1 || a[1].Firing != 0 || a[1].Watched != 21 {
		t.Errorf("%+v", a)
	}
	b.clock.pass(5*minute - 2*time.Second)
	evaluate(w)
	b.clock.pass(2 * time.Second)
	evaluate(w)
	if a = w.Status().Alerts; a[0].Firing != 0 || a[1].Firing != 21 {
		t.Errorf("after a window: %+v", a)
	}
	// Where even that is too large, what was written last stays.
	before := size()
	w.most = before / 2
	w.saveNow()
	if n := size(); n != before || w.saveErrors != 1 || !strings.Contains(logged.String(), "too large: ") {
		t.Errorf("%d octets after %d, %d errors: %s", n, before, w.saveErrors, &logged)
	}
	if _, err := readState(vfs.OS, path); err != nil {
		t.Error(err)
	}
}

func TestAStateThatCannotBeReadIsNotTakenForDamage(t *testing.T) {
	b := newBench(t, &told{}, rule(t, "", "count > 2", minute))
	for _, failure := range []error{syscall.EACCES, syscall.EIO} {
		disk := vfs.NewMem()
		if err := vfs.WriteFileAtomic(disk, "alerts.json", []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		disk.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpOpen && failure == syscall.EACCES || op.Kind == vfs.OpRead {
				return failure
			}
			return nil
		})
		_, err := New(Config{Rules: b.rules, View: b.log.View(), State: "alerts.json", FS: disk})
		if !errors.Is(err, failure) || !strings.Contains(err.Error(), "alerts.json:") || strings.Contains(err.Error(), "chown") != (failure == syscall.EACCES) {
			t.Errorf("the error is %v", err)
		}
		if names, err := disk.List("."); err != nil || !slices.Equal(names, []string{"alerts.json"}) {
			t.Errorf("%v: %q are there, %v", failure, names, err)
		}
	}
}

func TestAStateOfANewerProgramIsAClearError(t *testing.T) {
	b := newBench(t, &told{}, rule(t, "", "count > 2", minute))
	path := filepath.Join(b.dir, "alerts.json")
	if err := os.WriteFile(path, []byte(`{"version":2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{Rules: b.rules, View: b.log.View(), State: path})
	if err == nil || !strings.Contains(err.Error(), path+" is of version 2") {
		t.Errorf("the error is %v", err)
	}
}

func TestTheStateOfAnotherLogDoesNotMoveThePlaceInThisOne(t *testing.T) {
	c := &told{}
	b := newBench(t, c, rule(t, "failed", "count > 2", 5*minute))
	b.add("web1", 3) // before there were alerts
	b.start()
	b.stop()
	path := filepath.Join(b.dir, "alerts.json")
	s, err := readState(vfs.OS, path)
	if err != nil {
		t.Fatal(err)
	}
	s.Log, s.Position = "00", 1
	text, _ := json.Marshal(s)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.add("web1", 1)
	eventually(t, "evaluation", func() bool { b.w.mu.Lock(); defer b.w.mu.Unlock(); return b.w.position == b.log.Head() })
	b.clock.pass(time.Second)
	time.Sleep(20 * time.Millisecond) // some evaluations
	if got := c.lines(); len(got) > 0 {
		t.Error(got)
	}
}

// drive evaluates all that the log has, now and ten minutes later, and tells it.
func drive(t *testing.T, w *Watcher, c *told, ck *clock) {
	t.Helper()
	follower := w.cfg.View.Follow(w.position)
	defer follower.Close()
	for range 2 {
		for head, _ := w.cfg.View.Head(); w.position < head; {
			block, err := follower.Next(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			w.block(&block)
		}
		if err := w.evaluate(); err != nil {
			t.Fatal(err)
		}
		o := w.boxes[0]
		for to, batch, _ := w.take(o); len(batch) > 0; to, batch, _ = w.take(o) {
			w.told(o, to, batch, []error{c.Send(context.Background(), batch)}, &w.cfg.Logger)
		}
		ck.pass(10 * minute)
	}
}

// The notice that is on its way when the power goes is told twice, and with one id.
func TestAPowerFailureAtAnyMomentForgetsNothingAndTellsOneNoticeTwiceAtMost(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := &told{}
	b := newBench(t, c, rule(t, "failed", "count > 2", 5*minute, "host"))
	disk := vfs.NewMem()
	if err := disk.MkdirAll("state", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := disk.SyncDir("."); err != nil {
		t.Fatal(err)
	}
	open := func(disk *vfs.Mem, c *told, ck *clock) *Watcher {
		w, err := New(Config{Rules: b.rules, Channels: []Channel{{Name: "c", Sender: c}}, View: b.log.View(), State: "state/alerts.json", Now: ck.now, FS: disk, Logger: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	w := open(disk, c, b.clock)
	type crash struct {
		disk *vfs.Mem
		told []notify.Notice
		at   time.Time
	}
	var crashes []crash
	disk.SetHook(func(op vfs.Op) error {
		if op.Kind.Changes() {
			for range 3 {
				crashes = append(crashes, crash{disk.CrashClone(rng), slices.Clone(c.list), b.clock.now()})
			}
		}
		return nil
	})
	b.add("web1", 3)
	drive(t, w, c, b.clock)
	if got := c.lines(); !slices.Equal(got, []string{"firing a web1", "resolved a web1"}) {
		t.Fatal(got)
	}
	if len(crashes) < 30 {
		t.Fatalf("only %d crashes", len(crashes))
	}
	for i, x := range crashes {
		after, ck := &told{list: x.told}, &clock{t: x.at}
		drive(t, open(x.disk, after, ck), after, ck)
		ids := map[string]int{}
		for _, n := range after.list {
			ids[n.ID]++
		}
		lines := after.lines()
		if len(ids) != 2 || len(lines) > 3 || lines[0] != "firing a web1" || lines[len(lines)-1] != "resolved a web1" {
			t.Errorf("crash %d: told was %q", i, lines)
		}
	}
}
