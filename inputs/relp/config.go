// Package relp is the RELP input: the server side of the protocol that rsyslog's
// omrelp speaks, and of the link between two Syslanes (docs/LINK.md).
//
// A message is acknowledged (rsp 200) only once the Sink has it durable. While
// one batch is on its way to the disk the connection goes on reading the next,
// so that a peer is never made to stop and wait; what piles up meanwhile goes to
// the disk together. A peer is never told 500 for a message: librelp, which
// rsyslog uses, drops a message on it. Where the Sink cannot take a message the
// connection is closed, and the peer sends it again.
//
// The octets of a message are exactly DATA of its frame but for one LF at the
// end, if there is one: rsyslog's own receiver removes that too, and a template
// made for files brings it along.
//
// # What a peer sends again
//
// A peer sends again on a new session, in order and before anything new, the end
// of what it had sent: what it has read no answer for. Some of that may be stored
// here. It is recognised by its order, with what the log keeps beside the messages
// (inputs.TailSink), so also after a crash: for each connection the hashes of its
// last messages, its tail.
//
// The first messages of a session are held while they may be a stretch of the
// tail of an ended connection of the same peer. Where the stretch goes on to the
// very end of the tail, and witnesses show that it cannot but be the same, all of
// it is acknowledged and not stored again, and the session goes on with that tail,
// which then is no other's. Where the peer stops before the end, as rsyslogd does
// until it has an answer, two messages and a witness are enough to acknowledge what
// has come, and what comes then is held in its turn. In every other case what is held
// is stored. A witness is a
// message that stands once in the tail and whose header has its own fraction of a
// second: one to the microsecond is enough, of coarser ones it takes two that
// differ. Of several stretches the shortest counts.
//
// The same peer is the same TLS identity, and without one the same address. A
// session waits for those former connections of its peer that the kernel knows to
// be ended, or that have octets to be read, or that have brought the message it
// begins with, until they have ended and what they brought is stored or given up.
// Behind octets the end of a connection may come; but a peer that has confirmed what
// it was sent since the session is there has not left, and is waited for no longer
// once what it had sent by then is read. Meanwhile the session reads and holds what
// comes, so that nobody waits for its octets.
// Where a network was cut nobody tells of the end. So the kernel of the peer is asked
// whether it still knows a connection that has brought that message; and one is ended
// from here for which it has confirmed nothing for settleTime of the answers it was
// sent, or has not answered when asked. Any other lives, and is not waited for any
// longer; but one that holds that message while the log takes nothing is, for the
// session could store it no sooner; and one that holds that message for former ones of
// its own is for maxTurns times settleTime. So workers of one rsyslog, and hosts behind one
// address, do not take each other's live connections for their own former ones.
//
// Doubt never costs a message. A message is stored twice
//
//   - where what is sent again has no witness: no fractions of a second, or only
//     lines that repeat to the last octet;
//   - where nothing follows the first message of it for holdTime, though it is not
//     the last of its tail, or all of it takes longer than maxHolds times that;
//   - where its first message stands in maxCandidates tails that moved later, as of very
//     many hosts behind one address, or maxStarts times behind it in its own;
//   - where the shorter of two stretches was not the true one, as in a tail that
//     ends with equal lines;
//   - where the end of the former connection did not become known in time, as behind
//     a proxy that holds it, or the peer comes back from another address;
//   - where the former connection was over TLS, and the last of its handshake was seen
//     here only after the session began;
//   - where it had more than inputs.MaxTail messages under way, or no second one
//     within maxHeld octets (littleHeld, where all connections hold much), or the
//     tail was forgotten for those of too many other peers;
//   - where it closed its session in order, and yet sends again.
//
// What a lone witness cannot tell is whether the peer sends its last message again
// or, having read the answer to it, a new one that is the same to the last octet,
// microsecond included, with the cut just between the two. The second is taken for
// the first and lost. Nor can any witness tell the copies apart that two actions of a
// peer send, each on a connection of its own: where these were cut, what one sends for
// the first time may be taken for what the other had sent, and is stored once. Nothing
// else is lost: a longer stretch would have to be written anew whole and in its order,
// with the timestamps it had. TCP does not help here.
// That an answer is confirmed does not say that the program, or anyone behind a
// proxy, has read it; that it is not says something only as long as this process
// lives, and only of that one connection, not of who comes next from its address.
//
// The hash has 64 bits and a secret seed. Nobody can forge messages of another
// peer. One who writes lines on a peer's host would need a line of his to be the
// last before a cut, and to have the hash of the line that is the first after it,
// which is not written yet, bears a microsecond he does not know, and is hashed
// with a seed he does not know.
package relp

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/receive"
	"github.com/syslane/syslane/internal/syslog"
)

