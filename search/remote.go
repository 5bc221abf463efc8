package search

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/config"
)

// Path is where a collector answers searches. The parameters are q, since,
// until, limit and order; the answer is one document a line
// (application/x-ndjson). An answer that is not all there is ends with a line
// {"error":{"message":…}} and a broken connection, never as a whole one does.
const Path = API + "search"

// API is where the parts of the HTTP API are.
const API = "/api/v1/"

// DefaultLimit is the limit where a search through the API names none.
const DefaultLimit = 100

// maxLine is the longest line of an answer that is taken, in octets: the largest
// event of which every octet is escaped, and what stands around it.
const maxLine = 128 << 20

// Failure is how the API reports errors: as {"error": Failure}, with a status of
// 400 or above, or as the last line of an answer.
type Failure struct {
	Message string `json:"message"`
	// Column is that of a SyntaxError, 0 for all else.
	Column int `json:"column,omitempty"`
	// Incomplete tells an IncompleteError.
	Incomplete bool `json:"incomplete,omitempty"`
	// Whole is that of an IncompleteError.
	Whole bool `json:"whole,omitempty"`
}

// NewFailure describes err.
func NewFailure(err error) Failure {
	var se *SyntaxError
	var ie *IncompleteError
	switch {
	case errors.As(err, &se):
		return Failure{Message: se.Text, Column: se.Column}
	case errors.As(err, &ie):
		return Failure{Message: ie.Text, Incomplete: true, Whole: ie.Whole}
	}
	return Failure{Message: err.Error()}
}

// AppendJSON appends the failure as a line with its line end.
func (f Failure) AppendJSON(dst []byte) []byte {
	text, err := json.Marshal(struct {
		Error Failure `json:"error"`
	}{f})
	if err != nil {
		text = []byte(`{"error":{"message":"unknown"}}`)
	}
	return append(append(dst, text...), '\n')
}

// err is the error that the failure was made of, as far as it can be had back.
func (f Failure) err(server string) error {
	switch {
	case f.Column > 0:
		return &SyntaxError{f.Column, f.Message}
	case f.Incomplete:
		return &IncompleteError{Text: f.Message, Whole: f.Whole}
	}
	return fmt.Errorf("%s: %s", server, f.Message)
}

// Remote searches through the HTTP API of a collector. It is safe for
// concurrent use.
type Remote struct {
	// Server is the address of the collector's API, "http://127.0.0.1:8514".
	Server string
	// Token is sent where there is one.
	Token config.Secret
	// Client sends the requests; nil means http.DefaultClient.
	Client *http.Client
}

// Search implements Searcher. Of Stats only Matched is known.
func (r *Remote) Search(ctx context.Context, q Request, found func(doc []byte) error) (Stats, error) {
	var stats Stats
	response, err := r.send(ctx, q)
	if err != nil {
		return stats, err
	}
	defer response.Body.Close()
	lines := bufio.NewReaderSize(response.Body, 64<<10)
	var line []byte
	for {
		if line, err = readLine(lines, line[:0]); err == io.EOF {
			return stats, nil
		}
		if err != nil {
			return stats, fmt.Errorf("%s: the answer broke off after %d results: %w", r.Server, stats.Matched, err)
		}
		if failure, ok := parseFailure(line); ok {
			return stats, failure.err(r.Server)
		}
		if bytes.HasPrefix(line, []byte(`{"progress":`)) {
			var p struct{ Progress Progress }
			if q.Progress != nil && json.Unmarshal(line, &p) == nil {
				q.Progress(p.Progress)
			}
			continue
		}
		if !bytes.HasPrefix(line, othersPrefix) {
			stats.Matched++
		}
		if err := found(line); err != nil {
			return stats, err
		}
	}
}

// send returns the answer to a search that the server has begun.
func (r *Remote) send(ctx context.Context, q Request) (*http.Response, error) {
	values := url.Values{"q": {q.Query}, "limit": {strconv.Itoa(q.Limit)}}
	if q.Order != "" {
		values.Set("order", string(q.Order))
	}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.UTC().Format(time.RFC3339Nano))
	}
	if !q.Until.IsZero() {
		values.Set("until", q.Until.UTC().Format(time.RFC3339Nano))
	}
	if q.Progress != nil {
		values.Set("progress", "true")
	}
	return r.get(ctx, "search", values)
}

// get asks a part of the API and returns the answer where it is a good one.
func (r *Remote) get(ctx context.Context, part string, values url.Values) (*http.Response, error) {
	base, err := url.Parse(r.Server)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("server %q is no address; write it as http://127.0.0.1:8514", r.Server)
	}
	target := base.JoinPath(API, part)
	target.RawQuery = values.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.Header.Set("Accept", "application/x-ndjson")
	if !r.Token.Empty() {
		request.Header.Set("Authorization", "Bearer "+r.Token.Value())
	}
	client := r.Client
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(request)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // the address it names is the whole query
		}
		return nil, fmt.Errorf("ask %s: %w; is a collector running there?", r.Server, err)
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if failure, ok := parseFailure(body); ok {
		err := failure.err(r.Server)
		if s := response.StatusCode; s >= 400 && s < 500 && s != http.StatusTooManyRequests {
			err = refusedError{err}
		}
		return nil, err
	}
	return nil, fmt.Errorf("%s answered %s: %s", r.Server, response.Status, appendHarmless(nil, strings.TrimSpace(string(body))))
}

// refusedError is an answer that a repetition would get again.
type refusedError struct{ error }

// Unwrap returns what the server said.
func (e refusedError) Unwrap() error { return e.error }

// Refused tells whether err is a server's refusal that the same request would get
// again, and not the loss of a connection or a server that is busy.
func Refused(err error) bool { return errors.As(err, new(refusedError)) }

// parseFailure reads a line or body that reports an error.
func parseFailure(line []byte) (Failure, bool) {
	if !bytes.HasPrefix(line, []byte(`{"error":`)) {
		return Failure{}, false
	}
	var body struct{ Error Failure }
	if err := json.Unmarshal(line, &body); err != nil {
		return Failure{Message: "unreadable error: " + err.Error()}, true
	}
	// What a server says is shown on terminals.
	body.Error.Message = string(appendHarmless(nil, body.Error.Message))
	return body.Error, true
}

// readLine reads a line into buf, without its line end. io.EOF means that the
// answer is over; one that ends within a line is io.ErrUnexpectedEOF.
func readLine(r *bufio.Reader, buf []byte) ([]byte, error) {
	for {
		part, err := r.ReadSlice('\n')
		buf = append(buf, part...)
		switch {
		case err == nil:
			return buf[:len(buf)-1], nil
		case err == bufio.ErrBufferFull && len(buf) <= maxLine:
		case err == bufio.ErrBufferFull:
			return buf, fmt.Errorf("a line is longer than %d octets", maxLine)
		case err == io.EOF && len(buf) > 0:
			return buf, io.ErrUnexpectedEOF
		default:
			return buf, err
		}
	}
}
