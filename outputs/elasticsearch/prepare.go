package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/elastic/go-elasticsearch/v8/esapi"
)

// prepare finds out what the server is and installs the template, once, before
// the first document is sent: without the template the first bulk request would
// make a plain index with a mapping of the server's own choice. It fails as long
// as the server does not answer; what the credentials do not allow is left to
// whoever may, and said in the log.
func (o *Output) prepare(ctx context.Context) error {
	if o.prepared {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.cfg.Timeout)
	defer cancel()
	server, err := o.identify(ctx)
	if err != nil {
		return err
	}
	log := o.log.Info().Str("server", server.Flavor).Str("version", server.Version).Str("target", o.describeTarget())
	if o.cfg.ManageTemplate {
		note, err := o.installTemplate(ctx, server)
		if err != nil {
			return err
		}
		log = log.Str("template", note)
		o.installDeadLetter(ctx, server)
	}
	// With the template managed by others a missing one shows here, and not as a
	// plain index of the stream's name.
	o.requireDataStream = o.cfg.Mode == ModeDataStream && server.Flavor == FlavorElasticsearch && atLeast(server.Version, 8, 13)
	o.prepared = true
	log.Msg("output found its server")
	return nil
}

func (o *Output) describeTarget() string {
	if o.target != "" {
		return o.target
	}
	return o.cfg.Index
}

// Server is what is behind hosts.
type Server struct {
	// Flavor is FlavorElasticsearch or FlavorOpenSearch.
	Flavor string
	// Version is its version, as "8.19.6"; "" where it does not say.
	Version string
}

// identify asks the server what it is.
func (o *Output) identify(ctx context.Context) (Server, error) {
	var host string
	res, err := esapi.InfoRequest{}.Do(context.WithValue(ctx, nodeKey{}, &host), o.client)
	if err != nil {
		return Server{}, fmt.Errorf("reach elasticsearch: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized || res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
		e, _ := statusError(res, host)
		return Server{}, e
	}
	// Any other answer shows that there is something. That the root is forbidden
	// or not there is no reason to stop: writing needs no right to it.
	var info struct {
		Version struct{ Number, Distribution string }
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil {
		return Server{}, fmt.Errorf("read what elasticsearch at %s says of itself: %w", host, err)
	}
	s := Server{Flavor: o.cfg.Flavor}
	if json.Unmarshal(body, &info) == nil {
		s.Version = info.Version.Number
	}
	if s.Flavor == FlavorAuto {
		s.Flavor = FlavorElasticsearch
		if info.Version.Distribution == FlavorOpenSearch {
			s.Flavor = FlavorOpenSearch
		}
	}
	return s, nil
}

// atLeast tells whether version is major.minor or newer; an unknown one is not.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, err := strconv.Atoi(parts[0])
	b, err2 := strconv.Atoi(parts[1])
	return err == nil && err2 == nil && (a > major || a == major && b >= minor)
}

// installTemplate installs the template where there is none or an older one, and
// returns a word on what it did. An error means that the server cannot say now.
func (o *Output) installTemplate(ctx context.Context, s Server) (note string, err error) {
	name, _ := templateName(&o.cfg)
	there, err := o.installedTemplate(ctx, name)
	if err == nil && (there.Version > TemplateVersion || there.Version == TemplateVersion && (o.cfg.Retention == 0 || there.Meta.Retention == retention(o.cfg.Retention))) {
		return "is there already", nil
	}
	if err == nil { // the template may name the policy
		err = o.installLifecycle(ctx, s)
	}
	if err == nil {
		err = o.putTemplate(ctx, func(missing map[string]bool) (string, []byte) { return buildTemplate(&o.cfg, s, missing) })
	}
	if err == nil {
		return "installed as " + name, o.applyLifecycle(ctx, s)
	}
	if forbidden(err) {
		o.log.Warn().Str("template", name).Err(err).
			Msg("index template may not be installed: have it installed by hand, and set manage_template = false")
		return "not installed", nil
	}
	return "", fmt.Errorf("install index template %q (manage_template = false leaves it to others): %w", name, err)
}

// putTemplate installs what build returns, with other field types where the server
// does not have those that are wanted.
func (o *Output) putTemplate(ctx context.Context, build func(missing map[string]bool) (name string, body []byte)) error {
	missing := map[string]bool{}
	for {
		name, body := build(missing)
		err := o.request(ctx, esapi.IndicesPutIndexTemplateRequest{Name: name, Body: bytes.NewReader(body)}, nil)
		kind := missingType(err)
		if kind == "" || missing[kind] {
			return err
		}
		missing[kind] = true
		o.log.Warn().Str("template", name).Str("type", kind).Any("instead", substitutes[kind]["type"]).
			Msg("server does not know a field type of the template")
	}
}

// forbidden tells whether the server does not allow a request.
func forbidden(err error) bool {
	status, ok := err.(*StatusError)
	return ok && (status.Status == http.StatusForbidden || status.Status == http.StatusMethodNotAllowed)
}

// installDeadLetter installs the template of the dead letter's index. It holds
// nothing up: there is the file.
func (o *Output) installDeadLetter(ctx context.Context, s Server) {
	if o.cfg.DeadLetterIndex == "" {
		return
	}
	name, _ := deadLetterTemplate(&o.cfg, s, nil)
	there, err := o.installedTemplate(ctx, name)
	if err == nil && there.Version < TemplateVersion {
		err = o.putTemplate(ctx, func(missing map[string]bool) (string, []byte) { return deadLetterTemplate(&o.cfg, s, missing) })
	}
	if err != nil {
		o.log.Warn().Str("template", name).Err(err).Msg("index template of the dead letter is not installed: what the index does not take goes to the file")
	}
}

// installed is what there is of a template. Version is -1 where there is none.
type installed struct {
	Version int
	Meta    struct{ Retention string } `json:"_meta"`
}

// installedTemplate looks for the template.
func (o *Output) installedTemplate(ctx context.Context, name string) (installed, error) {
	none := installed{Version: -1}
	var answer struct {
		IndexTemplates []struct {
			IndexTemplate installed `json:"index_template"`
		} `json:"index_templates"`
	}
	err := o.request(ctx, esapi.IndicesGetIndexTemplateRequest{Name: name}, &answer)
	if status, ok := err.(*StatusError); ok && status.Status == http.StatusNotFound {
		return none, nil
	}
	if err != nil || len(answer.IndexTemplates) == 0 {
		return none, err
	}
	return answer.IndexTemplates[0].IndexTemplate, nil
}

// missingType returns the field type that the server does not have, where that is
// why it refused the template and there is a substitute.
func missingType(err error) string {
	status, ok := err.(*StatusError)
	if !ok || status.Status != http.StatusBadRequest {
		return ""
	}
	for kind := range substitutes {
		if strings.Contains(status.Reason, "["+kind+"]") {
			return kind
		}
	}
	return ""
}

// request sends a request that is no bulk and decodes its answer into answer,
// which may be nil. An error status is a *StatusError.
func (o *Output) request(ctx context.Context, r esapi.Request, answer any) error {
	var host string
	res, err := r.Do(context.WithValue(ctx, nodeKey{}, &host), o.client)
	if err != nil {
		return fmt.Errorf("reach elasticsearch: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		e, _ := statusError(res, host)
		return e
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err == nil && answer != nil {
		err = json.Unmarshal(body, answer)
	}
	if err != nil {
		return fmt.Errorf("read the answer of elasticsearch at %s: %w", host, err)
	}
	return nil
}
