package relp_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/inputs"
	wire "github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
)

// eventStore takes events too, and remembers the batches.
type eventStore struct {
	store
	resume  map[string]inputs.Resume
	lock    sync.Mutex
	batches []inputs.EventBatch
}

func (s *eventStore) SubmitEvents(_ context.Context, b *inputs.EventBatch) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	kept := *b
	kept.Events = bytes.Clone(b.Events)
	s.batches = append(s.batches, kept)
	return nil
}

func (s *eventStore) Resume(stream string, from uint64) inputs.Resume {
	if from != 7 {
		panic("the sender goes on at 7")
	}
	return s.resume[stream]
}

func (s *eventStore) taken() []inputs.EventBatch {
	s.lock.Lock()
	defer s.lock.Unlock()
	return append([]inputs.EventBatch(nil), s.batches...)
}

// run returns a run of n events.
func run(n int) []byte {
	var b []byte
	for i := range n {
		e := syslog.Event{ID: syslog.MakeID(time.Unix(1_700_000_000, int64(i)), [4]byte{1}, uint32(i)), Input: "udp"}
		e.Raw, e.Format, e.Timestamp = fmt.Appendf(nil, "<1>event %d", i), syslog.RFC3164, syslog.NoTimestamp
		e.Text = syslog.Span{Start: 3, End: uint32(len(e.Raw))}
		b = syslog.AppendRecord(b, &e)
	}
	return b
}

// batchFrame returns a batch frame as text.
func batchFrame(t testing.TB, txnr uint32, codec wire.Codec, b wire.Batch) string {
	t.Helper()
	e, err := wire.NewBatchEncoder(codec)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.AppendFrame(nil, txnr, b))
}

const linkOffers = "relp_version=0\ncommands=syslog,batch\nsyslane_link=1\nsyslane_stream=abc/out\nsyslane_from=7"

func openWith(offers string) string { return fmt.Sprintf("1 open %d %s\n", len(offers), offers) }

func answerWith(offers string) string {
	offers = "200 OK\nrelp_version=0\nrelp_software=syslane\n" + offers
	return fmt.Sprintf("1 rsp %d %s\n", len(offers), offers)
}

func TestTheLinkIsGrantedToThoseWhoMaySetEnvelopes(t *testing.T) {
	plain := answerWith("commands=syslog")
	f := func(name string, sink inputs.Sink, from []netip.Prefix, offers, want string) {
		t.Run(name, func(t *testing.T) {
			p := dial(t, start(t, config{linkFrom: from}, sink))
			p.send(openWith(offers))
			p.expect(want)
		})
	}
	last := syslog.ID{1, 2, 3}
	events := &eventStore{resume: map[string]inputs.Resume{"abc/out": {Have: []inputs.Range{{First: 7, Next: 42}, {First: 49, Next: 50}}, End: 50, Last: last}}}
	linked := answerWith("commands=syslog,batch\nsyslane_link=1\nsyslane_codecs=0,1,2,3,4\nsyslane_have=7-41,49-49\nsyslane_last=49," + last.String())
	f("this host", events, nil, linkOffers, linked)
	f("an address listed", events, []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, linkOffers, linked)
	f("a newer peer that still knows this version", events, nil, strings.Replace(linkOffers, "link=1", "link=2,1", 1), linked)
	f("a stream not known", events, nil, strings.Replace(linkOffers, "abc", "new", 1), answerWith("commands=syslog,batch\nsyslane_link=1\nsyslane_codecs=0,1,2,3,4"))
	f("another address", events, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, linkOffers, plain)
	f("no address", events, []netip.Prefix{}, linkOffers, plain)
	f("a sink that takes no events", &store{}, nil, linkOffers, plain)
	f("another version", events, nil, strings.Replace(linkOffers, "link=1", "link=2", 1), plain)
	f("no stream", events, nil, strings.Replace(linkOffers, "abc/out", "", 1), plain)
	f("a stream with a space", events, nil, strings.Replace(linkOffers, "abc/out", "abc out", 1), plain)
	f("a stream that pretends to an identity", events, nil, strings.Replace(linkOffers, "abc/out", "relay1:abc/out", 1), plain)
	f("two streams", events, nil, strings.Replace(linkOffers, "abc/out", "abc/out,1", 1), plain)
	f("a stream offered twice", events, nil, linkOffers+"\nsyslane_stream=new/out", plain)
	f("no batch", events, nil, strings.Replace(linkOffers, ",batch", "", 1), plain)
}

