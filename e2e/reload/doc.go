// Package reload changes the configuration of a running node again and again while
// messages come, and counts them.
package reload
