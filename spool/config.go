package spool

import (
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"github.com/syslane/syslane/internal/vfs"
)

// SyncMode is when what was appended is made durable.
type SyncMode string

const (
	// SyncCommit, the default: Append returns after fdatasync. Appends that
	// arrive while one runs share the next.
	SyncCommit SyncMode = "commit"
	// SyncInterval: Append returns after the write; fdatasync every
	// Config.SyncInterval. The death of the process loses nothing, power loss at
	// most the last interval. Readers see what is synced, or failed to be.
	SyncInterval SyncMode = "interval"
	// SyncOS: nothing is synced, the operating system writes when it likes.
	// Readers see what is written. After power loss anything of the last half
	// minute may be missing, also in the middle.
	SyncOS SyncMode = "os"
)

// FullPolicy is what happens when the log may not grow.
type FullPolicy string

const (
	// FullBlock, the default: Append waits. That is backpressure.
	FullBlock FullPolicy = "block"
	// FullDropNewest: Append returns ErrDropped and counts the records.
	FullDropNewest FullPolicy = "drop-newest"
	// FullDropOldest: the oldest segment goes, and each cursor that had not
	// passed it counts what it loses.
	FullDropOldest FullPolicy = "drop-oldest"
)

// Recompress is when full segments are rewritten in the background, with larger
// blocks and better compression.
type Recompress string

const (
	// RecompressArchive, the default: where Config.KeepDelivered is set. What is
	// deleted as soon as it is delivered is not worth the work.
	RecompressArchive Recompress = "archive"
	// RecompressAlways: in every log.
	RecompressAlways Recompress = "always"
	// RecompressNever: in none. Segments get no index either.
	RecompressNever Recompress = "never"
)

// Config says how a log is kept. Zero values mean defaults, except for Dir.
type Config struct {
	// Dir is the folder of the log. It is made if it is missing, and those above.
	Dir string
	// FS is the file system; the default is vfs.OS.
	FS vfs.FS
	// SegmentSize is the octets after which a new segment is started; a segment
	// is longer by at most one group (MaxPending). Default DefaultSegmentSize, and
	// at most a quarter of MaxSize.
	SegmentSize int64
	// BlockSize is the octets of records, before compression, at which a block
	// is closed. Default DefaultBlockSize; at most MaxBatch.
	BlockSize int64
	// Codec compresses the blocks. Default CodecAuto.
	Codec Codec
	// Sync is when Append returns. Default SyncCommit.
	Sync SyncMode
	// SyncInterval is for SyncInterval. Default DefaultSyncInterval.
	SyncInterval time.Duration
	// CursorInterval is how often cursors that moved are written. A crash
	// delivers again what was delivered since. Default DefaultCursorInterval.
	CursorInterval time.Duration
	// MaxPending bounds the octets taken from Append but not yet written.
	// Default DefaultMaxPending.
	MaxPending int64
	// MaxSize bounds the octets of all segments; 0 means no bound. It is exceeded
	// by at most one segment and one group.
	MaxSize int64
	// MinFree is the octets that are left free in the file system: with less, the
	// log is full. What KeepDelivered keeps goes for it only under FullDropOldest.
	// Default DefaultMinFree; negative means no such limit.
	MinFree int64
	// Full is what happens when the log is full. Default FullBlock.
	Full FullPolicy
	// KeepDelivered keeps segments that every cursor has passed, up to MaxAge
	// and MaxSize: the log is an archive. Otherwise they are deleted.
	KeepDelivered bool
	// MaxAge deletes segments whose newest record was appended longer ago, once
	// every cursor has passed them; 0 means no limit. Only with KeepDelivered. After the
	// clock has leapt ahead by more than a tenth of it, also while the log was closed, at
	// most one a minute goes for an hour, or for MaxAge where that is less.
	MaxAge time.Duration
	// Checkpoint returns the owner's state: the fold of all notes so far, those
	// that Log.Notes gave back and those that Noted was told. It is kept in the
	// header of each segment, so that older segments may go. It is called by the
	// goroutine that calls Noted, between two groups. At most MaxCheckpoint
	// octets. Without it Notes reads the whole log.
	Checkpoint func() []byte
	// Noted is told each note, in the order of the log, when it is durable and
	// before its Append returns. first is the position of the first record of
	// the block that holds it. It must not call the log, and borrows note.
	Noted func(first uint64, note []byte)
	// Recompress is when full segments are rewritten and given an index.
	// Default RecompressArchive. One goroutine does it, a quarter of its time
	// while little is appended and a fortieth while much is; readers go on, and a
	// crash leaves the segment as it was or the new one. A segment with damage in
	// it is not rewritten.
	Recompress Recompress
	// Summarize appends to dst what BlockInfo.Skip gives back for a block with
	// these records: what a search needs to know that it can pass over the block. It
	// is called for each block of a full segment when it is given its index, never
	// from two goroutines at once, must not call the log, and borrows both. At most
	// MaxSkip octets. nil: blocks have none.
	Summarize func(dst, records []byte) []byte
	// HotSize is the octets of the newest records that are kept in memory for
	// readers that keep up, as long as there are such. Default DefaultHotSize;
	// negative means none.
	HotSize int64
	// Logger is told of damage, repairs and changes of state; the default is
	// silent.
	Logger zerolog.Logger
	// Now is the clock; the default is time.Now.
	Now func() time.Time

	// writeAhead is defaultWriteAhead, but in tests, which write little.
	writeAhead int64
	// uptime is how much time has passed since some moment, whatever Now says.
	uptime func() time.Duration
}

