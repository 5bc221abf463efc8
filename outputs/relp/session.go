package relp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/syslane/syslane/internal/relp"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// linkInFlight is how many batches are on their way over the link at once: one
// that the server stores, one that it decompresses, and those on the wire.
const linkInFlight = 4

// closeTimeout is how long Close waits for the server to say good-bye.
const closeTimeout = 2 * time.Second

// session is an open RELP session with a target.
type session struct {
	// net is the connection to read and write, tcp the one below TLS.
	net, tcp net.Conn
	target   string
	stream   string
	// link: the server took the batch command. Of the positions from on it has
	// those in have.
	link bool
	from uint64
	have []span
	// packed: it takes what the log holds as it stands.
	packed bool
	// software is what the server calls itself; "" where it does not.
	software string
	window   *window
	reader   *relp.Reader
	// opens is how often "open" was sent.
	opens uint32
	// reading waits for the goroutine that reads answers.
	reading sync.WaitGroup
}

// refusedError is a server's answer other than 200.
type refusedError struct {
	code int
	text string
}

func (e *refusedError) Error() string { return fmt.Sprintf("refused: %d %s", e.code, e.text) }

// errServerClose: the server said that it is about to close the connection.
var errServerClose = errors.New("the server closes the connection")

// dial connects and opens a session. With a batch it offers the link, to go on
// with that batch.
func (o *lane) dial(ctx context.Context, b *outputs.Batch) (*session, error) {
	d := net.Dialer{Deadline: time.Now().Add(o.cfg.ConnectTimeout)}
	nc, err := d.DialContext(ctx, "tcp", o.target)
	if err != nil {
		return nil, err
	}
	s := &session{net: nc, tcp: nc, target: o.target}
	// Whatever follows ends with ctx.
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err = s.limit(ctx, d.Deadline); err == nil {
		err = s.start(ctx, o, b, d.Deadline)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return s, nil
}

// limit has what is read and written end at a time, if ctx does not before; the zero time
// is no limit.
func (s *session) limit(ctx context.Context, end time.Time) error {
	if err := s.tcp.SetDeadline(end); err != nil {
		return err
	}
	return ctx.Err() // whose end may have been followed by this
}

func (s *session) start(ctx context.Context, o *lane, b *outputs.Batch, end time.Time) error {
	if o.cfg.TLS != nil {
		host, _, _ := net.SplitHostPort(s.target)
		tc := tls.Client(s.net, o.cfg.TLS.Config(host))
		if err := tc.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("tls handshake: %w", err)
		}
		s.net = tc
	}
	s.reader = relp.NewReader(func([]byte) (int, bool) { return relp.MaxOpenData, false })
	err := s.negotiate(ctx, o, b, end)
	if err == nil {
		err = s.limit(ctx, time.Time{})
	}
	if err != nil {
		return fmt.Errorf("open session: %w", err)
	}
	size := o.cfg.Window
	if s.link {
		size = linkInFlight
	}
	s.window = newWindow(size)
	s.window.oldest, s.window.next = s.opens+1, s.opens+1
	s.reading.Go(func() { s.window.fail(s.read()) })
	return nil
}

// maxRestores is how many restores of a log a session follows at a server: enough for
// one that goes back every day, and an end where a server answers anything.
const maxRestores = 1000

// negotiate opens the session. If the server knows the stream, but by another
// event than the log holds at that position, the log was restored from a backup
// and has given positions twice: under another name of the stream its events are
// new ones. If it was restored before, that name can be known by other events too.
func (s *session) negotiate(ctx context.Context, o *lane, b *outputs.Batch, end time.Time) error {
	if b == nil {
		_, err := s.open("", 0)
		return err
	}
	s.stream = b.Stream
	// What a server that fails has left of the same batch comes here too.
	from, name := cmp.Or(b.Oldest, b.First), b.Stream
	for restores := 0; ; restores++ {
		have, err := s.open(name, from)
		if err != nil || !s.link {
			return err
		}
		began := time.Now()
		if same, err := agrees(ctx, b, from, have); err != nil || same {
			return err
		}
		end = end.Add(time.Since(began)) // in which nobody waited for the server
		if err := s.limit(ctx, end); err != nil {
			return err
		}
		switch restores {
		case 0:
			o.log.Warn().Str("target", s.target).Uint64("position", have.position).
				Msg("the server has had another message at this position: this log was restored from a backup, or lost what was not synced; its stream goes on under another name")
		case maxRestores:
			return fmt.Errorf("the server has had other messages at position %d, and under %d more names of the stream: give the output another name", have.position, restores)
		}
		name = b.Stream + "+" + have.id.String()
	}
}

// span is the positions from first to before next.
type span struct{ first, next uint64 }

// known is the last event of the stream that a server has, and the highest
// position that it has.
type known struct {
	position uint64
	id       syslog.ID
}

// agrees tells whether the log holds the event that the server has. What lies
// before from was delivered, and is not sent again whatever it was.
func agrees(ctx context.Context, b *outputs.Batch, from uint64, have known) (bool, error) {
	if have.position < from || b.HasEvent == nil {
		return true, nil
	}
	holds, err := b.HasEvent(ctx, have.id, from, have.position+1)
	if err != nil {
		return false, fmt.Errorf("look for the message that the server has at position %d: %w", have.position, err)
	}
	return holds, nil
}

