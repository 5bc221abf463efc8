package relp

import "time"

const (
	// maxMessageSizeLimit is the greatest max_message_size: an event must fit
	// into one batch of the log and of the link (16 MiB) with its envelope.
	maxMessageSizeLimit = 8 << 20

	// maxBatchOctets and maxBatchMessages close a batch that messages are being
	// gathered into while the one before is on its way to the disk. rsyslog has
	// at most 128 messages under way by default.
	maxBatchOctets   = 512 << 10
	maxBatchMessages = 4096

	// maxWaiting is how many batches of a connection wait beside the one being
	// submitted. Small: a batch that waits grows, so more of them bring no more.
	maxWaiting = 2
	// maxWaitingOctets bounds what waits where batches are large, so that a link
	// holds at most this, one batch, and the one being submitted.
	maxWaitingOctets = 4 << 20

	// maxQueued and maxBuffers bound what all connections of an input hold of what was
	// read, and their buffers for reading. Beyond that one holds at most one batch beside
	// the one being submitted, of at most littleOctets or littleMessages, or of one that is
	// larger, and reads into the smallest buffer.
	maxQueued      = 32 << 20
	maxBuffers     = 16 << 20
	littleOctets   = 16 << 10
	littleMessages = 256
	// maxInflated bounds the octets of batches of the link that are decompressed and not
	// yet stored. A batch of any size finds room when others are stored.
	maxInflated = 64 << 20
	// countStep is how many octets a connection has count at once.
	countStep = 8 << 10
	// perMessage is what a message takes beside its octets.
	perMessage = 64

	// maxKeptBuffer is what a batch keeps of its memory for the next use.
	maxKeptBuffer = 2 << 20

	// linger is how long a connection stays open after the server said its last,
	// for the peer to read it: closing at once would reset the connection where
	// octets of the peer are still unread, and acknowledgements would be lost.
	linger = time.Second

	// maxLeftover is how many octets it takes and throws away meanwhile.
	maxLeftover = 64 << 20

	// maxHeld bounds the octets of messages that wait for the end of a run to
	// show, littleHeld where memory is short: rsyslog has 128 messages under way. Beyond
	// it those of a run that is witnessed are answered, and any other is stored again.
	maxHeld    = 4 << 20
	littleHeld = 128 << 10
	// holdTime is how long the first of them may wait, or for each part of a second
	// one, up to maxHolds. librelp sends all that it sends again at once, with nothing between.
	holdTime = 2 * time.Second

	// maxHolds is how many times holdTime a session has in all for what is sent again.
	maxHolds = 30
	// maxCandidates is how many tails a session is compared with, those that moved last,
	// and maxStarts at how many places of each it may begin, those nearest to the end.
	// Anyone can leave thousands of tails, and a session holds on to what it has of them.
	maxCandidates = 64
	maxStarts     = 128
	// maxSought is how many messages of a run are looked for in the whole of a tail, in
	// search of one that is there once. Where all are there twice that would take for ever.
	maxSought = 128

	// settleTime is how long connections that a session's peer may have left are
	// given to end or to show that they live. lookAgain is after what time the
	// session first looks again whether one of them is at its end; each time it
	// waits twice as long, up to lookAgainMost.
	settleTime    = 5 * time.Second
	lookAgain     = 2 * time.Millisecond
	lookAgainMost = 500 * time.Millisecond
	// maxTurns is how often settleTime passes before those that live are no longer
	// waited for though they hold the message themselves: many sessions that begin
	// with equal lines would else wait one for the other, each a settleTime longer.
	maxTurns = 2

	// maxStreamName is the longest name of a stream in octets.
	maxStreamName = 200
)

// maxHave is the most ranges that the answer to "open" lists: it must fit into
// relp.MaxOpenData.
const maxHave = 128
