package sink

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/syslane/syslane/bench/load"
	"github.com/syslane/syslane/internal/relp"
)

func TestFramesAreCountedHoweverTheyAreCut(t *testing.T) {
	f := func(stream string, want int) {
		t.Helper()
		for size := 1; size <= len(stream); size++ {
			var f framing
			got, kept := 0, ""
			for at := 0; at < len(stream); at += size {
				have := kept + stream[at:min(at+size, len(stream))]
				n, used := f.count([]byte(have))
				got, kept = got+n, have[used:]
			}
			if got != want {
				t.Errorf("%q in pieces of %d: %d messages, want %d", stream, size, got, want)
			}
		}
	}
	f("<1>a\n<2>bb\n", 2)
	f("<1>a\n<2>bb", 1)
	f("4 <1>a11 <2>bb\ncc dd5 <3>ee", 3)
}

func TestEmptyLinesBetweenDocumentsAreNotCounted(t *testing.T) {
	f := func(body string, want int) {
		t.Helper()
		for size := 1; size <= len(body); size++ {
			var l bulkLines
			for at := 0; at < len(body); at += size {
				l.count([]byte(body[at:min(at+size, len(body))]))
			}
			if l.lines != want {
				t.Errorf("%q in pieces of %d: %d lines, want %d", body, size, l.lines, want)
			}
		}
	}
	f("{}\n{}\n", 2)
	f("{}\n{}\n\n{}\n{}\n\n", 4)
	f("\n\n\n{}\n\n\n{}\n", 2)
}

func TestABulkRequestIsAnsweredWithOneItemADocument(t *testing.T) {
	numbers := NewNumbers(1500)
	s, err := Bulk("127.0.0.1:0", numbers)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var body strings.Builder
	for n := range 1500 {
		fmt.Fprintf(&body, "{\"create\":{}}\n{\"message\":\"%s%0*d\"}\n\n", load.Mark, load.Digits, n)
	}
	resp, err := http.Post("http://"+s.Addr()+"/_bulk", "application/x-ndjson", strings.NewReader(body.String()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(answer), `"status":201`); got != 1500 || !strings.HasSuffix(string(answer), "}}]}") {
		t.Errorf("%d items, want 1500; the answer ends with %q", got, answer[len(answer)-20:])
	}
	if got := s.Tally().Messages(); got != 1500 {
		t.Errorf("%d documents were counted, want 1500", got)
	}
	if err := numbers.Check(false); err != nil {
		t.Error(err)
	}
}

func TestNumbersTellWhatIsMissingTwiceOrStrange(t *testing.T) {
	f := func(texts string, repeats, good bool) {
		t.Helper()
		n := NewNumbers(2)
		n.look([]byte(texts))
		if err := n.Check(repeats); (err == nil) != good {
			t.Errorf("%q: %v", texts, err)
		}
	}
	f("seq=000000000 seq=000000001", false, true)
	f("seq=000000000", false, false)
	f("seq=000000000 seq=000000001 seq=000000001", false, false)
	f("seq=000000000 seq=000000001 seq=000000001", true, true)
	f("seq=000000000 seq=000000001 seq=000000002", true, false)
	f("seq=000000000 seq=000000001 seq=", true, false)
}

func TestRELPSessionsAreAnswered(t *testing.T) {
	m, err := load.NewMessages(1000, "")
	if err != nil {
		t.Fatal(err)
	}
	numbers := NewNumbers(m.Count())
	s, err := RELP("127.0.0.1:0", numbers)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	session, err := load.DialRELP(s.Addr(), 3, 16)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Prepare(m)(); err != nil {
		t.Fatal(err)
	}
	if err := s.Tally().Wait(context.Background(), m.Count()); err != nil {
		t.Fatal(err)
	}
	if err := numbers.Check(false); err != nil {
		t.Error(err)
	}
}

func TestTheLinkIsGrantedToWhoOffersIt(t *testing.T) {
	answer := func(offers string) relp.Offers {
		t.Helper()
		o, err := relp.ParseOffers(openAnswer([]byte(offers)))
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	if o := answer("relp_version=0\ncommands=syslog\n"); o.Has(relp.OfferCommands, relp.CmdBatch) {
		t.Errorf("a plain client was granted the link: %v", o)
	}
	if o := answer("relp_version=0\ncommands=syslog,batch\nsyslane_link=1\nsyslane_stream=a/b\n"); !o.Has(relp.OfferCommands, relp.CmdBatch) {
		t.Errorf("the link was not granted: %v", o)
	}
}