// open offers what the output can do and learns what the server takes of it.
func (s *session) open(stream string, from uint64) (have known, err error) {
	offers := relp.Offers{
		{Name: relp.OfferVersion, Values: []string{"0"}},
		{Name: relp.OfferSoftware, Values: []string{"syslane"}},
		{Name: relp.OfferCommands, Values: []string{relp.CmdSyslog}},
	}
	if stream != "" {
		offers[2].Values = append(offers[2].Values, relp.CmdBatch)
		offers = append(offers,
			relp.Offer{Name: relp.OfferLink, Values: []string{relp.LinkVersion}},
			relp.Offer{Name: relp.OfferStream, Values: []string{escapeStream(stream)}},
			relp.Offer{Name: relp.OfferFrom, Values: []string{strconv.FormatUint(from, 10)}})
	}
	s.opens++
	s.have = nil
	if _, err := s.net.Write(relp.AppendFrame(nil, s.opens, relp.CmdOpen, offers.AppendTo(nil))); err != nil {
		return have, err
	}
	answer, err := s.await(s.opens)
	if err != nil {
		return have, err
	}
	if answer.Code != relp.CodeOK {
		return have, &refusedError{answer.Code, string(answer.Text)}
	}
	accepted, err := relp.ParseOffers(answer.Data)
	if err != nil {
		return have, err
	}
	s.software = accepted.Value(relp.OfferSoftware)
	s.link = stream != "" && accepted.Has(relp.OfferCommands, relp.CmdBatch) && accepted.Has(relp.OfferLink, relp.LinkVersion)
	if !s.link {
		return have, nil
	}
	s.from, s.packed = from, relp.TakesPacked(accepted)
	for _, v := range accepted.Values(relp.OfferHave) {
		var had span
		if n, err := fmt.Sscanf(v, "%d-%d", &had.first, &had.next); n != 2 || had.next < had.first {
			return have, fmt.Errorf("bad %s %q: %v", relp.OfferHave, v, err)
		}
		had.next++
		s.have = append(s.have, had)
	}
	if last := accepted.Values(relp.OfferLast); len(last) == 2 {
		if have.position, err = strconv.ParseUint(last[0], 10, 64); err == nil {
			have.id, err = syslog.ParseID(last[1])
		}
		if err != nil {
			return have, fmt.Errorf("bad %s: %w", relp.OfferLast, err)
		}
	}
	return have, nil
}

// await reads until the answer to txnr is there.
func (s *session) await(txnr uint32) (relp.Response, error) {
	for {
		f, ok, err := s.reader.Next()
		switch {
		case err != nil:
			return relp.Response{}, err
		case !ok:
			if n, err := s.reader.Fill(s.net); n == 0 && err != nil {
				return relp.Response{}, err
			}
		case string(f.Command) == relp.CmdServerClose:
			return relp.Response{}, errServerClose
		case f.Txnr == txnr && string(f.Command) == relp.CmdResponse:
			return relp.ParseResponse(f.Data)
		}
	}
}

// read settles what the server answers until the connection ends, and returns why.
func (s *session) read() error {
	for {
		f, ok, err := s.reader.Next()
		switch {
		case err != nil:
			return err
		case !ok:
			n, err := s.reader.Fill(s.net)
			if !s.link {
				quickAck(s.tcp)
			}
			if n == 0 && err != nil {
				if errors.Is(err, io.EOF) {
					return errLost
				}
				return fmt.Errorf("%w: %w", errLost, err)
			}
		case string(f.Command) == relp.CmdServerClose:
			return errServerClose
		case string(f.Command) == relp.CmdResponse:
			answer, err := relp.ParseResponse(f.Data)
			if err != nil {
				return err
			}
			if err := s.window.settle(f.Txnr, answer.Code, answer.Text); err != nil {
				return err
			}
		}
		// Hints not known are passed over.
	}
}

// drainTimeout is how long answers are waited for after a failure.
const drainTimeout = 200 * time.Millisecond

// drain takes the answers that are still to come after a failure, so that what
// the server owns is not sent again.
func (s *session) drain(answered func(*request)) {
	s.net.SetReadDeadline(time.Now().Add(drainTimeout))
	s.reading.Wait()
	s.window.collect(answered)
}

// abandon closes the connection without a word.
func (s *session) abandon() {
	s.net.Close()
	s.reading.Wait()
}

// close says good-bye, so that the server need not wonder, and returns an error if it
// neither answers nor ends the connection.
func (s *session) close() error {
	defer s.abandon()
	if s.window.failed() != nil {
		return nil
	}
	s.net.SetDeadline(time.Now().Add(closeTimeout))
	txnr := s.window.add(0, 0)
	if _, err := s.net.Write(relp.AppendFrame(nil, txnr, relp.CmdClose, nil)); err != nil {
		return unanswered(err)
	}
	for s.window.failed() == nil {
		<-s.window.changed // an answer, the end, or the deadline
		if n := s.window.collect(func(*request) {}); n > 0 {
			return nil
		}
	}
	return unanswered(s.window.failed())
}

// unanswered tells a server that keeps its good-bye waiting from one that has left.
func unanswered(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w to close for %s", errAckTimeout, closeTimeout)
	}
	return nil
}

// escapeStream makes a stream's name fit into an offer: what is not printable
// ASCII, and space, comma, colon and percent, becomes %XX.
func escapeStream(s string) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == ',' || c == ':' || c == '%' {
			b = append(b, '%', digits[c>>4], digits[c&15])
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
