package inputs

import "context"

// MaxTail is how many of the last messages of a tail are remembered for sure,
// and so the largest window of a peer whose resends are all recognised, while
// the memory for all tails suffices.
const MaxTail = 8 << 10

// TailSink takes over messages of peers that number nothing, but send again
// after a reconnect, in order, the end of what they had sent before.
type TailSink interface {
	Sink
	// SubmitTail is Submit for messages that prolong a tail. What the tail is
	// prolonged by is durable with the messages, or not at all. One tail is
	// prolonged by one call at a time.
	SubmitTail(ctx context.Context, b *Batch, p TailPart) error
	// Tails returns the durable tails of a sender, in no order. The caller does
	// not change their hashes.
	Tails(sender [16]byte) []Tail
	// ForgetTail says that nothing of a tail will be sent again.
	ForgetTail(id TailID)
	// TailSeed is what the hashes of messages are seeded with: secret, and the
	// same whenever Tails returns what was submitted before.
	TailSeed() uint64
}

// TailID names the tail of one connection, and of those that went on with it.
type TailID struct {
	// Sender is a digest of who sends, so that no peer can make another's
	// messages look like known ones.
	Sender [16]byte
	// Number tells the connections of a sender apart.
	Number uint64
}

// Tail is the end of what a connection has brought and what is stored.
type Tail struct {
	ID TailID
	// Hashes are those of the messages, the oldest first.
	Hashes []uint64
	// Moved changes whenever the tail is prolonged.
	Moved uint64
}

// TailPart is what a batch does to a tail.
type TailPart struct {
	ID TailID
	// Hashes are those of the messages of the batch, one for each frame.
	Hashes []uint64
	// Resent and ResentOctets are how many messages came besides that are
	// stored already. They are counted, and no more.
	Resent, ResentOctets int
}
