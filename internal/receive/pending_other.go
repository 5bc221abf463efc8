//go:build !linux

package receive

// Pending would tell what waits to be read; nothing is known on this system.
func (c *Conn) Pending() (octets, ended bool) { return false, false }
