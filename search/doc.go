// Package search finds events: the query language, the planner that runs a query
// over the log, and the same search through a collector's HTTP API.
//
// # Queries
//
// A query is a row of terms, all of which must hold. The empty query finds
// everything.
//
//	failed                     the word, in any case, in message, host, app,
//	                           procid, msgid or structured data
//	"connection reset by"      these characters, blanks and all
//	conn*  *time  *oo*         words that start, end, or go on at the star
//	app:sshd                   a field, whole, in any case
//	host:web*  sd.x@1.user:*   the same with stars; a star alone: there is one
//	host:(web1 or web2)        a field with several values
//	message:timeout            words as above, in the message alone
//	severity<=err              also <, > and >=; 0 (emerg) is the least number
//	                           and the worst severity
//	source:10.0.0.0/8          an address, address:port, or network
//	a and b, a or b, not a     also -a; and binds stronger than or
//	(a or b) c                 groups
//
// A word or phrase stands in a text where its characters do, upper and lower
// case alike, and not within a longer word: a letter, digit or underscore at its
// edge must not touch another one outside, unless a star stands there. So
// 10.0.0.1 finds "10.0.0.1:22" but not "110.0.0.1".
//
// The fields are host, app, procid, msgid, facility, severity, source, message,
// id, input, identity, format, tags and sd.ID.PARAM, or their names in the ECS
// documents that a search returns (host.name, log.syslog.appname and so on). An
// unknown field is an error, never an empty result. and, or and not are plain
// words in quotes; within quotes \" and \\ stand for " and \. The characters
// ( ) " | end a bare word; | is kept for later and must be quoted.
//
// # Order and completeness
//
// Events are found and ordered by their time: the originator's, or the receive
// time where it gave none. Events of one time are ordered by their position in
// the log. Results come newest first, or oldest first where asked, exactly so
// over the whole log, although blocks overlap in time; a limit keeps those that
// come first. What is appended while a search runs may or may not be found.
package search
