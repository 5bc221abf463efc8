package inputs

import "context"

// MaxSequences is the most sequences that the messages of one batch may belong to.
const MaxSequences = 512

// SequenceSink takes over messages that their sender has numbered and sends
// again when it has got no answer.
type SequenceSink interface {
	Sink
	// SubmitSequence is Submit for messages with places: places[i] is that of
	// b.Frames[i]. Messages whose place is known to be stored are left out and
	// counted as redelivered, so that a message stored once is not stored again,
	// across crashes of either side. What is remembered is durable with the
	// messages, or not at all. One sequence is submitted by one call at a time. One
	// whose turn does not come in time, or before turn ends, fails and counts nothing.
	SubmitSequence(ctx, turn context.Context, b *Batch, places []Place) error
}

// SequenceID names a sequence: a digest of who sends it and what the sender
// calls it. No two senders share one, so that none can make another's messages
// look like known ones.
type SequenceID [16]byte

// Place is where a message stands in a sequence of its sender. The zero Place is
// that of a message in no sequence, which is always stored.
//
// Of a sequence one stretch is remembered: which numbers are stored, from the first
// to the last that the sender sent one after the other, and the latest time among
// them. A message is known if its number is one of them and its time is not later.
// What comes after the stretch prolongs it if the sender sent nothing between, and
// what was jumped over in it fills it where its time is not later; anything else
// begins a new one. So numbers that were jumped over, that come late, or that are
// given a second time (a machine set back to an earlier state) are stored: a
// duplicate is better than a loss. Only where numbers were jumped over hundreds of
// times later on, or dozens of times in each of thousands of sequences, the earliest
// of them count as stored.
type Place struct {
	Sequence SequenceID
	// Number is from 1 to 2⁶³-1 and grows within a sequence.
	Number uint64
	// Time is when the message arose, in any unit that is the same throughout
	// the sequence. It may go back.
	Time int64
	// After is the Number of the message of the same sequence that the sender
	// sent directly before this one, on the same connection; 0 if there was none.
	After uint64
}
