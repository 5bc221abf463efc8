package udp

import "time"

const (
	// Where paceFrom datagrams come within maxPause, the next wake-up is put off by up to
	// maxPause: each wake-up, and each sync of the log, costs as much as receiving
	// dozens. A lone message never waits.
	paceFrom = 8
	maxPause = 8 * time.Millisecond
	// minPause is not worth the sleep.
	minPause = 100 * time.Microsecond
	// overhead is about what the kernel charges for a datagram beside its octets, and
	// paceShare the share of the receive buffer that may fill during a pause: where the
	// rate rises eightfold at once, nothing is lost.
	overhead  = 1 << 10
	paceShare = 8
)

// pace puts off the wake-ups of a socket where datagrams come fast.
type pace struct {
	most   int       // octets that may gather in the kernel during a pause
	since  time.Time // when was counted from
	n      int       // datagrams since
	octets int       // of these, as the kernel counts them
}

func newPace(granted int) pace { return pace{most: granted / paceShare} }

// came counts a datagram.
func (p *pace) came(octets int) {
	p.n++
	p.octets += octets + overhead
}

// drained is called when the kernel holds no more, and sleeps.
func (p *pace) drained(now time.Time) {
	if pause := p.pause(now); pause >= minPause {
		time.Sleep(pause)
	}
}

// pause is for how long to sleep from now on.
func (p *pace) pause(now time.Time) (pause time.Duration) {
	passed := max(now.Sub(p.since), time.Microsecond)
	recent := passed <= 4*maxPause // a pause may last longer than it should
	if recent && p.n < paceFrom {
		return 0 // too few to tell
	}
	if recent && time.Duration(p.n)*maxPause >= paceFrom*passed {
		pause = min(maxPause, time.Duration(float64(passed)*float64(p.most)/float64(p.octets)))
	}
	p.since, p.n, p.octets = now, 0, 0
	return pause
}