// Defaults of Config.
const (
	DefaultWriteTimeout    = 30 * time.Second
	DefaultShutdownTimeout = 10 * time.Second
)

// Config says where and how the input listens. Zero values are the defaults.
type Config struct {
	// Name is on every event, metric and log line of the input.
	Name string
	// Listen is the address, host:port. IANA knows no port for RELP; 2514 and
	// 20514 are customary.
	Listen string
	// TLS makes every connection begin with a TLS handshake; nil is plain TCP. It
	// must let no client certificate through that it has not verified or been
	// told to permit (tlsconf.Server): such a client may set envelopes.
	TLS *tls.Config
	// MaxMessageSize is the most octets kept of a message; what is longer is cut
	// and flagged (WarnTruncated), and the connection kept. Default 64 KiB.
	MaxMessageSize int
	// LinkFrom are the addresses from which a peer without a client certificate
	// may set envelopes, that is, use the batch command. nil is this host alone
	// (127.0.0.0/8, ::1/128); empty but not nil is none.
	LinkFrom []netip.Prefix
	// IdleTimeout closes a connection on which nothing arrived for so long. 0
	// keeps idle connections for ever, as rsyslog does; TCP keepalive finds the
	// dead ones.
	IdleTimeout time.Duration
	// HandshakeTimeout is how long a peer may take for the TLS handshake, and
	// then until its "open" has arrived. Default receive.DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration
	// WriteTimeout is how long a peer may take none of its acknowledgements.
	WriteTimeout time.Duration
	// ShutdownTimeout is how long submits in flight may take to finish once Run
	// is told to stop. What is not durable by then was not acknowledged either.
	ShutdownTimeout time.Duration

	// MaxConnections, MaxConnectionsPerAddress and KeepAlive are those of
	// receive.Config.
	MaxConnections           int
	MaxConnectionsPerAddress int
	KeepAlive                time.Duration

	Logger     zerolog.Logger
	Registerer prometheus.Registerer

	// holdTime and settleTime are those of limits.go where tests set no others.
	holdTime, settleTime time.Duration
}

// loopback is where a peer is trusted with envelopes by default.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

func (c *Config) setDefaults() error {
	if c.MaxMessageSize == 0 {
		c.MaxMessageSize = syslog.DefaultMaxMessageSize
	}
	if c.MaxMessageSize < 1 || c.MaxMessageSize > maxMessageSizeLimit {
		return fmt.Errorf("input %q: max_message_size %d: want 1 to %d octets", c.Name, c.MaxMessageSize, maxMessageSizeLimit)
	}
	if c.IdleTimeout < 0 || c.WriteTimeout < 0 || c.ShutdownTimeout < 0 {
		return fmt.Errorf("input %q: a time-out is negative", c.Name)
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = receive.DefaultHandshakeTimeout
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = DefaultWriteTimeout
	}
	if c.ShutdownTimeout == 0 {
		c.ShutdownTimeout = DefaultShutdownTimeout
	}
	if c.holdTime == 0 {
		c.holdTime = holdTime
	}
	if c.settleTime == 0 {
		c.settleTime = settleTime
	}
	if c.LinkFrom == nil {
		c.LinkFrom = loopback()
	}
	return nil
}
