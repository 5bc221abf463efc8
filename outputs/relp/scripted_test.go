package relp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	wire "github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
	"github.com/syslane/syslane/outputs/outputtest"
	output "github.com/syslane/syslane/outputs/relp"
)

// scripted is a RELP server that answers what a test tells it to.
type scripted struct {
	addr string
	mu   sync.Mutex
	// got are the data of the frames with the commands that messages come in, in
	// the order of their arrival; sessions is the number of sessions opened.
	got      []string
	sessions int
	closed   int // "close" commands
	// stops: it answers no "close", as one that is frozen after "open" does not.
	stops bool
}

// answer is what a scripted server does with a frame: the octets it writes, and
// whether it then closes the connection.
type answer struct {
	write string
	end   bool
}

func ok(txnr uint32) answer { return answer{write: string(wire.AppendOK(nil, txnr))} }

func refuse(txnr uint32, text string) answer {
	return answer{write: string(wire.AppendResponse(nil, txnr, wire.CodeError, text, nil))}
}

// startScripted runs a server that opens plain sessions and answers messages
// with what script says. Calls of script do not overlap.
func startScripted(t *testing.T, script func(txnr uint32, data string) answer) *scripted {
	return startScriptedOpen(t, func(txnr uint32, _ string) answer {
		return answer{write: string(wire.AppendResponse(nil, txnr, wire.CodeOK, "OK", []byte("relp_version=0\ncommands=syslog")))}
	}, script)
}

func startScriptedOpen(t *testing.T, open, script func(txnr uint32, data string) answer) *scripted {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scripted{addr: l.Addr().String()}
	var running sync.WaitGroup
	stop := make(chan struct{})
	t.Cleanup(func() { close(stop); l.Close(); running.Wait() })
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				ended := make(chan struct{})
				defer close(ended)
				go func() {
					select {
					case <-stop:
						c.Close()
					case <-ended:
					}
				}()
				s.serve(c, open, script)
			})
		}
	})
	return s
}

func (s *scripted) serve(c net.Conn, open, script func(txnr uint32, data string) answer) {
	r := wire.NewReader(func([]byte) (int, bool) { return wire.MaxBatchData, false })
	for {
		f, whole, err := r.Next()
		if err != nil {
			return
		}
		if !whole {
			if n, err := r.Fill(c); n == 0 && err != nil {
				return
			}
			continue
		}
		if !s.handle(c, f, open, script) {
			return
		}
	}
}

func (s *scripted) handle(c net.Conn, f wire.Frame, open, script func(txnr uint32, data string) answer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var a answer
	switch string(f.Command) {
	case wire.CmdOpen:
		s.sessions++
		a = open(f.Txnr, string(f.Data))
	case wire.CmdClose:
		if s.closed++; s.stops {
			return true
		}
		a = answer{write: fmt.Sprintf("%d rsp 0\n0 serverclose 0\n", f.Txnr), end: true} // as librelp does
	default:
		s.got = append(s.got, string(f.Data))
		a = script(f.Txnr, string(f.Data))
	}
	if _, err := c.Write([]byte(a.write)); err != nil {
		return false
	}
	return !a.end
}

func (s *scripted) state() (got []string, sessions, closed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.got...), s.sessions, s.closed
}

func TestAnswersMayComeInAnyOrder(t *testing.T) {
	held := ""
	n := 0
	s := startScripted(t, func(txnr uint32, _ string) answer {
		held = ok(txnr).write + held
		if n++; n%4 != 0 {
			return answer{}
		}
		a := answer{write: held}
		held = ""
		return a
	})
	o := startOutput(t, output.Config{Targets: []string{s.addr}, Window: 4})
	if err := o.Write(t.Context(), batchOf(1, 100)); err != nil {
		t.Fatal(err)
	}
	got, _, _ := s.state()
	if repeated := expectNumbers(t, got, 1, 100); repeated != 0 {
		t.Errorf("%d messages came twice", repeated)
	}
}

