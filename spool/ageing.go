package spool

import "time"

const (
	// leapPart is the part of Config.MaxAge by which the clock may leap ahead.
	leapPart = 10
	// doubtTime is how long the clock is in doubt after more, MaxAge at most, and
	// doubtPace how often a segment goes by its age meanwhile.
	doubtTime = time.Hour
	doubtPace = time.Minute
)

// ageing keeps a clock that is wrong for a while from emptying an archive: when it has
// leapt ahead, segments go by their age one by one until it has been right for long, or
// wrong for too long. A clock that goes on as time does is never held up, however many
// segments are due.
type ageing struct {
	clock  int64         // when it was last looked at; at first, when the log was last appended to; 0: never
	uptime time.Duration // then
	doubt  time.Duration // the uptime up to which the clock is in doubt
	next   time.Duration // the uptime from which on another segment may go meanwhile
	told   bool          // that one was held back
}

// look compares the clock with the time that has passed.
func (a *ageing) look(clock int64, uptime, age time.Duration) {
	leap := time.Duration(clock-a.clock) - (uptime - a.uptime)
	if a.clock > 0 && age > 0 && leap > age/leapPart {
		a.doubt, a.told = uptime+min(doubtTime, age), false
	}
	a.clock, a.uptime = clock, uptime
}

// take tells whether a segment may go by its age now.
func (a *ageing) take() bool {
	if a.uptime >= a.doubt {
		return true
	}
	if a.uptime < a.next {
		return false
	}
	a.next = a.uptime + doubtPace
	return true
}
