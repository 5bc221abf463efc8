package search

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
)

// Tail implements Tailer. Where the connection breaks it returns an error that says
// so; the caller can ask again with the cursor of the last item.
func (r *Remote) Tail(ctx context.Context, q TailRequest, found func(TailItem) error) error {
	values := url.Values{"q": {q.Query}}
	if q.Cursor != "" {
		values.Set("cursor", q.Cursor)
	} else if q.Last > 0 {
		values.Set("last", strconv.Itoa(q.Last))
	}
	response, err := r.get(ctx, "tail", values)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewReaderSize(response.Body, 64<<10)
	var line []byte
	for {
		if line, err = readLine(lines, line[:0]); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err == io.EOF {
				err = io.ErrUnexpectedEOF // a tail has no end
			}
			return fmt.Errorf("%s: the connection was lost: %w", r.Server, err)
		}
		if failure, ok := parseFailure(line); ok {
			return failure.err(r.Server)
		}
		var item struct {
			TailItem
			Event json.RawMessage `json:"event"`
		}
		if err := json.Unmarshal(line, &item); err != nil {
			return fmt.Errorf("%s: read a line of the tail: %w", r.Server, err)
		}
		item.TailItem.Event = item.Event
		if err := found(item.TailItem); err != nil {
			return err
		}
	}
}

// Status returns the state of the collector, as JSON.
func (r *Remote) Status(ctx context.Context) ([]byte, error) { return r.object(ctx, "status") }

// Alerts returns the alerts of the collector and their state, as JSON.
func (r *Remote) Alerts(ctx context.Context) ([]byte, error) { return r.object(ctx, "alerts") }

// object asks for a part of the API that answers with one JSON object.
func (r *Remote) object(ctx context.Context, part string) ([]byte, error) {
	response, err := r.get(ctx, part, nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: read the %s: %w", r.Server, part, err)
	}
	return body, nil
}
