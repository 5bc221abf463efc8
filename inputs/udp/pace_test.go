package udp

import (
	"testing"
	"time"
)

// run sends messages of 200 octets at a rate, per second, and returns the pauses that
// come of it.
func (p *pace) run(rate int) (pauses []time.Duration) {
	const step = 50 * time.Microsecond // of one wake-up to the next, where there is no pause
	now, sent := time.Unix(1, 0), 0
	for begin := now; now.Before(begin.Add(time.Second)); {
		for ; float64(sent) < now.Sub(begin).Seconds()*float64(rate); sent++ {
			p.came(200)
		}
		pause := p.pause(now)
		pauses = append(pauses, pause)
		now = now.Add(max(pause, step))
	}
	return pauses
}

func TestALoneMessageIsNotPutOff(t *testing.T) {
	p := newPace(DefaultReceiveBuffer)
	for _, pause := range p.run(100) {
		if pause != 0 {
			t.Fatalf("of 100 messages a second, one is followed by a pause of %v", pause)
		}
	}
}

func TestAPauseFillsNoMoreThanAShareOfTheReceiveBuffer(t *testing.T) {
	for _, granted := range []int{64 << 10, 208 << 10, 1 << 20, DefaultReceiveBuffer} {
		for _, rate := range []int{10_000, 200_000, 2_000_000} {
			p := newPace(granted)
			paused := time.Duration(0)
			for _, pause := range p.run(rate) {
				paused += pause
				if pause > maxPause {
					t.Fatalf("a pause of %v: want at most %v", pause, maxPause)
				}
				if octets := int(pause.Seconds()*float64(rate)) * (200 + overhead); octets > granted/4 {
					t.Fatalf("%d octets granted, %d messages a second: %d octets come during a pause of %v", granted, rate, octets, pause)
				}
			}
			if granted == DefaultReceiveBuffer && paused < 900*time.Millisecond {
				t.Errorf("%d messages a second: pauses of %v in a second", rate, paused)
			}
		}
	}
}
