// Package soak runs a relay and a collector under load for as long as one likes, and
// looks whether anything in them grows.
package soak