// withDefaults checks c and fills it.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("spool: no folder given")
	}
	if c.FS == nil {
		c.FS = vfs.OS
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.uptime == nil {
		started := time.Now()
		c.uptime = func() time.Duration { return time.Since(started) }
	}
	for _, n := range []int64{c.SegmentSize, c.BlockSize, c.MaxPending, c.MaxSize,
		int64(c.SyncInterval), int64(c.CursorInterval), int64(c.MaxAge)} {
		if n < 0 {
			return c, errors.New("spool: a size or duration is negative")
		}
	}
	orDefault(&c.SegmentSize, DefaultSegmentSize)
	orDefault(&c.BlockSize, DefaultBlockSize)
	orDefault(&c.MaxPending, DefaultMaxPending)
	orDefault(&c.MinFree, DefaultMinFree)
	orDefault(&c.SyncInterval, DefaultSyncInterval)
	orDefault(&c.CursorInterval, DefaultCursorInterval)
	orDefault(&c.Codec, CodecAuto)
	orDefault(&c.Sync, SyncCommit)
	orDefault(&c.Full, FullBlock)
	orDefault(&c.HotSize, DefaultHotSize)
	orDefault(&c.writeAhead, defaultWriteAhead)
	orDefault(&c.Recompress, RecompressArchive)
	c.BlockSize = min(c.BlockSize, MaxBatch)
	if c.MaxSize > 0 {
		if c.MaxSize < MinMaxSize {
			return c, fmt.Errorf("spool: a maximum size of %d octets is below the least, %d", c.MaxSize, MinMaxSize)
		}
		c.SegmentSize = min(c.SegmentSize, c.MaxSize/segmentsPerLog)
		c.MaxPending = min(c.MaxPending, c.MaxSize/segmentsPerLog)
	}
	c.SegmentSize = max(c.SegmentSize, minSegmentSize)
	switch c.Sync {
	case SyncCommit, SyncInterval, SyncOS:
	default:
		return c, fmt.Errorf("spool: sync %q is not one of %q, %q, %q", c.Sync, SyncCommit, SyncInterval, SyncOS)
	}
	switch c.Full {
	case FullBlock, FullDropNewest, FullDropOldest:
	default:
		return c, fmt.Errorf("spool: policy %q is not one of %q, %q, %q", c.Full, FullBlock, FullDropNewest, FullDropOldest)
	}
	switch c.Recompress {
	case RecompressArchive, RecompressAlways, RecompressNever:
	default:
		return c, fmt.Errorf("spool: recompress %q is not one of %q, %q, %q",
			c.Recompress, RecompressArchive, RecompressAlways, RecompressNever)
	}
	if _, err := c.Codec.id(); err != nil {
		return c, fmt.Errorf("spool: %w", err)
	}
	return c, nil
}

func orDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
