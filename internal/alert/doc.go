// Package alert watches the log: it counts what the queries of alerts find, tells when
// a condition begins and ceases to hold, and sees to it that this is told.
//
// # Time
//
// An alert counts by the time at which the first Syslane received a message: clocks of
// devices are not trusted, and what a relay has held back during an outage is counted
// where it belongs. The time at which conditions are evaluated is that of the log: the
// clock where everything in the log has been read, and the time at which the block
// was written that is being read where not. So an evaluation that lags, or goes on after
// a restart, comes to what it would have come to in time.
//
// Messages that come later than their window are put where they belong as long as
// they are not later than the alert allows. Where with them a window of the past
// fulfils the condition, the alert fires, for as long as one window. For silence and
// for conditions with a lower bound lateness does not matter: late messages can end
// an alert, and cannot begin one.
//
// # Invariants, each with a test
//
//   - what has changed is durable before it is told, with the position in the log up
//     to which was read: a restart tells nothing twice but what was being sent when
//     the process died, and forgets nothing;
//   - an alert that was told of is told to have ended, also where its rule has been
//     removed or changed meanwhile;
//   - telling never holds up evaluation, nor evaluation the log;
//   - groups, what is remembered of them, and what waits to be told are bounded; what
//     is beyond a bound is counted.
package alert
