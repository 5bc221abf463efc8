// Package inputs holds the contracts between what receives messages and what
// keeps them. Each way in has a folder of its own below.
package inputs

import (
	"context"
	"net/netip"
	"syscall"
	"time"

	"github.com/syslane/syslane/internal/syslog"
)

// Input receives messages from the network or from this host and submits them.
type Input interface {
	// Name is the configured name; it is on every event and metric of the input.
	Name() string
	// Listen takes the addresses and files that the input receives from, so that
	// one that cannot be had is known before anything runs. It is called once,
	// before Run, which gives them up.
	Listen() error
	// Run receives until ctx ends, then stops accepting, lets submits in flight
	// finish, answers peers that can be answered, and returns nil. Any other
	// return is a failure that the input cannot mend by itself. It is called once.
	Run(ctx context.Context, sink Sink) error
}

// Successor is an Input that can leave its sockets to another, which takes its place
// while both run: nobody who sends to them notices.
type Successor interface {
	Input
	// Sockets are what Listen has taken. They stay the input's own.
	Sockets() []syscall.Conn
	// Retire makes the input take nothing more from its sockets, and leave the files
	// of those that have one. Connections that are open go on; Run returns nil when
	// the last of them has ended, or as ever when ctx ends.
	Retire()
}

// Heir is a Successor that needs to know what the one before it knew.
type Heir interface {
	Successor
	// Inherit is called before Run, with an input of the same type.
	Inherit(from Input)
}

// Sink takes messages over from inputs.
type Sink interface {
	// Submit returns nil once every message of b is durable under the configured
	// policy, and only then may the input acknowledge. It blocks while the log
	// cannot take more: that is the backpressure an input hands on to its peers.
	// An error means that none of b is promised to be kept; ErrClosed that no
	// later Submit will succeed.
	//
	// Submit borrows b: it keeps no reference to b or its octets after it
	// returns. It may be called from many goroutines at once.
	Submit(ctx context.Context, b *Batch) error
}

// QueueSink is for inputs that go on reading while what they have read is made
// durable.
type QueueSink interface {
	Sink
	// Enqueue is the first half of Submit: when it returns, the messages of b have
	// their place behind all that was enqueued before, and b is the caller's again.
	// wait is the second half and returns what Submit does. It must be called soon,
	// and once: what the log refuses at first is handed to it again there, and is
	// then behind what was enqueued since.
	Enqueue(ctx context.Context, b *Batch) (wait func() error)
}

// Queue returns sink as a QueueSink. One that is none is submitted to at once.
func Queue(sink Sink) QueueSink {
	if queue, ok := sink.(QueueSink); ok {
		return queue
	}
	return atOnce{sink}
}

type atOnce struct{ Sink }

func (s atOnce) Enqueue(ctx context.Context, b *Batch) (wait func() error) {
	err := s.Submit(ctx, b)
	return func() error { return err }
}

// EventSink takes over events that another Syslane has already accepted, with
// the envelope it gave them.
type EventSink interface {
	Sink
	// SubmitEvents is Submit for a run of encoded events (syslog.NextRecord).
	// The batch has its place in a stream; what the stream has already brought
	// is dropped and counted as redelivered, so that an event stored once is not
	// stored again, across crashes of either side.
	SubmitEvents(ctx context.Context, b *EventBatch) error
	// Resume tells what of the stream is durable here, to a sender that goes on at
	// position from.
	Resume(stream string, from uint64) Resume
}

// Resume is what a Sink has of a stream.
type Resume struct {
	// Have are the positions at or after the one asked for whose events are
	// durable here, in order. There may be gaps between them: a sender shares a
	// stream among several receivers.
	Have []Range
	// End is the position after the last that is durable here; 0 where the stream
	// is unknown.
	End uint64
	// Last is the id of the last event before End, by which a sender sees that
	// both speak of the same events: its log may have been restored from a backup,
	// and have given positions twice.
	Last syslog.ID
}

// Range is the positions from First to before Next.
type Range struct{ First, Next uint64 }

// Batch is a number of messages as they came from one input: one buffer of
// octets and where in it the messages lie.
type Batch struct {
	// Input is the configured name of the input.
	Input string
	// Received is when the octets were read.
	Received time.Time
	// Data holds the octets of all messages.
	Data []byte
	// Frames are the messages, in the order of their arrival.
	Frames []Frame
	// Origins are the peers that Frames refer to.
	Origins []Origin
	// More says that more follows at once, with which this batch may be made durable.
	More bool
}

// Frame is one message within a batch.
type Frame struct {
	syslog.Span
	// Origin is the index in Batch.Origins of the peer that sent it.
	Origin uint32
	// Warnings are what the input had to note: WarnTruncated, WarnBadCount,
	// WarnUnterminated.
	Warnings syslog.Warnings
}

// Origin is who sent a message, as the transport knows it.
type Origin struct {
	Source   netip.AddrPort
	Identity string
	// Host is the name of the machine on which the message arose, where the
	// transport tells; it stands in where the message names no host.
	Host string
	// Local says that the sender is a program on Host, as one that writes to
	// /dev/log: the BSD header of its messages has no HOSTNAME.
	Local bool
	// Path is the file in which the message stood. Lines of files need no PRI.
	Path string
	// Credentials are those of the process that sent the message.
	Credentials syslog.Credentials
}

// EventBatch is a run of events on a link between two Syslanes.
type EventBatch struct {
	// Stream names the sender's log and output: "<log id>/<output>".
	Stream string
	// First is the position in the sender's log of the first event, Next the
	// position after the last. The batch holds at most Next-First events: what
	// was not routed to the output leaves gaps.
	First, Next uint64
	// Count is the number of records in Events.
	Count int
	// Events is a run of records.
	Events []byte
	// Input is the name of the input that received the batch, Origin its peer.
	Input  string
	Origin Origin
}

// AddDatagram appends a message that came as a datagram of size octets, of which data
// are those that were received. A trailer (syslog.TrimTrailer) is no part of the message;
// what is longer than limit octets is cut and flagged, and an empty one is left out, both
// counted in stats. It returns the message's frame, the origin of which is for the caller
// to set, or nil where it was left out.
func (b *Batch) AddDatagram(data []byte, size, limit int, stats *syslog.FramingStats) *Frame {
	var w syslog.Warnings
	msg := data
	if size == len(data) {
		msg = syslog.TrimTrailer(data)
	}
	if size > len(data) || len(msg) > limit {
		msg, w = msg[:min(limit, len(msg))], syslog.WarnTruncated
		stats.Truncated++
		stats.Discarded += size - len(msg)
	}
	if len(msg) == 0 {
		stats.Empty++
		return nil
	}
	start := uint32(len(b.Data))
	b.Data = append(b.Data, msg...)
	b.Frames = append(b.Frames, Frame{Span: syslog.Span{Start: start, End: uint32(len(b.Data))}, Warnings: w})
	return &b.Frames[len(b.Frames)-1]
}

// Reset empties b for the next use and keeps its memory.
func (b *Batch) Reset() {
	b.Data, b.Frames, b.Origins = b.Data[:0], b.Frames[:0], b.Origins[:0]
}
