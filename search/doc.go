// Package search finds events: the query language, the planner that runs a query
// over the log, and the same search through a collector's HTTP API.
//
// # Queries
//
// A query is a row of terms, all of which must hold, and stages behind a |, which
// count, sort and cut. docs/QUERY.md specifies the language; a test runs its examples.
// What it says of words is shared with internal/skipdata: words are parted there as
// they are found here.
//
// # Blocks
//
// A search lists the blocks that touch its time, passes over those whose skip data
// show that they hold no match, and reads the others on a few goroutines. Counting
// asks the skip data first: what they have counted is not read. Blocks of a segment
// that is not full have none on disk; the first search that reads one makes them, and
// keeps them in memory.
//
// # Order and completeness
//
// Events are found and ordered by their time: the originator's, or the receive
// time where it gave none. Events of one time are ordered by their position in
// the log. Results come newest first, or oldest first where asked, exactly so
// over the whole log, although blocks overlap in time; a limit keeps those that
// come first. What is appended while a search runs may or may not be found.
package search
