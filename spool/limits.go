package spool

import "time"

// Limits of the format. A reader refuses what is beyond them as damage, so they
// may grow only together with the version of the format.
const (
	// MaxBatch is the most octets that Batch.Records may have; a batch is never
	// split, so it is also what one block can grow to, and what a reader must be
	// ready to hold in memory. Append of more is ErrTooLarge.
	MaxBatch = 16 << 20
	// MaxNote is the most octets of Batch.Note.
	MaxNote = 64 << 10
	// MaxCheckpoint is the most octets that Config.Checkpoint may return. More
	// fails the start of a segment, and with it every Append: ErrCheckpoint.
	MaxCheckpoint = 16 << 20
	// MaxCursorName is the longest name of a cursor in octets: with every octet
	// escaped and the suffixes, still a file name.
	MaxCursorName = 72

	// MaxSkip is the most octets that Config.Summarize may add for one block.
	// More is not kept.
	MaxSkip = 64 << 10

	// maxPosition is beyond what any log reaches. A number from the disk that is
	// greater is damage; were it believed, positions would overflow.
	maxPosition = 1 << 62
	// maxBlockNotes bounds the notes of one block. A block is closed before it
	// would have more.
	maxBlockNotes = 1 << 20
	// maxBlock is the most octets of a block on disk.
	maxBlock = blockHeaderSize + MaxBatch + maxBlockNotes
)

// Defaults of Config.
const (
	DefaultSegmentSize    = 128 << 20
	DefaultBlockSize      = 256 << 10
	DefaultMaxPending     = 8 << 20
	DefaultMinFree        = 64 << 20
	DefaultHotSize        = 8 << 20
	DefaultSyncInterval   = time.Second
	DefaultCursorInterval = 500 * time.Millisecond
)

// MinMaxSize is the least that Config.MaxSize may be, in octets.
const MinMaxSize = segmentsPerLog * minSegmentSize

const (
	// minSegmentSize keeps a folder from filling with files, and a bounded log
	// from rotating at every block.
	minSegmentSize = 4 << 10
	// segmentsPerLog is how many segments a log bounded by Config.MaxSize has at
	// least when it is full: space comes back in steps of one segment.
	segmentsPerLog = 4
	// corkLimit is how many octets may wait under Batch.More, corkTime for how long.
	corkLimit = 1 << 20
	corkTime  = 2 * time.Millisecond
	// defaultWriteAhead is how many octets of a group make it worth writing the next
	// one while it is synced.
	defaultWriteAhead = 128 << 10
	// readWindow is what a reader reads ahead.
	readWindow = 256 << 10
	// markEvery is the distance in octets between two marks of the index in
	// memory of the segment that is being written. A seek hops over at most so
	// many octets of blocks.
	markEvery = 64 << 10
	// sealedMarks is how many marks a sealed segment keeps, so that memory stays
	// independent of the backlog.
	sealedMarks = 32
	// readAttempts is at which I/O error at one place a reader no longer reports it,
	// but takes what it cannot read as damaged and goes on.
	readAttempts = 5
	// maxQuarantine is how many octets of one damaged stretch are copied to a
	// .bad file, maxQuarantined how many .bad files there may be before stretches
	// are only counted.
	maxQuarantine  = 16 << 20
	maxQuarantined = 256
	// mergedBlock is the octets of records up to which the blocks of a full
	// segment are merged: as large as a search can read at once for one record of
	// it, and large enough that a larger one compresses hardly better.
	mergedBlock = 1 << 20
	// rewriteSync is after how many octets of a rewritten segment they are synced, so
	// that appends never wait behind the sync of a whole one.
	rewriteSync = 4 << 20
)
