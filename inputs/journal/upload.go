package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/syslane/syslane/inputs"
	"github.com/syslane/syslane/internal/syslog"
)

const (
	uploadPath  = "/upload"
	contentType = "application/vnd.fdo.journal"
)

// server answers the requests of all connections.
type server struct {
	in   *Input
	sink inputs.SequenceSink
	// reading ends when the input is told to stop, submitting when submits must end.
	reading, submitting context.Context
	// uploads are the requests being served.
	uploads sync.WaitGroup
}

var (
	errStopping = errors.New("the server stops")
	errSubmit   = errors.New("entries could not be stored")
)

// errGone is the failure of an upload whose client left while it waited for the log.
var errGone = &bodyError{errors.New("the client is gone")}

// A bodyError is the failure of the connection while the body was read.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "read the upload: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// A refusal is a request that is not an upload.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return e.text }

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.uploads.Add(1)
	defer s.uploads.Done()
	c := r.Context().Value(connKey{}).(*conn)
	err := s.upload(w, r, c)
	status := statusOf(err)
	s.in.metrics.request(status)
	text := "OK."
	if err != nil {
		text = err.Error()
		var body *bodyError
		switch {
		case errors.Is(err, errStopping), errors.Is(err, inputs.ErrClosed):
		case errors.As(err, &body):
			s.in.repeats.Warn("upload broke off: the client repeats it", c.Source.String(), err)
		case errors.Is(err, errSubmit):
			s.in.repeats.Warn("upload could not be stored: the client repeats it", c.Source.String(), err)
		default:
			s.in.repeats.Warn("upload refused", c.Source.String(), err)
		}
		// The rest of the body is not looked at.
		w.Header().Set("Connection", "close")
	}
	h := w.Header()
	h.Set("Accept-Encoding", "zstd")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	switch status {
	case http.StatusMethodNotAllowed:
		h.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTimeout))
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// statusOf is the table of the package comment.
func statusOf(err error) int {
	var (
		refused *refusal
		format  *formatError
		body    *bodyError
	)
	switch {
	case err == nil:
		return http.StatusAccepted
	case errors.As(err, &refused):
		return refused.status
	case errors.Is(err, errSubmit), errors.Is(err, errStopping), errors.Is(err, errWindows):
		return http.StatusServiceUnavailable
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout
	case errors.As(err, &body):
		return http.StatusBadRequest
	case errors.Is(err, errEntryTooLarge):
		return http.StatusRequestEntityTooLarge
	case errors.Is(err, errWithinEntry):
		return http.StatusExpectationFailed
	case errors.As(err, &format), errors.Is(err, errCompression):
		return http.StatusUnprocessableEntity
	}
	return http.StatusInternalServerError
}

// upload takes the entries in the body of a request. It returns nil once all are
// durable; whatever it returns, what was read before is submitted, but where the client
// goes while the log takes nothing.
func (s *server) upload(w http.ResponseWriter, r *http.Request, c *conn) error {
	compressed, err := check(r)
	if err != nil {
		return err
	}
	b := &body{src: r.Body, control: http.NewResponseController(w), idle: s.in.cfg.IdleTimeout, reading: s.reading}
	entries := newReader(b)
	if compressed {
		inflation := &inflation{memory: &s.in.memory}
		defer inflation.end()
		compressed := &frames{src: b, enter: inflation.enter}
		decoder, err := zstd.NewReader(compressed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
		defer decoder.Close()
		inflated := &inflater{decoder: decoder, src: compressed}
		entries.src, entries.tooMuch = inflated, inflated.tooMuch
	}
	q := newQueue(s.submitting, s.sink, &s.in.memory, s.in.cfg.Name, inputs.Origin{Source: c.Source, Identity: c.Identity},
		func() bool { return c.Pending().Ended })
	readErr := s.entries(entries, c, q)
	if err := q.finish(); err == errGone {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", errSubmit, err)
	}
	return readErr
}

// entries reads all entries of r into q.
func (s *server) entries(r *reader, c *conn, q *queue) error {
	e := newEntry(&s.in.cfg)
	for {
		if err := r.next(e); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var place inputs.Place
		if v, ok := e.value(cursor); ok {
			place = c.journals.place(v)
		}
		if err := q.add(e, place); err != nil {
			return err
		}
		if e.truncated() {
			s.in.framing.Add(&syslog.FramingStats{Truncated: 1, Discarded: int(e.lost)})
		}
	}
}

// check refuses what is no upload, and tells whether the upload is compressed.
func check(r *http.Request) (compressed bool, err error) {
	if r.URL.Path != uploadPath {
		return false, &refusal{http.StatusNotFound, "not found: entries go to " + uploadPath}
	}
	if r.Method != http.MethodPost {
		return false, &refusal{http.StatusMethodNotAllowed, "method not allowed: entries come by POST"}
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != contentType {
		return false, &refusal{http.StatusUnsupportedMediaType, "Content-Type must be " + contentType}
	}
	switch encoding := strings.Join(r.Header.Values("Content-Encoding"), ","); {
	case encoding == "", strings.EqualFold(encoding, "identity"):
		return false, nil
	case strings.EqualFold(encoding, "zstd"):
		return true, nil
	}
	return false, &refusal{http.StatusUnsupportedMediaType, "Content-Encoding must be zstd or identity"}
}

// body reads the body of a request and gives it up where nothing arrives for
// too long, or the input is told to stop.
type body struct {
	src     io.Reader
	control *http.ResponseController
	idle    time.Duration
	reading context.Context
}

func (b *body) Read(p []byte) (int, error) {
	var deadline time.Time
	if b.idle > 0 {
		deadline = time.Now().Add(b.idle)
	}
	b.control.SetReadDeadline(deadline)
	if b.reading.Err() != nil {
		return 0, errStopping
	}
	n, err := b.src.Read(p)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		b.control.SetReadDeadline(time.Time{})
		return n, io.EOF
	case b.reading.Err() != nil:
		return n, errStopping
	}
	return n, &bodyError{err}
}

// errCompression is the failure of decompression.
var errCompression = errors.New("the upload is no whole zstd stream, or needs too much memory")

// errRatio is returned where much is decompressed from little: it costs a processor, and
// the sender nothing.
var errRatio = fmt.Errorf("more than %d octets are made of one", maxRatio)

// inflater decompresses src. It tells errors of the decoder from those of what it reads.
type inflater struct {
	decoder *zstd.Decoder
	src     *frames
	octets  int64 // that were decompressed
}

// tooMuch returns an error where more was decompressed than the octets that came allow.
func (f *inflater) tooMuch(passed int64) error {
	if f.octets-passed+passed/passedOver > freeOctets+maxRatio*f.src.passed {
		return fmt.Errorf("%w: %w", errCompression, errRatio)
	}
	return nil
}

func (f *inflater) Read(p []byte) (int, error) {
	n, err := f.decoder.Read(p)
	f.octets += int64(n)
	var body *bodyError
	if err == nil || err == io.EOF || errors.Is(err, errStopping) || errors.Is(err, errWindows) || errors.As(err, &body) {
		return n, err
	}
	return n, fmt.Errorf("%w: %w", errCompression, err)
}
