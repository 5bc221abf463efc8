package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// lifecycleKind is the means by which a server deletes documents that have had
// their time.
type lifecycleKind uint8

const (
	// noLifecycle: retention is not set, so it is somebody else's.
	noLifecycle lifecycleKind = iota
	// streamLifecycle is Elasticsearch's own for data streams, part of the template.
	streamLifecycle
	// indexLifecycle is an ILM policy that the template names.
	indexLifecycle
	// stateManagement is an ISM policy of OpenSearch, which names its indices itself.
	stateManagement
)

// Rollover of a data stream by a policy: as Elasticsearch's own policy for logs,
// but never later than a day, so that documents go at most a day after their time.
const (
	rolloverSize = "50gb"
	rolloverAge  = "1d"
)

// lifecycle chooses the means. Data stream lifecycles are for use since
// Elasticsearch 8.14; a version that is not known is taken for a newer one.
func (c *Config) lifecycle(s Server) lifecycleKind {
	switch {
	case c.Retention == 0:
		return noLifecycle
	case s.Flavor == FlavorOpenSearch:
		return stateManagement
	case c.Mode == ModeDataStream && (s.Version == "" || atLeast(s.Version, 8, 14)):
		return streamLifecycle
	}
	return indexLifecycle
}

// retention is a time as Elasticsearch and OpenSearch write it.
func retention(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return fmt.Sprintf("%dh", d/time.Hour)
}

// lifecyclePolicy returns the policy that goes with the template, and the path it
// is put at; "" where there is none.
func lifecyclePolicy(c *Config, s Server) (path string, body []byte) {
	name, pattern := templateName(c)
	description := "syslog messages: deleted after " + retention(c.Retention)
	var policy map[string]any
	switch c.lifecycle(s) {
	case indexLifecycle:
		hot := map[string]any{}
		if c.Mode == ModeDataStream {
			hot["rollover"] = map[string]any{"max_primary_shard_size": rolloverSize, "max_age": rolloverAge}
		}
		path = "/_ilm/policy/" + name
		policy = map[string]any{
			"_meta": map[string]any{"managed_by": "syslane", "description": description},
			"phases": map[string]any{
				"hot":    map[string]any{"actions": hot},
				"delete": map[string]any{"min_age": retention(c.Retention), "actions": map[string]any{"delete": map[string]any{}}},
			},
		}
	case stateManagement:
		hot := []any{}
		if c.Mode == ModeDataStream {
			hot = append(hot, map[string]any{"rollover": map[string]any{"min_primary_shard_size": rolloverSize, "min_index_age": rolloverAge}})
		}
		path = "/_plugins/_ism/policies/" + name
		policy = map[string]any{
			"description":   description,
			"default_state": "hot",
			"ism_template":  []any{map[string]any{"index_patterns": []string{pattern}, "priority": templatePriority}},
			"states": []any{
				map[string]any{"name": "hot", "actions": hot, "transitions": []any{
					map[string]any{"state_name": "delete", "conditions": map[string]any{"min_index_age": retention(c.Retention)}},
				}},
				map[string]any{"name": "delete", "actions": []any{map[string]any{"delete": map[string]any{}}}, "transitions": []any{}},
			},
		}
	default:
		return "", nil
	}
	return path, indented(map[string]any{"policy": policy})
}

// Request is a request that manage_template makes.
type Request struct {
	Method, Path string
	Body         []byte
}

// Requests returns what manage_template asks of a server, in order: for those
// who install by hand.
func Requests(c *Config, s Server) []Request {
	var requests []Request
	if path, body := lifecyclePolicy(c, s); path != "" {
		requests = append(requests, Request{http.MethodPut, path, body})
	}
	add := func(name string, body []byte) {
		requests = append(requests, Request{http.MethodPut, "/_index_template/" + name, body})
	}
	add(Template(c, s))
	if c.DeadLetterIndex != "" {
		add(deadLetterTemplate(c, s, nil))
	}
	return requests
}

// installLifecycle installs the policy. What the server does not have or does not
// allow is said in the log and holds nothing up: documents matter more than their
// end. An error means that the server cannot say now.
func (o *Output) installLifecycle(ctx context.Context, s Server) error {
	path, body := lifecyclePolicy(&o.cfg, s)
	if path == "" {
		return nil
	}
	err := o.request(ctx, rawRequest{http.MethodPut, path, body}, nil)
	if status, ok := err.(*StatusError); ok && status.Status == http.StatusConflict {
		return nil // ISM takes changes only with the number of the version they change
	}
	return o.lifecycleFailed(err)
}

// applyLifecycle gives a data stream that is there already the retention of the
// template, which by itself holds for new ones only.
func (o *Output) applyLifecycle(ctx context.Context, s Server) error {
	if o.cfg.lifecycle(s) != streamLifecycle {
		return nil
	}
	err := o.request(ctx, esapi.IndicesPutDataLifecycleRequest{
		Name: []string{o.cfg.DataStream.Name()},
		Body: bytes.NewReader(indented(map[string]any{"data_retention": retention(o.cfg.Retention)})),
	}, nil)
	if status, ok := err.(*StatusError); ok && status.Status == http.StatusNotFound {
		return nil // it is not there yet
	}
	return o.lifecycleFailed(err)
}

// lifecycleFailed logs what a server says that cannot or will not, and returns
// all other errors.
func (o *Output) lifecycleFailed(err error) error {
	var status *StatusError
	if err == nil || !errors.As(err, &status) || status.Status >= 500 || status.Status == http.StatusTooManyRequests {
		return err
	}
	o.log.Warn().Err(err).Str("retention", retention(o.cfg.Retention)).
		Msg("server does not take the lifecycle: nothing will be deleted by itself; see \"syslane elasticsearch template\"")
	return nil
}

// rawRequest is a request that esapi has no type for, on Elasticsearch or OpenSearch.
type rawRequest Request

// Do implements esapi.Request.
func (r rawRequest) Do(ctx context.Context, t esapi.Transport) (*esapi.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, r.Path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := t.Perform(req)
	if err != nil {
		return nil, err
	}
	return &esapi.Response{StatusCode: res.StatusCode, Header: res.Header, Body: res.Body}, nil
}

// indented writes v, which is made of maps, lists and texts only, as JSON.
func indented(v any) []byte {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("JSON of %T: %v", v, err))
	}
	return append(body, '\n')
}
