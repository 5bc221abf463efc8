package journal

import "time"

const (
	// minMessageSize leaves room for what every entry has.
	minMessageSize = 4 << 10
	// maxMessageSizeLimit is the greatest max_message_size: with all its escapes
	// an entry must fit into one batch of the log (16 MiB).
	maxMessageSizeLimit = 4 << 20
	// maxFieldsLimit is the greatest max_fields.
	maxFieldsLimit = 64 << 10

	// maxNameSize is the longest name of a field in octets. journald allows 64.
	maxNameSize = 256
	// maxValueSize is the longest value that may be announced or sent, journald's
	// own limit. What is beyond is not the length of a field.
	maxValueSize = 768 << 20
	// maxCursor is the most octets kept of a cursor where max_field_size is less.
	// journald's have up to 145.
	maxCursor = 256
	// maxEntrySize is the most octets that may come before the empty line that
	// ends an entry.
	maxEntrySize = 1 << 30

	// readBuffer is what an upload reads at once.
	readBuffer = 64 << 10
	// maxWindow is the largest window of zstd that is accepted: memory that a
	// compressed upload may take. RFC 8878 §3.1.1.1.2 asks for this much.
	maxWindow = 8 << 20
	// maxWindows is how much all uploads of an input may take so, but for those whose
	// windows have at most littleWindow: systemd-journal-upload compresses each piece of
	// what it sends by itself.
	maxWindows   = 64 << 20
	littleWindow = 128 << 10

	// maxBatchOctets and maxBatchEntries close a batch that entries are being
	// gathered into while the one before is on its way to the disk.
	maxBatchOctets  = 512 << 10
	maxBatchEntries = 4096
	// maxQueued bounds what all uploads of an input hold that is not yet stored. Beyond
	// that a batch is closed with littleOctets or littleEntries.
	maxQueued     = 32 << 20
	littleOctets  = 16 << 10
	littleEntries = 64
	// perEntry is what an entry takes beside its octets.
	perEntry = 128
	// maxKeptBuffer is what is kept of a batch that one rare huge entry has made grow,
	// maxKeptEntry what an upload keeps of the memory of an entry.
	maxKeptBuffer = 2 << 20
	maxKeptEntry  = 64 << 10
	// maxRatio is how many times as many octets as came an upload may be decompressed
	// to, beyond freeOctets: entries differ at least in their cursors. What is passed over
	// of a value that is too long counts a passedOver-th: it costs little, and may be
	// zeros, as in a dump.
	maxRatio   = 1000
	freeOctets = 1 << 20
	passedOver = 16

	// maxJournals is how many journals of a connection are remembered between
	// entries. A client that has more loses nothing but part of what makes
	// entries that are sent again known.
	maxJournals = 1024

	// maxHeaderSize bounds the header of a request.
	maxHeaderSize = 32 << 10
	// answerTimeout is how long a client may take none of its answer.
	answerTimeout = 30 * time.Second
	// lookInterval is how often an upload that waits for the log looks whether its client
	// is still there.
	lookInterval = time.Second
)
