package spool

import "time"

// Limits are what of a Config can be changed while the log is open.
type Limits struct {
	MaxSize, MinFree int64
	MaxAge           time.Duration
	Full             FullPolicy
}

// limits are those in force, defaults put in.
type limits struct {
	Limits
	// SegmentSize and MaxPending depend on MaxSize.
	SegmentSize, MaxPending int64
}

// SetLimits bounds the log anew; zero values mean what they do in Config. A smaller
// bound takes effect as segments can be deleted. After an error all is as before.
func (l *Log) SetLimits(n Limits) error {
	cfg := l.given
	cfg.MaxSize, cfg.MinFree, cfg.MaxAge, cfg.Full = n.MaxSize, n.MinFree, n.MaxAge, n.Full
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	l.setLimits(&cfg)
	// Who waits for room looks again.
	l.wakeAppenders()
	l.kickMaintenance()
	return nil
}

func (l *Log) setLimits(c *Config) {
	if c.Full == FullDropOldest {
		l.dropsOldest.Store(true)
	}
	l.limits.Store(&limits{Limits{c.MaxSize, c.MinFree, c.MaxAge, c.Full}, c.SegmentSize, c.MaxPending})
}
