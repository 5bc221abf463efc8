// Package forwarding shows what Syslane sends on: to real receivers by every
// protocol it speaks, to several collectors of which each fails in turn, and over
// a chain of relays.
package forwarding
