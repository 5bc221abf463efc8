package web

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/syslane/syslane/search"
)

// fakeTailer looks for the past until it is told that it has it.
type fakeTailer struct {
	fakeSearcher
	begun chan struct{}
	past  chan struct{}
}

func (f *fakeTailer) Tail(ctx context.Context, r search.TailRequest, found func(search.TailItem) error) error {
	if r.Last > 0 {
		if r.Patience != DefaultSearchTimeout {
			return fmt.Errorf("the past may take %v", r.Patience)
		}
		f.begun <- struct{}{}
		select {
		case <-f.past:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := found(search.TailItem{Cursor: "1"}); err != nil {
		return err
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

func TestThePastOfATailIsASearch(t *testing.T) {
	f := &fakeTailer{begun: make(chan struct{}, 9), past: make(chan struct{})}
	_, url := start(t, Config{Searcher: f, MaxSearches: 3, Gatherer: prometheus.NewRegistry()})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	begun := make(chan struct{})
	for range 2 {
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+search.API+"tail?last=1", nil)
		go func() {
			if response, err := http.DefaultClient.Do(r); err == nil {
				defer response.Body.Close()
				begun <- struct{}{}
				<-ctx.Done()
			}
		}()
		<-f.begun
	}
	if status, body, _ := get(t, url+search.Path); status != 429 || !strings.Contains(body, "2 of them yours") {
		t.Errorf("beside two that look for the past a search is answered %d %s", status, body)
	}
	if status, body, _ := get(t, url+search.API+"tail?last=1"); status != 429 || !strings.Contains(body, "2 of them yours") {
		t.Errorf("and a third tail %d %s", status, body)
	}
	close(f.past)
	for range 2 {
		<-begun
	}
	if status, body, _ := get(t, url+search.Path); status != 200 {
		t.Errorf("beside two that follow a search is answered %d %s", status, body)
	}
}

// What is held for a client that reads nothing is held within its searches.
func TestASearchLastsUntilItsAnswerIsWritten(t *testing.T) {
	f := repeating{row: `{"host":"web1","count":1,"of":"a row that is neither short nor long"}`, times: 200_000, after: func() error { return nil }}
	s, url := start(t, Config{Searcher: f, MaxSearches: 3, Gatherer: prometheus.NewRegistry()})
	var conns []net.Conn
	for range 2 {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %stop?field=host HTTP/1.1\r\nHost: localhost\r\n\r\n", search.API)
		conns = append(conns, conn)
	}
	for deadline := time.Now().Add(10 * time.Second); len(s.searches) < 2 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond) // for them to write all that they can
	if status, body, _ := get(t, url+search.Path); status != 429 {
		t.Errorf("beside two whose answers nobody reads a search is answered %d %.200s", status, body)
	}
	for _, conn := range conns {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != 200 {
			t.Errorf("answered %v, %v", response, err)
		}
		conn.Close()
	}
	for range 100 {
		if status, _, _ := get(t, url+search.Path); status == 200 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("their place is not given back")
}
