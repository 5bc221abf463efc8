// Package spool is a log on disk: the queue, the spool and the store of what was
// accepted. Records are appended in batches and are durable when Append returns;
// any number of readers follow, each with a durable cursor; what all have passed
// may be deleted, or kept as long as retention wants. What the records are is not
// its business.
//
//	l, err := spool.Open(spool.Config{Dir: "/var/lib/x/log"})
//	first, err := l.Append(ctx, spool.Batch{Records: run, Count: n})
//
//	c, err := l.Cursor("archive", spool.FromTail)
//	r := l.NewReader(c.Position())
//	for {
//		b, err := r.Next(ctx)
//		...deliver b.Records...
//		err = c.Commit(b.Next(), spool.Counts{Delivered: uint64(b.Count)})
//	}
//
// # Invariants
//
//   - What Append acknowledged under SyncCommit is neither lost nor changed by
//     the death of the process or by power loss at any point.
//   - Nothing is read that was not appended. Each record is read once, in the
//     order of positions, by a reader that goes from one end to the other.
//   - Readers see, and cursors pass, only what is durable under the policy.
//   - A torn tail is cut at the last whole block when the log is opened.
//   - A damaged block is passed over, kept as .bad and counted; never fatal.
//   - A position that a cursor has passed is never given to another record, but
//     after power loss under SyncOS, where the end of the log may be lost and
//     no cursor have been written since. Who tells records by their positions
//     then needs a name for each run of the log.
//   - Opening reads the headers of the segments and the last one, not the data.
//   - Two processes cannot open one folder for writing.
//   - Errors of the disk stop acknowledgements, not the process, and when they
//     end the log goes on by itself.
//   - Nothing is deleted before every cursor has durably passed it, but under
//     FullDropOldest, and then each cursor counts what it lost.
//   - What a cursor has passed beyond its position need not be delivered again, and
//     what lies between is neither passed over nor deleted.
//   - A cursor that nobody opens keeps its records until DropCursor.
//   - A configuration that is not valid touches nothing.
//
// # Full segments
//
// In an archive (Config.KeepDelivered) the segments that are full are rewritten in
// the background: their blocks merged and compressed better. Readers do not
// notice. Each gets an index with where its blocks are and what Config.Summarize
// made of them, so that a search need not read what cannot hold what it looks for.
//
// The records of the newest blocks are also kept in memory while there are readers
// that keep up, who then read neither the disk nor anything compressed.
//
// # Positions
//
// Records have positions, counted from 1 without gaps. A cursor is the position of
// the next record to deliver; it can also keep spans beyond that were delivered
// before their turn. Positions are never reused; records that damage took leave a
// gap.
//
// # Files
//
//	lock                        held by the process that writes
//	log.id                      32 hexadecimal digits: the identity of the log
//	00000000000000000001.seg    a segment, named by the position it starts at
//	*.seg.idx                   the index of a full segment; can be made again
//	cursors/NAME.cursor         a cursor, and NAME.cursor.prev the copy before
//	*.bad                       damaged parts, kept for whoever wants to look
//	*.tmp                       being written; removed when the log is opened
//
// # Format
//
// Version 1, little endian. A segment is a header and blocks without anything
// between; docs/SPOOL_FORMAT.md says all.
//
//	segment header
//	0        8     10    12        16       32       40       48
//	+--------+-----+-----+---------+--------+--------+--------+---------+
//	| magic  | ver |flags| length  | log id | first  |created |rewritten|
//	+--------+-----+-----+---------+--------+--------+--------+---------+
//	56           60          64          76         80
//	+------------+-----------+-----------+----------+-------------------+
//	| ckpt length| ckpt CRC  | 0         | CRC      | checkpoint ...    |
//	+------------+-----------+-----------+----------+-------------------+
//
//	block
//	0       4    5      6      8      12      16    20      24
//	+-------+----+------+------+------+-------+-----+-------+---------+
//	| magic |ver |codec |flags |notes |stored | raw | count |first    |
//	+-------+----+------+------+------+-------+-----+-------+---------+
//	32         40         48         56         60           64
//	+----------+----------+----------+----------+------------+-----------+-------+
//	| min time | max time | appended | body CRC | header CRC | payload   | notes |
//	+----------+----------+----------+----------+------------+-----------+-------+
//
// Checksums are CRC-32C; those of blocks start from the checksum of the log id, so
// that octets of another log, or of a record that imitates a block, do not
// verify.
package spool