func TestBatchesReachTheSinkVerbatim(t *testing.T) {
	sink := &eventStore{}
	in := start(t, config{}, sink)
	p := dial(t, in)
	p.send(openWith(linkOffers))
	p.expect(answerWith("commands=syslog,batch\nsyslane_link=1\nsyslane_codecs=0,1,2,3,4"))
	events := run(500)
	p.send(batchFrame(t, 2, wire.CodecZstd, wire.Batch{First: 7, Next: 507, Count: 500, Records: events}) +
		"3 syslog 3 <1>\n" +
		batchFrame(t, 4, wire.CodecS2, wire.Batch{First: 507, Next: 2000, Count: 500, Records: events}))
	p.expect("2 rsp 6 200 OK\n3 rsp 6 200 OK\n4 rsp 6 200 OK\n")
	got := sink.taken()
	if len(got) != 2 || sink.count("<1>") != 1 {
		t.Fatalf("%d batches", len(got))
	}
	for i, b := range got {
		if b.Stream != "abc/out" || b.Count != 500 || !bytes.Equal(b.Events, events) || b.Input != "relp" || b.Origin.Source.String() != p.LocalAddr().String() {
			t.Errorf("batch %d came as %+v", i, b)
		}
	}
	if got[0].First != 7 || got[0].Next != 507 || got[1].First != 507 || got[1].Next != 2000 {
		t.Errorf("positions are %d-%d and %d-%d", got[0].First, got[0].Next, got[1].First, got[1].Next)
	}
}

// packedFrame is a batch of a run as the log of its sender holds it.
func packedFrame(txnr uint32, b wire.Batch, run []byte) string {
	return string(wire.AppendPackedFrame(nil, txnr, b, []wire.Packed{{Codec: wire.CodecS2, Raw: len(run), Octets: s2.Encode(nil, run)}}))
}

func TestPackedBatchesReachTheSinkAsEventsAndOnlyFromThoseWhoMayLink(t *testing.T) {
	events := run(500)
	frame := packedFrame(2, wire.Batch{First: 7, Next: 507, Count: 500}, events)
	sink := &eventStore{}
	p := dial(t, start(t, config{}, sink))
	p.send(openWith(linkOffers))
	p.expect(answerWith("commands=syslog,batch\nsyslane_link=1\nsyslane_codecs=0,1,2,3,4"))
	p.send(frame)
	p.expect("2 rsp 6 200 OK\n")
	if got := sink.taken(); len(got) != 1 || !bytes.Equal(got[0].Events, events) || got[0].Count != 500 {
		t.Errorf("%d batches came", len(got))
	}
	stranger := dial(t, start(t, config{linkFrom: []netip.Prefix{}}, sink))
	stranger.send(openWith(linkOffers))
	stranger.expect(answerWith("commands=syslog"))
	stranger.send(frame)
	if answer, err := stranger.r.ReadString('\n'); err == nil && !strings.Contains(answer, " 500 ") {
		t.Errorf("a batch of a stranger is answered %q", answer)
	}
	if got := sink.taken(); len(got) != 1 {
		t.Errorf("%d batches are stored, want 1", len(got))
	}
}

func TestADamagedBatchIsRefusedAndLeavesNothingBehind(t *testing.T) {
	good := run(10)
	event := func(change func(e *syslog.Event)) []byte {
		e := syslog.Event{Message: syslog.Message{Raw: []byte("x"), Timestamp: syslog.NoTimestamp}}
		change(&e)
		return syslog.AppendRecord(nil, &e)
	}
	f := func(name string, count int, records []byte) {
		t.Run(name, func(t *testing.T) {
			sink := &eventStore{}
			reg := prometheus.NewRegistry()
			p := dial(t, start(t, config{registerer: reg}, sink))
			p.send(openWith(linkOffers))
			p.expect(answerWith("commands=syslog,batch\nsyslane_link=1\nsyslane_codecs=0,1,2,3,4"))
			p.send(batchFrame(t, 2, wire.CodecNone, wire.Batch{First: 1, Next: 11, Count: 10, Records: good}) +
				batchFrame(t, 3, wire.CodecNone, wire.Batch{First: 11, Next: 21, Count: count, Records: records}))
			p.expect("2 rsp 6 200 OK\n3 rsp ")
			if rest, err := p.r.ReadString(' '); err != nil || rest == "6 " {
				t.Fatalf("a damaged batch was answered %q", rest)
			}
			if code, err := p.r.ReadString(' '); err != nil || code != "500 " {
				t.Fatalf("a damaged batch was answered %q", code)
			}
			if _, err := p.r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			p.expectEnd()
			if n := len(sink.taken()); n != 1 {
				t.Errorf("%d batches were stored, want the good one", n)
			}
			expectMetric(t, reg, "syslane_input_bad_batches_total", 1)
		})
	}
	f("fewer records than it says", 10, run(9))
	f("more records than it says", 9, run(10))
	f("half a record", 10, good[:len(good)-1])
	f("a record that is no event", 1, []byte{3, 'a', 'b', 'c'})
	f("a record longer than the run", 1, []byte{200, 1, 'x'})
	f("facility out of range", 1, event(func(e *syslog.Event) { e.Facility = 24 }))
	f("format out of range", 1, event(func(e *syslog.Event) { e.Format = 3 }))
	f("a span beyond the octets", 1, event(func(e *syslog.Event) { e.Text = syslog.Span{Start: 0, End: 100} }))
}

