//go:build !linux

package receive

// Pending would tell what waits to be read; nothing is known on this system.
func (c *Conn) Pending() Pending { return Pending{} }

// PendingOf would tell what waits to be read; nothing is known on this system.
func PendingOf(conns []*Conn) []Pending { return make([]Pending, len(conns)) }

// Progress would tell what has been confirmed; nothing is known on this system.
func (c *Conn) Progress() Progress { return Progress{} }

// Probe does nothing on this system.
func (c *Conn) Probe(bool) {}
