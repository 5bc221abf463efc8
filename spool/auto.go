package spool

// plain compresses nothing.
var plain = &compressor{codec: codecNone}

// maxUnrewritten is how many octets of full segments may wait to be rewritten while
// blocks are stored as they are under CodecAuto. It is also about what such segments
// can take beyond what they would take compressed.
const maxUnrewritten = 512 << 20

// compressorFor returns what compresses the block that is begun while so many octets
// wait to be written.
func (l *Log) compressorFor(pending int64) *compressor {
	if l.cfg.Codec != CodecAuto || !l.recompresses() {
		return l.comp
	}
	if pending > l.limits.Load().MaxPending/2 || l.failing.Load() || l.quota.unrewritten.Load() >= l.mayWait() {
		return l.comp
	}
	return plain
}

// mayWait is how many octets may wait to be rewritten: little in a log, or on a disk,
// that is small.
func (l *Log) mayWait() int64 {
	most := int64(maxUnrewritten)
	if size := l.limits.Load().MaxSize; size > 0 {
		most = min(most, size/8)
	}
	if free := l.quota.free.Load(); free > 0 {
		most = min(most, free/8)
	}
	return most
}

// countUnrewritten adds up the full segments that wait to be rewritten. l.mu is held
// for writing.
func (l *Log) countUnrewritten() {
	var octets int64
	for _, s := range l.segments[:max(len(l.segments)-1, 0)] {
		if s.rewritten == 0 && !s.done {
			octets += s.end
		}
	}
	l.quota.unrewritten.Store(octets)
}
