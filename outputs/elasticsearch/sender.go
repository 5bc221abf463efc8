package elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	es "github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/klauspost/compress/gzip"
)

// expectAbove is the size in octets of a request that first asks the server
// whether it would take it: a server that closes the connection on a body that is
// too large is often not heard saying so.
const expectAbove = 8 << 20

// filterPath asks for the parts of the answer that are read.
var filterPath = []string{"errors", "items.*.status", "items.*.error", "items.*.failure_store"}

// sender sends requests, one at a time, for one worker.
type sender struct {
	w      *write
	answer answerReader
	// outcomes are what the answer under way says, to be believed at its end.
	outcomes []outcome
	zipped   bytes.Buffer
	zip      *gzip.Writer
}

type outcome struct {
	verdict verdict
	status  int
	reason  string
	// kind is that of a failure.
	kind string
}

// send sends the items from i up to j by client and notes what the answer says of each. The
// error is nil where all are done; where it is not and the result is answered, it
// says why the others are not.
func (s *sender) send(ctx context.Context, client *es.BaseClient, b *bulk, i, j int) (requestVerdict, error) {
	w := s.w
	if err := w.pace.begin(ctx); err != nil {
		return unknown, err
	}
	start := time.Now()
	result, err := s.exchange(ctx, client, b, i, j)
	turnedAway := result == overloaded
	if result == answered {
		turnedAway, err = s.settle(b, i)
	}
	w.pace.end(start, turnedAway)
	w.metrics.seconds.Observe(time.Since(start).Seconds())
	return result, err
}

// exchange sends a request and reads its answer into outcomes.
func (s *sender) exchange(ctx context.Context, client *es.BaseClient, b *bulk, i, j int) (requestVerdict, error) {
	w := s.w
	var host string
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, nodeKey{}, &host), w.cfg.Timeout)
	defer cancel()

	body, header := b.octets(i, j), http.Header{}
	if w.cfg.Compression == CompressionGzip {
		var err error
		if body, err = s.compress(body); err != nil {
			return denied, err
		}
		header.Set("Content-Encoding", "gzip")
	}
	if len(body) > expectAbove {
		header.Set("Expect", "100-continue")
	}
	res, err := s.bulk(ctx, client, body, header)
	if err != nil {
		w.metrics.requests.WithLabelValues("0").Inc()
		// What answers next may be another cluster, or one that lost its data.
		w.unprepared.Store(true)
		return unknown, fmt.Errorf("send to elasticsearch: %w", err)
	}
	defer res.Body.Close()
	w.metrics.octets.Add(float64(len(body)))
	if result := classifyRequest(res.StatusCode, true); result != answered {
		w.metrics.requests.WithLabelValues(strconv.Itoa(res.StatusCode)).Inc()
		e, structured := statusError(res, host)
		return classifyRequest(res.StatusCode, structured), e
	}
	s.outcomes = s.outcomes[:0]
	err = s.answer.read(res.Body, j-i, func(_ int, item *itemAnswer) {
		o := outcome{verdict: classifyItem(item), status: item.status}
		if o.verdict > duplicate {
			o.reason = item.describe()
		}
		if o.verdict == failed {
			o.kind = item.kind()
		}
		if item.failureStore {
			w.metrics.redirected.Inc()
		}
		s.outcomes = append(s.outcomes, o)
	})
	if err != nil {
		w.metrics.requests.WithLabelValues("0").Inc()
		return unknown, fmt.Errorf("read the answer of elasticsearch at %s: %w", host, err)
	}
	w.metrics.requests.WithLabelValues("200").Inc()
	return answered, nil
}

func (s *sender) bulk(ctx context.Context, client *es.BaseClient, body []byte, header http.Header) (*esapi.Response, error) {
	w := s.w
	r := esapi.BulkRequest{
		Index:      w.target,
		Body:       bytes.NewReader(body),
		Pipeline:   w.cfg.Pipeline,
		FilterPath: filterPath,
		Header:     header,
	}
	if w.requireDataStream {
		r.RequireDataStream = &w.requireDataStream
	}
	return r.Do(ctx, client)
}

// settle takes over what an answer says of the items from i on. turnedAway says
// that the server wants less, err why some are still open.
func (s *sender) settle(b *bulk, i int) (turnedAway bool, err error) {
	w := s.w
	var counts [rejected + 1]int
	var first [rejected + 1]*outcome
	now := w.now()
	took := w.judge.accepted(slices.ContainsFunc(s.outcomes, func(o outcome) bool { return o.verdict <= duplicate }), now)
	for k := range s.outcomes {
		o := &s.outcomes[k]
		event := b.items[i+k].event
		if o.verdict == failed && w.judge.rejects(w.progress.failed(event, o.kind, now, took), now) {
			o.verdict = rejected
		}
		switch o.verdict {
		case created, duplicate:
			w.progress.states[event] = o.verdict
			if kind, failed := w.progress.passed(event); failed {
				w.judge.passed(kind, now)
			}
		case rejected:
			w.progress.reject(event, o.status, o.reason)
		}
		if counts[o.verdict]++; first[o.verdict] == nil {
			first[o.verdict] = o
		}
	}
	if counts[duplicate] > 0 {
		w.sawDuplicates.Store(true)
	}
	w.metrics.created.Add(float64(counts[created]))
	w.metrics.duplicate.Add(float64(counts[duplicate]))
	w.metrics.rejected.Add(float64(counts[rejected]))
	w.metrics.again.Add(float64(counts[again] + counts[failed] + counts[held]))
	for _, v := range []verdict{held, again, failed} {
		if o := first[v]; o != nil {
			err := error(&StatusError{Status: o.status, Reason: o.reason})
			if v == failed {
				err = &suspect{err}
			}
			if v != held {
				err = &passing{err, false}
			}
			return counts[again] > 0, err
		}
	}
	return false, nil
}

// probe asks whether Elasticsearch itself is behind a node that refused a bulk
// request, with one of nothing, which it answers with an error of its own. If it
// does, it returns a client of this node: what refuses a document there once more
// does so because of the document.
func (s *sender) probe(ctx context.Context, host string) *es.BaseClient {
	client, err := s.w.transport.only(host)
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.w.cfg.Timeout)
	defer cancel()
	res, err := s.bulk(ctx, client, []byte("\n"), http.Header{})
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		if _, structured := statusError(res, host); !structured || res.StatusCode != http.StatusBadRequest {
			return nil
		}
	}
	return client
}

// compress returns body in gzip; it is valid until the next call.
func (s *sender) compress(body []byte) ([]byte, error) {
	s.zipped.Reset()
	if s.zip == nil {
		zip, err := gzip.NewWriterLevel(&s.zipped, gzip.BestSpeed)
		if err != nil {
			return nil, errors.Join(errors.New("compress a request"), err)
		}
		s.zip = zip
	}
	s.zip.Reset(&s.zipped)
	if _, err := s.zip.Write(body); err != nil {
		return nil, fmt.Errorf("compress a request: %w", err)
	}
	if err := s.zip.Close(); err != nil {
		return nil, fmt.Errorf("compress a request: %w", err)
	}
	return s.zipped.Bytes(), nil
}
