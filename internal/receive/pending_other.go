//go:build !linux

package receive

// Pending would tell what waits to be read; nothing is known on this system.
func (c *Conn) Pending() (octets, ended bool) { return false, false }

// Receipt would tell what has been confirmed; nothing is known on this system.
func (c *Conn) Receipt() Receipt { return Receipt{} }

// Probe does nothing on this system.
func (c *Conn) Probe(bool) {}
