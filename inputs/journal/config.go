// Package journal is the server for systemd-journal-upload: the HTTP or HTTPS
// endpoint POST /upload, on port 19532 by custom, that takes entries in the
// journal export format (systemd's JOURNAL_EXPORT_FORMATS).
//
// # Uploads
//
// The first upload of a host is one POST with the whole of its journal; a POST
// ends when the client has nothing more to send. It is therefore read as a
// stream, entry by entry, in memory that depends on the limits of one entry
// alone. What is read goes to the log while the POST still runs; 202 is answered
// once the last entry is durable.
//
// The answers are those of systemd-journal-remote:
//
//	202  all entries are durable; only then the client notes how far it is
//	404  another path than /upload
//	405  another method than POST (systemd-journal-remote: 406)
//	408  nothing arrived within the idle time-out
//	413  an entry of more than a gigabyte, that is, something else than an entry
//	415  another Content-Type than application/vnd.fdo.journal, or a
//	     Content-Encoding other than zstd and identity
//	417  the body ends within an entry
//	422  the body is not in the journal export format, or not in zstd, or more than
//	     a thousand octets of entries are made of one that came
//	503  the log takes no messages, Syslane stops, or other uploads take all memory
//	     that there is for decompressing
//
// Every answer says Accept-Encoding: zstd, from which systemd-journal-upload 258
// and later learns that it may compress.
//
// # Entries sent again
//
// After anything but 202 the client repeats the whole POST. What has been stored
// of it is told by the cursors, s=…;i=…;b=…;m=…;t=…;x=…: within one journal (s,
// the sequence number id) and one boot (b), journald numbers the entries (i) as
// it writes them, and a client sends them in this order, though those of several
// journals take turns. So a journal and boot of a sender is one inputs.SequenceID,
// i the number in it and t the time. The sender is the name in its certificate,
// or its address where it has none: one host can then not make the log believe
// that it has the entries of another. Entries without a cursor are always stored.
//
// # From entry to message
//
// An entry becomes one message of RFC 5424 and goes the way of all messages:
//
//	PRI        PRIORITY, or info; SYSLOG_FACILITY, or kern for _TRANSPORT=kernel,
//	           or else user. These are journald's own rules for forwarding.
//	TIMESTAMP  _SOURCE_REALTIME_TIMESTAMP, or __REALTIME_TIMESTAMP, microseconds
//	HOSTNAME   _HOSTNAME
//	APP-NAME   SYSLOG_IDENTIFIER, or _COMM
//	PROCID     _PID, or SYSLOG_PID
//	MSGID      MESSAGE_ID
//	MSG        the first MESSAGE, octet for octet, line feeds and all
//
// A header field holds what RFC 5424 lets it hold; so every field but that
// MESSAGE stands in the structured data as well, in the order of its arrival and
// with repeats:
//
//	[journal@32473 PRIORITY="6" _PID="1" …]       values that are UTF-8
//	[journalBinary@32473 DATA="AP8=" …]           other values, in base64
//	[journalField@32473 name="A_NAME_OF_MORE_THAN_32_OCTETS_…" value="…" …]
//	                                              names that no SD-NAME can be; base64="…"
//	                                              in place of value for other values
//	[journalCut@32473 COREDUMP="73400320" fields="2"]
//	                                              what was cut: how many octets the values
//	                                              had, and how many fields are left out
//
// The last comes with the warning WarnTruncated.
package journal

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Defaults of Config.
const (
	DefaultMaxMessageSize  = 1 << 20
	DefaultMaxFieldSize    = 64 << 10
	DefaultMaxFields       = 1024
	DefaultIdleTimeout     = 5 * time.Minute
	DefaultHeaderTimeout   = 30 * time.Second
	DefaultShutdownTimeout = 10 * time.Second
)

// Config says where and how the input listens. Zero values are the defaults.
type Config struct {
	// Name is on every event, metric and log line of the input.
	Name string
	// Listen is the address, host:port. 19532 is customary.
	Listen string
	// TLS makes the input speak HTTPS (tlsconf.Server); nil is HTTP.
	TLS *tls.Config
	// MaxMessageSize is the most octets kept of the fields of one entry, at
	// least 4 KiB. Values that come after half of it is used up are cut, but for
	// those that are in the header or the text of the message.
	MaxMessageSize int
	// MaxFieldSize is the most octets kept of one value, at most half of
	// MaxMessageSize. Longer ones are cut, and the event flagged. The cursor, by which
	// entries that are sent again are known, may have 256 in any case.
	MaxFieldSize int
	// MaxFields is the most fields kept of one entry, as journald keeps it.
	// Further ones are left out, and the event flagged.
	MaxFields int
	// IdleTimeout closes a connection on which nothing arrived for so long,
	// between uploads or within one. Negative is never.
	IdleTimeout time.Duration
	// HeaderTimeout is how long a client may take to send the header of a request.
	HeaderTimeout time.Duration
	// ShutdownTimeout is how long submits may take to finish once Run is told to
	// stop. What is not durable by then was not acknowledged either.
	ShutdownTimeout time.Duration

	// MaxConnections, MaxConnectionsPerAddress, Proxies, HandshakeTimeout and
	// KeepAlive are those of receive.Config.
	MaxConnections           int
	MaxConnectionsPerAddress int
	Proxies                  []netip.Prefix
	HandshakeTimeout         time.Duration
	KeepAlive                time.Duration

	Logger     zerolog.Logger
	Registerer prometheus.Registerer
}

func (c *Config) setDefaults() error {
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = DefaultMaxMessageSize
	}
	if c.MaxMessageSize < minMessageSize || c.MaxMessageSize > maxMessageSizeLimit {
		return fmt.Errorf("input %q: max_message_size %d: want %d to %d octets", c.Name, c.MaxMessageSize, minMessageSize, maxMessageSizeLimit)
	}
	if c.MaxFieldSize == 0 {
		c.MaxFieldSize = min(DefaultMaxFieldSize, c.MaxMessageSize/2)
	}
	if c.MaxFieldSize < 1 || c.MaxFieldSize > c.MaxMessageSize/2 {
		return fmt.Errorf("input %q: max_field_size %d: want 1 to %d octets, half of max_message_size", c.Name, c.MaxFieldSize, c.MaxMessageSize/2)
	}
	if c.MaxFields == 0 {
		c.MaxFields = DefaultMaxFields
	}
	if c.MaxFields < 1 || c.MaxFields > maxFieldsLimit {
		return fmt.Errorf("input %q: max_fields %d: want 1 to %d", c.Name, c.MaxFields, maxFieldsLimit)
	}
	if c.HeaderTimeout < 0 || c.ShutdownTimeout < 0 {
		return fmt.Errorf("input %q: a time-out is negative", c.Name)
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = DefaultIdleTimeout
	}
	if c.HeaderTimeout == 0 {
		c.HeaderTimeout = DefaultHeaderTimeout
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = DefaultShutdownTimeout
	}
	return nil
}
