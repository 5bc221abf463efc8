package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/rs/zerolog"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/outputs"
)

// Probe asks each host what it is and what the credentials allow. Nothing is written.
func Probe(ctx context.Context, cfg Config) []outputs.Probed {
	if len(cfg.Hosts) == 0 {
		p := probe(ctx, cfg)
		p.Key = "hosts"
		if cfg.CloudID != "" {
			p.Key = "cloud_id"
		}
		return []outputs.Probed{p}
	}
	found := make([]outputs.Probed, len(cfg.Hosts))
	var all sync.WaitGroup
	for i, host := range cfg.Hosts {
		all.Go(func() {
			single := cfg
			single.Hosts = []config.Address{host}
			found[i] = probe(ctx, single)
			found[i].Key, found[i].Target = fmt.Sprintf("hosts[%d]", i), host.String()
		})
	}
	all.Wait()
	return found
}

// probe asks the one host of cfg.
func probe(ctx context.Context, cfg Config) outputs.Probed {
	o, err := New(cfg, Options{Name: "check", Logger: zerolog.Nop()})
	if err != nil {
		return outputs.Probed{Err: err}
	}
	defer o.Close()
	server, err := o.identify(ctx)
	if err != nil {
		return outputs.Probed{Err: err}
	}
	p := outputs.Probed{Note: strings.TrimSpace(server.Flavor + " " + server.Version)}
	if server.Flavor != FlavorElasticsearch {
		return p
	}
	if cfg.Mode == ModeDataStream && server.Version != "" && !atLeast(server.Version, 7, 9) {
		p.Err = fmt.Errorf("elasticsearch %s has no data streams: set mode = %q, or upgrade it to 7.9 or later", server.Version, ModeIndex)
		return p
	}
	p.Warning, p.Err = o.privileges(ctx)
	return p
}

// privileges tells what the credentials lack to write, as an error, and to install the
// template, as a warning. A server without security has nothing to say about it.
func (o *Output) privileges(ctx context.Context) (warning string, err error) {
	type list = []string
	type indices struct {
		Names      list `json:"names"`
		Privileges list `json:"privileges"`
	}
	var question struct {
		Cluster list      `json:"cluster"`
		Index   []indices `json:"index"`
	}
	target, write := o.target, list{"create_doc", "auto_configure"}
	if target == "" {
		target = o.pattern.wildcard()
	}
	if o.cfg.Mode == ModeIndex {
		write = list{"create_doc", "create_index"}
	}
	question.Cluster = list{}
	if o.cfg.ManageTemplate {
		question.Cluster = list{"manage_index_templates"}
	}
	question.Index = []indices{{list{target}, write}}
	body, err := json.Marshal(question)
	if err != nil {
		return "", err
	}
	var answer struct {
		Cluster map[string]bool
		Index   map[string]map[string]bool
	}
	err = o.request(ctx, esapi.SecurityHasPrivilegesRequest{Body: bytes.NewReader(body)}, &answer)
	var status *StatusError
	if errors.As(err, &status) && status.Status != http.StatusUnauthorized {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if lacks := lacking(answer.Index[target]); len(lacks) > 0 {
		return "", fmt.Errorf("the credentials lack %s on %s: give them to the role or API key", strings.Join(lacks, " and "), target)
	}
	if lacks := lacking(answer.Cluster); len(lacks) > 0 {
		return fmt.Sprintf("the credentials lack %s: have the template installed by hand (syslane elasticsearch template) and set manage_template = false, or give it to them", strings.Join(lacks, " and ")), nil
	}
	return "", nil
}

func lacking(granted map[string]bool) (list []string) {
	for name, has := range granted {
		if !has {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
