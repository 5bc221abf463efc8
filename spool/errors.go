package spool

import "errors"

var (
	// ErrClosed: the log was closed; no later call will succeed.
	ErrClosed = errors.New("log is closed")
	// ErrLocked: another process has the folder open for writing.
	ErrLocked = errors.New("log is in use by another process")
	// ErrCorrupt: octets are not what was written. The log itself passes over
	// them; only View, which reports what it is asked about, returns it.
	ErrCorrupt = errors.New("damaged")
	// ErrVersion: whole, but written by a later version of this package.
	ErrVersion = errors.New("written by a later version: upgrade, or use another folder")
	// ErrTooLarge: a batch beyond MaxBatch or MaxNote.
	ErrTooLarge = errors.New("batch is too large")
	// ErrCheckpoint: what Config.Checkpoint returns is beyond MaxCheckpoint. Nothing can
	// be appended until it is smaller.
	ErrCheckpoint = errors.New("checkpoint is too large")
	// ErrInvalidBatch: Batch.Records is not a run of Batch.Count records.
	ErrInvalidBatch = errors.New("batch is not a run of as many records as it says")
	// ErrDropped: the log is full and its policy is to drop what is new. The
	// records are counted in Stats.DroppedNewest.
	ErrDropped = errors.New("log is full: dropped by policy")
	// ErrPosition: a cursor was moved to where it cannot be.
	ErrPosition = errors.New("no such position")
)
