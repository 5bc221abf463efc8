package relp

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// errAckTimeout: the server is connected but does not answer.
var errAckTimeout = errors.New("the server does not answer")

// looks is how often AckTimeout is divided to see whether the server is alive.
const looks = 8

// watch gives a session up whose server shows no sign of life for as long as
// AckTimeout while answers are waited for. To be slow is no such failure: an answer is
// a sign of life, and so is that octets still arrive, since over a narrow line a batch
// can take longer than AckTimeout. Of a server that has stopped the kernel takes no
// more than a receive buffer.
type watch struct {
	lane  *lane
	s     *session
	timer *time.Timer

	mu           sync.Mutex
	ended        bool
	answers      int
	acknowledged uint64
	last         time.Time // of the last sign of life
}

// watch begins to watch s, until the function that it returns is called.
func (o *lane) watch(s *session) (done func()) {
	w := &watch{lane: o, s: s, last: time.Now(), answers: s.window.answered(), acknowledged: acknowledged(s.tcp)}
	w.timer = time.AfterFunc(o.cfg.AckTimeout/looks, w.look)
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended = true
		w.timer.Stop()
	}
}

func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	answers, octets := w.s.window.answered(), acknowledged(w.s.tcp)
	patience := w.lane.cfg.AckTimeout
	switch {
	case answers != w.answers || octets != w.acknowledged:
		w.answers, w.acknowledged, w.last = answers, octets, time.Now()
		w.lane.Heard()
	case time.Since(w.last) >= patience:
		w.s.window.fail(fmt.Errorf("%w for %s", errAckTimeout, patience))
		w.s.net.SetWriteDeadline(time.Unix(1, 0))
		return
	}
	w.timer.Reset(patience / looks)
}