func FuzzConnection(f *testing.F) {
	events := run(3)
	link := openWith(linkOffers)
	for _, s := range []string{
		openFrame + "2 syslog 3 <1>\n3 close 0\n",
		openFrame + "2 syslog 31 0123456789\n3 syslog 5 wrong\nabc\n3 syslog 2 ok\n",
		openFrame + "2 syslog 99999999999 x", "GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		link + batchFrame(f, 2, wire.CodecNone, wire.Batch{First: 1, Next: 4, Count: 3, Records: events}),
		link + batchFrame(f, 2, wire.CodecS2, wire.Batch{First: 1, Next: 4, Count: 3, Records: events}),
		link + batchFrame(f, 2, wire.CodecZstd, wire.Batch{First: 1, Next: 9, Count: 3, Records: events}) + "3 open 0\n4 close 0\n",
		link + packedFrame(2, wire.Batch{First: 1, Next: 4, Count: 3}, events),
		openFrame + packedFrame(2, wire.Batch{First: 1, Next: 4, Count: 3}, events),
	} {
		f.Add([]byte(s))
	}
	sink := &limitedSink{}
	in := start(f, config{maxMessageSize: 10, quiet: true}, sink)
	f.Fuzz(func(t *testing.T, stream []byte) {
		c, err := net.Dial("tcp", in.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		p := newPeer(t, c)
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			c.Write(stream)
			c.(*net.TCPConn).CloseWrite()
		}()
		// Whatever was sent, the server answers in frames and then ends.
		r := wire.NewReader(func([]byte) (int, bool) { return wire.MaxOpenData, false })
		for {
			frame, ok, err := r.Next()
			if err != nil {
				t.Fatalf("the server sent a bad frame: %v", err)
			}
			if ok {
				if cmd := string(frame.Command); cmd != wire.CmdResponse && cmd != wire.CmdServerClose {
					t.Fatalf("the server sent %q", cmd)
				}
				continue
			}
			if n, err := r.Fill(p.r); n == 0 && err != nil {
				break
			}
		}
		c.Close()
		<-sent
		if err := sink.broken(); err != nil {
			t.Fatal(err)
		}
	})
}

// limitedSink checks that nothing impossible reaches the sink, and keeps nothing.
type limitedSink struct {
	mu  sync.Mutex
	err error
}

func (s *limitedSink) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
	}
}

func (s *limitedSink) broken() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *limitedSink) Submit(_ context.Context, b *inputs.Batch) error {
	for _, f := range b.Frames {
		if n := f.End - f.Start; n < 1 || n > 10 || int(f.End) > len(b.Data) || len(b.Origins) != 1 {
			s.note(fmt.Errorf("frame %+v in a batch of %d octets", f, len(b.Data)))
		}
	}
	return nil
}

func (s *limitedSink) SubmitEvents(_ context.Context, b *inputs.EventBatch) error {
	if n, ok := syslog.CountRecords(b.Events); !ok || n != b.Count || b.Next-b.First < uint64(n) {
		s.note(fmt.Errorf("batch %d-%d of %d records holds %d", b.First, b.Next, b.Count, n))
	}
	return nil
}

func (s *limitedSink) Resume(string, uint64) inputs.Resume { return inputs.Resume{} }
