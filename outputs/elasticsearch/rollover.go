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

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// A data stream is a row of backing indices, of which the newest is written to.
// "create" answers 409 to a document that this one holds, and knows nothing of
// those before. So where documents may have been sent before (an answer was lost,
// or the process has just started) and the stream has rolled over since they were
// received, the older indices are asked for them first.

// clockMargin is how far the clocks of hosts and cluster may be apart.
const clockMargin = 5 * time.Minute

// errNoSense is the error of an answer that is none to the question.
var errNoSense = errors.New("answer makes no sense")

// askMax is how many documents one question is about.
const askMax = 1000

// backing is one backing index, and when it stopped being written to: when the
// next one was made.
type backing struct {
	name   string
	closed time.Time
}

// older returns the backing indices that may have taken documents since then.
func (o *Output) older(ctx context.Context, since time.Time) ([]backing, error) {
	var answer map[string]struct {
		Settings map[string]string
	}
	flat := true
	err := o.request(ctx, esapi.IndicesGetSettingsRequest{
		Index: []string{o.target}, Name: []string{"index.creation_date"}, FlatSettings: &flat,
	}, &answer)
	if status, ok := err.(*StatusError); ok && status.Status == http.StatusNotFound {
		return nil, nil // nothing was ever written
	} else if err != nil {
		return nil, err
	}
	type index struct {
		name    string
		created int64
	}
	var all []index
	for name, i := range answer {
		ms, err := strconv.ParseInt(i.Settings["index.creation_date"], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%w: index %s was created at %q", errNoSense, name, i.Settings["index.creation_date"])
		}
		all = append(all, index{name, ms})
	}
	slices.SortFunc(all, func(a, b index) int { return int(a.created - b.created) })
	var older []backing
	for i := range len(all) - 1 {
		if closed := time.UnixMilli(all[i+1].created); !closed.Before(since.Add(-clockMargin)) {
			older = append(older, backing{all[i].name, closed})
		}
	}
	return older, nil
}

// findSent marks the items of b that an older backing index holds as duplicates,
// and drops them. What must not be read is passed over, and told.
func (w *write) findSent(ctx context.Context, b *bulk) error {
	if w.cfg.Mode != ModeDataStream || w.cfg.ID != IDEvent || len(b.items) == 0 || w.cannotAsk.Load() {
		return nil
	}
	received := w.progress.ids[b.items[0].event].ReceivedNano()
	for _, it := range b.items {
		received = min(received, w.progress.ids[it.event].ReceivedNano())
	}
	ctx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	defer cancel()
	older, err := w.older(ctx, time.Unix(0, received))
	if unreadable(err) {
		w.cannotAsk.Store(true)
		w.tellUnreadable(err)
		return nil
	} else if err != nil {
		return &passing{err, true}
	}
	for _, i := range older {
		var err error
		for items := b.items; err == nil && len(items) > 0; items = items[min(len(items), askMax):] {
			err = w.ask(ctx, i.name, items[:min(len(items), askMax)])
		}
		if unreadable(err) {
			w.tellUnreadable(err) // another may have them, and say so
		} else if err != nil {
			return &passing{err, true}
		}
		b.keep(func(event int) bool { return w.progress.states[event] == pending })
	}
	return nil
}

// unreadable tells that a question was refused, or not understood, and would be again.
func unreadable(err error) bool {
	var status *StatusError
	return errors.Is(err, errNoSense) || errors.As(err, &status) && status.Status < 500 &&
		status.Status != http.StatusTooManyRequests && status.Status != http.StatusUnauthorized
}

// tellUnreadable says once that duplicates cannot be ruled out, and why.
func (w *write) tellUnreadable(err error) {
	if !w.toldUnreadable.Swap(true) {
		w.log.Warn().Err(err).Msg("output cannot look into its data stream: where it rolls over between an attempt and the next, documents can be there twice")
	}
}

// ask marks the items that an index holds. An index that cannot say of one, as where
// its shard is not there, is asked again later: the document may be in it. One that was
// closed says nothing until somebody opens it, for which nothing is to wait; one that
// was deleted meanwhile holds nothing.
func (w *write) ask(ctx context.Context, index string, items []bulkItem) error {
	body := []byte(`{"ids":[`)
	for k, it := range items {
		if k > 0 {
			body = append(body, ',')
		}
		body = append(w.progress.ids[it.event].AppendText(append(body, '"')), '"')
	}
	body = append(body, "]}"...)
	var answer struct {
		Docs []struct {
			Found bool
			Error errorDetail
		}
	}
	err := w.request(ctx, esapi.MgetRequest{
		Index: index, Body: bytes.NewReader(body), Source: []string{"false"}, FilterPath: []string{"docs.found", "docs.error"},
	}, &answer)
	if err != nil {
		return err
	}
	if len(answer.Docs) != len(items) {
		return fmt.Errorf("%w: asked for %d documents of index %s, answered for %d", errNoSense, len(items), index, len(answer.Docs))
	}
	found := 0
	for k, doc := range answer.Docs {
		switch {
		case doc.Error.Type == "security_exception" || doc.Error.Type == "index_closed_exception":
			err = &StatusError{Status: http.StatusForbidden, Reason: join("index "+index, doc.Error.Type, doc.Error.Reason)}
		case doc.Error.Type != "" && doc.Error.Type != "index_not_found_exception":
			err = fmt.Errorf("index %s does not say whether it holds a document sent before: %s", index, join(doc.Error.Type, doc.Error.Reason))
		case doc.Found:
			w.progress.states[items[k].event] = duplicate
			found++
		}
	}
	if found > 0 {
		w.sawDuplicates.Store(true)
		w.metrics.duplicate.Add(float64(found))
	}
	return err
}
