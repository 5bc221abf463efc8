// Package operations holds end-to-end tests of what an operator meets beside the
// running program: moving in from rsyslog and syslog-ng, the configurations for hosts,
// what is watched, and the commands in the documentation.
package operations
