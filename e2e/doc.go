// Package e2e holds the black-box tests: the real syslane binary against real
// peers (rsyslogd, syslog-ng's loggen, logger, Elasticsearch), over real sockets
// and a real disk. The scripts in setup/ bring the peers.
//
// The packages beneath serve the tests: proc runs programs, await waits for
// conditions, peers drives the peers, syslane drives our own processes, numbered
// makes messages that can be told apart and checks that each arrived once.
package e2e