func TestAServerThatHasHadOtherMessagesUnderEveryNameIsGivenUp(t *testing.T) {
	names := make(map[string]bool)
	s := startScriptedOpen(t, func(txnr uint32, data string) answer {
		offers, err := wire.ParseOffers([]byte(data))
		if err != nil {
			t.Error(err)
		}
		names[offers.Value(wire.OfferStream)] = true
		last := "syslane_last=9," + syslog.ID{15: byte(txnr), 14: byte(txnr >> 8)}.String()
		return answer{write: string(wire.AppendResponse(nil, txnr, wire.CodeOK, "OK",
			[]byte("relp_version=0\ncommands=syslog,batch\nsyslane_link=1\n"+last)))}
	}, func(txnr uint32, _ string) answer { return ok(txnr) })
	o := startOutput(t, output.Config{Targets: []string{s.addr}, ConnectTimeout: time.Minute})
	err := o.Write(t.Context(), outputtest.WithIDs(batchOf(1, 10)))
	if err == nil || !strings.Contains(err.Error(), "give the output another name") {
		t.Errorf("Write returned %v", err)
	}
	if got, _, _ := s.state(); len(got) != 0 || len(names) != 1001 {
		t.Errorf("%d batches were sent, %d names tried; want 0 and 1001", len(got), len(names))
	}
}

func TestNoMoreThanTheWindowIsOnItsWay(t *testing.T) {
	var answers atomic.Bool
	s := startScripted(t, func(txnr uint32, _ string) answer {
		if !answers.Load() {
			return answer{}
		}
		return ok(txnr)
	})
	o := startOutput(t, output.Config{Targets: []string{s.addr}, Window: 10, AckTimeout: 2 * time.Second})
	if err := o.Write(t.Context(), batchOf(1, 95)); err == nil {
		t.Fatal("messages without an answer count as written")
	}
	got, _, _ := s.state()
	if repeated := expectNumbers(t, got, 1, 10); repeated != 0 {
		t.Errorf("%d messages came twice", repeated)
	}

	answers.Store(true)
	if err := o.Write(t.Context(), batchOf(1, 95)); err != nil {
		t.Fatal(err)
	}
	got, _, _ = s.state()
	if repeated := expectNumbers(t, got, 1, 95); repeated != 10 {
		t.Errorf("%d messages came twice, want the 10 without an answer", repeated)
	}
}

func TestAMessageThatIsAlwaysRefusedIsRejectedAndTheOthersAreSentOnce(t *testing.T) {
	s := startScripted(t, func(txnr uint32, data string) answer {
		if strings.HasSuffix(data, "00000042") {
			return refuse(txnr, "I do not like it")
		}
		return ok(txnr)
	})
	o := startOutput(t, output.Config{Targets: []string{s.addr}})
	rejected := writeAll(t, o, batchOf(1, 100))
	if rejected == nil || len(rejected.Items) != 1 || rejected.Items[0] != (outputs.Rejection{Index: 41, Status: 500, Reason: "I do not like it"}) {
		t.Fatalf("rejected is %+v", rejected)
	}
	got, sessions, _ := s.state()
	if repeated := expectNumbers(t, got, 1, 100); repeated != 7 {
		t.Errorf("%d repeats, want the 7 of the message refused 8 times", repeated)
	}
	if sessions != 1 {
		t.Errorf("%d sessions, want one", sessions)
	}
	if err := o.Write(t.Context(), batchOf(101, 10)); err != nil {
		t.Error(err)
	}
}

func TestAServerThatRefusesEverythingForAWhileCostsNothing(t *testing.T) {
	attempts := 0
	s := startScripted(t, func(txnr uint32, data string) answer {
		if attempts++; attempts <= 20*7 {
			return refuse(txnr, "disk full")
		}
		return ok(txnr)
	})
	o := startOutput(t, output.Config{Targets: []string{s.addr}})
	if rejected := writeAll(t, o, batchOf(1, 20)); rejected != nil {
		t.Fatalf("rejected is %+v", rejected)
	}
}

func TestAMessageThatEndsEveryConnectionIsFoundAndRejected(t *testing.T) {
	s := startScripted(t, func(txnr uint32, data string) answer {
		if strings.HasSuffix(data, "00000042") {
			return answer{end: true}
		}
		return ok(txnr)
	})
	o := startOutput(t, output.Config{Targets: []string{s.addr}})
	rejected := writeAll(t, o, batchOf(1, 100))
	if rejected == nil || len(rejected.Items) != 1 || rejected.Items[0].Index != 41 {
		t.Fatalf("rejected is %+v", rejected)
	}
	got, _, _ := s.state()
	expectNumbers(t, got, 1, 100)
}

func TestAServerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	silent := startScripted(t, func(uint32, string) answer { return answer{} })
	o := startOutput(t, output.Config{Targets: []string{silent.addr}, AckTimeout: 500 * time.Millisecond})
	err := o.Write(t.Context(), batchOf(1, 10))
	if err == nil || !strings.Contains(err.Error(), "does not answer for 500ms") || !strings.Contains(err.Error(), silent.addr) {
		t.Fatalf("got %v", err)
	}
}

