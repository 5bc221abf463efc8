package inputs

import "context"

// MaxMarks is the most marks that one submit may set.
const MaxMarks = 256

// MarkSink keeps, with the messages of inputs that read what stays where it is
// (files), how far they have come: no message is lost, and none stored twice,
// whenever either side stops. Of tens of thousands, those that were set longest ago
// may be forgotten where the log has no room to repeat them all.
type MarkSink interface {
	Sink
	// SubmitMarked is Submit that sets marks in the same step: after a crash both
	// the messages and the marks are there, or neither. A batch without messages
	// sets no marks. Each mark belongs to one caller.
	SubmitMarked(ctx context.Context, b *Batch, marks []Mark) error
	// Marks returns the durable marks whose key begins with prefix, in no order.
	Marks(prefix string) []Mark
}

// Mark is a place that an input will want to know again.
type Mark struct {
	// Key names it, with the input's name: at most 200 octets, unique among all
	// inputs.
	Key string
	// Value is the place. 0 forgets the mark.
	Value uint64
}
