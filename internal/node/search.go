package node

import (
	"errors"
	"math"
	"time"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/outputs/elasticsearch"
	"github.com/syslane/syslane/search"
	"github.com/syslane/syslane/spool"
)

// SearchConfig is the table [search]: what else is asked beside the log.
type SearchConfig struct {
	// Elasticsearch is asked for what the log no longer holds.
	Elasticsearch config.Table `toml:"elasticsearch"`
}

// olderSearch is what searches ask for what the log no longer holds.
type olderSearch struct {
	elastic *search.Elastic
	// output writes there; "" where none of this node does.
	output string
}

// defaultSearchTimeout bounds a request to Elasticsearch, so that a search has time
// left to say that there was no answer.
const defaultSearchTimeout = 20 * time.Second

// planSearch reads [search.elasticsearch]. Without it the first output of that type
// says where to ask.
func (p *Plan) planSearch() {
	t := p.Config.Search.Elasticsearch
	// Which output it is, is decoded first: its settings are the defaults.
	cfg, name := elasticsearch.DefaultConfig(), ""
	for i := range p.Outputs {
		o := &p.Outputs[i]
		if c := o.Elasticsearch(); c != nil && (name == "" && t.Text("output") == "" || t.Text("output") == o.Name) {
			cfg, name = *c, o.Name
		}
	}
	c := struct {
		// Enabled, false, asks the log alone.
		Enabled bool `toml:"enabled"`
		// Output names the output whose settings hold where the table has no others.
		Output string `toml:"output"`
		elasticsearch.Access
		elasticsearch.Target
	}{Enabled: true, Access: cfg.Access, Target: cfg.Target}
	if !t.Has("timeout") {
		c.Timeout = defaultSearchTimeout
	}
	if t.Has("api_key") || t.Has("service_token") || t.Has("username") {
		// Another user than the output's: who only reads needs no right to write.
		c.APIKey, c.ServiceToken, c.Username, c.Password = config.Secret{}, config.Secret{}, "", config.Secret{}
	}
	if err := t.Decode(&c); err != nil || !c.Enabled {
		return
	}
	if c.Output != "" && name == "" {
		t.Errorf("output", "no output of type \"elasticsearch\" has this name")
		return
	}
	if name == "" && !t.Has("hosts") && !t.Has("cloud_id") {
		if t.Has("enabled") || t.Has("index") {
			t.Errorf("hosts", "there is no output of type \"elasticsearch\": say where to ask")
		}
		return
	}
	// What is searched may be a pattern, or several.
	index := c.Index
	if t.Has("index") {
		c.Mode, c.Index = elasticsearch.ModeDataStream, cfg.Index
	}
	if err := errors.Join(c.Access.Validate(), c.Target.Validate()); err != nil {
		t.Errorf("hosts", "%v", err)
		return
	}
	client, written, err := elasticsearch.Reader(c.Access, c.Target, "search")
	if err != nil {
		t.Errorf("hosts", "%v", err)
		return
	}
	if !t.Has("index") {
		index = written
	}
	p.older = &olderSearch{&search.Elastic{Client: client, Index: index, Lenient: true, Timeout: c.Timeout}, name}
}

// searcher returns what the HTTP API searches by what p says.
func (n *Node) searcher(p *Plan) search.Searcher {
	local := search.NewLocal(n.log.View())
	older := p.older
	if older == nil {
		return local
	}
	return &search.Merged{Local: local, Elastic: older.elastic, Undelivered: func() []spool.Span {
		for _, s := range n.sendings() {
			if s.name == older.output {
				return s.cursor.Remaining()
			}
		}
		return []spool.Span{{From: n.log.Head(), To: math.MaxUint64}} // others write there
	}}
}