func TestAFailingTargetIsLeftForTheNext(t *testing.T) {
	silent := startScripted(t, func(uint32, string) answer { return answer{} })
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	good := startScripted(t, func(txnr uint32, _ string) answer { return ok(txnr) })
	o := startOutput(t, output.Config{Targets: []string{dead.Addr().String(), silent.addr, good.addr}, AckTimeout: 500 * time.Millisecond})
	if err := o.Write(t.Context(), batchOf(1, 10)); err != nil {
		t.Fatal(err)
	}
	got, _, _ := good.state()
	expectNumbers(t, got, 1, 10)
}

func TestAServerThatWantsNoSuchOfferIsOpenedPlain(t *testing.T) {
	s := startScriptedOpen(t, func(txnr uint32, data string) answer {
		if strings.Contains(data, "batch") {
			return refuse(txnr, "unknown offer")
		}
		return answer{write: string(wire.AppendResponse(nil, txnr, wire.CodeOK, "OK", []byte("relp_version=0\ncommands=syslog")))}
	}, func(txnr uint32, _ string) answer { return ok(txnr) })
	o := startOutput(t, output.Config{Targets: []string{s.addr}})
	if err := o.Write(t.Context(), batchOf(1, 10)); err != nil {
		t.Fatal(err)
	}
}

func TestABatchThatIsAlwaysRefusedIsNarrowedDownToTheEvent(t *testing.T) {
	taken := make(map[string]int)
	var d wire.BatchDecoder
	s := startScriptedOpen(t, func(txnr uint32, _ string) answer {
		return answer{write: string(wire.AppendResponse(nil, txnr, wire.CodeOK, "OK", []byte("commands=syslog,batch\nsyslane_link=1")))}
	}, func(txnr uint32, data string) answer {
		b, err := d.Decode([]byte(data), nil)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(b.Records), "number 00000042") {
			a := refuse(txnr, "bad batch: events")
			a.end = true
			return a
		}
		for i := b.First; i < b.Next; i++ {
			taken[fmt.Sprintf("number %d", i)]++
		}
		return ok(txnr)
	})
	o := startOutput(t, output.Config{Targets: []string{s.addr}})
	rejected := writeAll(t, o, batchOf(1, 100))
	if rejected == nil || len(rejected.Items) != 1 || rejected.Items[0].Index != 41 || rejected.Items[0].Status != 500 {
		t.Fatalf("rejected is %+v", rejected)
	}
	for i := 1; i <= 100; i++ {
		if times := taken[fmt.Sprintf("number %d", i)]; times != 1 && i != 42 {
			t.Errorf("event %d was taken %d times", i, times)
		}
	}
}

func TestWriteReturnsWhenItsContextEnds(t *testing.T) {
	reached := make(chan struct{}, 100)
	silent := startScripted(t, func(uint32, string) answer { reached <- struct{}{}; return answer{} })
	o := startOutput(t, output.Config{Targets: []string{silent.addr}})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-reached; cancel() }()
	if err := o.Write(ctx, batchOf(1, 10)); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestCloseSaysGoodbye(t *testing.T) {
	s := startScripted(t, func(txnr uint32, _ string) answer { return ok(txnr) })
	o := startOutput(t, output.Config{Targets: []string{s.addr}})
	if err := o.Write(t.Context(), batchOf(1, 1)); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	o.Close()
	if took := time.Since(began); took >= 2*time.Second { // which is when Close waits no longer
		t.Errorf("close took %s", took)
	}
	if _, _, closed := s.state(); closed != 1 {
		t.Error("the server was not told")
	}
}

func TestAServerThatAnswersWhatItWasNotAskedIsLeft(t *testing.T) {
	f := func(name, write string) {
		t.Run(name, func(t *testing.T) {
			s := startScripted(t, func(uint32, string) answer { return answer{write: write} })
			o := startOutput(t, output.Config{Targets: []string{s.addr}, AckTimeout: 2 * time.Second})
			if err := o.Write(t.Context(), batchOf(1, 1)); err == nil || strings.Contains(err.Error(), "does not answer") {
				t.Errorf("got %v", err)
			}
		})
	}
	f("another transaction", "77 rsp 6 200 OK\n")
	f("transaction 0", "0 rsp 6 200 OK\n")
	f("no code", "2 rsp 2 OK\n")
	f("no frame", "HTTP/1.1 400 Bad Request\r\n")
	f("a huge answer", "2 rsp 999999999 ")
}
