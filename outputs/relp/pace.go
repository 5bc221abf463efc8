package relp

import "time"

// narrowRate is the octets a second below which a network counts as narrow: 100 Mbit/s.
// There the octets that Zstandard saves are worth more than its CPU time.
const narrowRate = 12_500_000

const (
	// paceEvery is how often the network is looked at.
	paceEvery = time.Second
	// paceHold is how long it counts as narrow after it was last seen to be. It is
	// found out again by sending more octets.
	paceHold = time.Minute
)

// pace is what is known of the network to a target.
type pace struct {
	narrow bool
	until  time.Time // when narrow ends
	looked time.Time
}

// observe takes what the kernel has measured: octets a second, and known where it was
// the network that set the limit and not what there was to send.
func (p *pace) observe(now time.Time, rate uint64, known bool) {
	switch {
	case known && rate < narrowRate:
		p.narrow, p.until = true, now.Add(paceHold)
	case p.narrow && now.After(p.until):
		p.narrow = false
	}
}

// look sees how fast the network to the target is, where that decides anything.
func (o *lane) look(s *session) {
	if o.cfg.Compression != CompressionAuto {
		return
	}
	now := time.Now()
	if now.Sub(o.pace.looked) < paceEvery {
		return
	}
	o.pace.looked = now
	rate, known := deliveryRate(s.tcp)
	o.pace.observe(now, rate, known)
	o.packs.Store(s.packed && !o.pace.narrow)
}
