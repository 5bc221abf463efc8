// Package subject starts the programs that are compared, each with the settings
// that were found to be its fastest for the work, and looks at what they use.
//
// A program is added by a file that writes its configuration and returns Subjects;
// a case names those that it compares.
package subject

import (
	"errors"
	"os/exec"
	"time"
)

// Site is where a subject runs.
type Site struct {
	// Dir is its own folder, empty at first.
	Dir string
	// In is where it is to take messages, Out where its output is; host:port.
	In, Out string
	// Conns is how many connections it is going to get.
	Conns int
	// HTTP is a free address for what it tells of itself.
	HTTP string
	// Tools are the programs of this house and the certificates.
	Tools *Tools
	// Profile has Syslane serve its profiles, at PProf.
	Profile bool
	PProf   string
}

// Tools are what subjects are made of.
type Tools struct {
	// Syslane is the binary, Dir the folder with other programs that were built
	// for the benchmark.
	Syslane, Dir string
	// CA, Cert and Key are PEM files for 127.0.0.1.
	CA, Cert, Key string
}

// Subject is a program with a configuration.
type Subject struct {
	// Name is how tables show it.
	Name string
	// Durable says that what counts as taken survives the loss of power.
	Durable bool
	// Most is the most messages that it gets, for one that is so slow that more would
	// take minutes; 0: as many as the others.
	Most int
	// Repeats says that it sends a message again after a connection was made anew,
	// and that no receiver can tell.
	Repeats bool
	// Launch writes the configuration and returns the program with its arguments.
	Launch func(*Site) (*exec.Cmd, error)
	// Stored returns how many messages the subject has stored; nil where it only
	// passes them on.
	Stored func(*Running) (int, error)
	// Settle is how long its files have not grown before Stored may be called,
	// where this makes it write what it has in memory.
	Settle time.Duration
	// Sends is what its output speaks.
	Sends Sends
	// Next is what stands behind it in cases with two hops.
	Next *Subject
}

// Sends is what an output speaks.
type Sends int

// What outputs speak.
const (
	SendsStream Sends = iota // syslog over TCP
	SendsRELP
	SendsBulk
)

// ErrMissing is returned for a program that is not on this machine.
var ErrMissing = errors.New("it is not installed: run e2e/setup/install-peers.sh")

// fileSettle is Settle of the daemons whose lines are counted.
const fileSettle = 300 * time.Millisecond
