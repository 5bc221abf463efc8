//go:build !linux

package receive

// Pending would tell what waits to be read; nothing is known on this system.
func (c *Conn) Pending() (octets, ended bool) { return false, false }

// Unconfirmed would tell whether octets are on their way; nothing is known on this
// system.
func (c *Conn) Unconfirmed() bool { return false }

// Probe does nothing on this system.
func (c *Conn) Probe(bool) {}
