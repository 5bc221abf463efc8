//go:build race

package spool

// raceEnabled says that times and sizes are those of the race detector.
const raceEnabled = true
