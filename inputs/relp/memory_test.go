package relp_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syslane/syslane/inputs/inputtest"
	"github.com/syslane/syslane/inputs/relp"
)

func TestMuchThatIsSentAgainIsStoredOnceWhereMemoryIsShort(t *testing.T) {
	l := &log{}
	in := start(t, config{quiet: true}, l.restart(t, -1, -1))
	messages := make([]string, 4000) // more than is held then
	for i := range messages {
		messages[i] = stamped(i)
	}
	p := dial(t, in)
	p.open()
	p.deliver(2, messages...)
	p.Close()
	relp.Hold(in, 1<<30)
	defer relp.Hold(in, -1<<30)
	p = dial(t, in)
	p.open()
	p.deliver(2, append(messages, stamped(len(messages)))...)
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Sort(l.messages)
	if n := len(slices.Compact(slices.Clone(l.messages))); n != len(messages)+1 || n != len(l.messages) {
		t.Errorf("%d messages are stored, %d different ones, want %d", len(l.messages), n, len(messages)+1)
	}
}

func TestConnectionsHoldLittleTogetherWhereNothingCanBeStored(t *testing.T) {
	const (
		peers    = 100
		messages = 2000
	)
	store := &store{gate: make(chan struct{})}
	in := start(t, config{quiet: true}, store)
	text := strings.Repeat("x", 1000)
	var octets, answers strings.Builder
	for n := 2; n < messages+2; n++ {
		fmt.Fprintf(&octets, "%d syslog %d %s\n", n, len(text), text)
		fmt.Fprintf(&answers, "%d rsp 6 200 OK\n", n)
	}
	var writing sync.WaitGroup
	all := make([]*peer, peers)
	for i := range all {
		p := dial(t, in)
		p.open()
		all[i] = p
		writing.Go(func() {
			if _, err := io.WriteString(p, octets.String()); err != nil {
				t.Error(err)
			}
		})
	}
	var queued, buffers int64
	inputtest.Eventually(t, "the connections take no more", func() bool {
		before, _ := relp.Memory(in)
		time.Sleep(100 * time.Millisecond)
		queued, buffers = relp.Memory(in)
		return queued == before && queued > 0
	})
	mostQueued, mostBuffers := relp.MaxMemory(peers)
	if queued > mostQueued || buffers > mostBuffers {
		t.Errorf("%d octets of messages are held and %d of buffers, want at most %d and %d", queued, buffers, mostQueued, mostBuffers)
	}
	close(store.gate)
	for _, p := range all {
		p.expect(answers.String())
	}
	writing.Wait()
	if n := store.count(text); n != peers*messages {
		t.Errorf("%d messages are stored, want %d", n, peers*messages)
	}
}
