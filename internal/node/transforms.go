package node

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/match"
	"github.com/syslane/syslane/internal/redact"
	"github.com/syslane/syslane/internal/transform"
	"github.com/syslane/syslane/parser"
)

// transformKeys are the keys of [[transform]].
type transformKeys struct {
	ruleKeys
	// Sample keeps one in so many messages.
	Sample *struct {
		OneIn int    `toml:"one_in,required"`
		By    string `toml:"by"`
	} `toml:"sample"`
	// Rename, Remove and Set name fields as conditions do.
	Rename map[string]string `toml:"rename"`
	Remove []string          `toml:"remove"`
	Set    map[string]string `toml:"set"`
	Tag    []string          `toml:"tag"`
	// Redact names patterns, RedactPatterns are some of one's own.
	Redact         []string `toml:"redact"`
	RedactPatterns []string `toml:"redact_patterns"`
	// RedactWith stands for what was taken out. Default "REDACTED".
	RedactWith string `toml:"redact_with"`
	// Hash puts keyed hashes in place of what is taken out.
	Hash *struct {
		Key config.Secret `toml:"key,required"`
	} `toml:"hash"`
	// Extract is as for inputs.
	Extract []string `toml:"extract" enum:"kv,json,cef"`
}

// minHashKey is the least length of a key for hashes, in octets.
const minHashKey = 16

// planTransforms reads the tables [[transform]].
func (p *Plan) planTransforms() {
	tables := p.Config.Transforms
	if len(tables) == 0 {
		return
	}
	names := newNames("transform")
	var list []*transform.Transform
	for i, t := range tables {
		var c transformKeys
		if t.Decode(&c) != nil {
			continue
		}
		out := &transform.Transform{Tags: c.Tag}
		var err error
		if out.Name, err = names.take(t, c.Name, fmt.Sprintf("transform-%d", i+1)); err != nil {
			continue
		}
		if out.Match, err = c.compile(t); err != nil {
			continue
		}
		c.edits(t, out)
		c.redaction(t, out)
		c.sampling(t, out)
		p.memory.samples.add(out.Name+" "+t.Fingerprint(), out.Sample)
		if len(c.Extract) > 0 {
			if out.Extract, err = parser.NewExtractor(c.Extract); err != nil {
				t.Errorf("extract", "%v", err)
			}
		}
		list = append(list, out)
	}
	if len(tables) > transform.MaxTransforms {
		tables[transform.MaxTransforms].ErrorHere("there may be %d transforms", transform.MaxTransforms)
	}
	p.Rules.Transforms = transform.NewChain(list)
}

// edits reads what is set, moved and removed.
func (c *transformKeys) edits(t config.Table, out *transform.Transform) {
	for _, from := range slices.Sorted(maps.Keys(c.Rename)) {
		a, err := transform.ParseField(from)
		b, err2 := transform.ParseField(c.Rename[from])
		if err = errors.Join(err, err2); err == nil {
			err = a.CanMove(b)
		}
		if err != nil {
			t.Errorf("rename", "%v", err)
			continue
		}
		out.Rename = append(out.Rename, transform.Move{From: a, To: b})
	}
	for i, name := range c.Remove {
		f, err := transform.ParseField(name)
		if err == nil {
			err = f.CanRemove()
		}
		if err != nil {
			t.Errorf(fmt.Sprintf("remove[%d]", i), "%v", err)
			continue
		}
		out.Remove = append(out.Remove, f)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Set)) {
		f, err := transform.ParseField(name)
		if err == nil {
			err = f.CheckValue(c.Set[name])
		}
		if err != nil {
			t.Errorf("set", "%v", err)
			continue
		}
		out.Set = append(out.Set, transform.Assignment{To: f, Value: c.Set[name]})
	}
}

// redaction reads what is taken out of messages.
func (c *transformKeys) redaction(t config.Table, out *transform.Transform) {
	if len(c.Redact)+len(c.RedactPatterns) == 0 {
		for _, key := range []string{"redact_with", "hash"} {
			if t.Has(key) {
				t.Errorf(key, "says how to redact, but nothing is named by redact or redact_patterns")
			}
		}
		return
	}
	for i, name := range c.Redact {
		if !slices.Contains(redact.Names(), name) {
			t.Errorf(fmt.Sprintf("redact[%d]", i), "no pattern has this name%s", config.Suggest(name, redact.Names()))
			return
		}
	}
	cfg := redact.Config{Named: c.Redact, Patterns: c.RedactPatterns, Replacement: c.RedactWith}
	if c.Hash != nil {
		if cfg.Key = []byte(c.Hash.Key.Value()); len(cfg.Key) < minHashKey {
			t.Errorf("hash.key", "want at least %d octets, as from: head -c 32 /dev/urandom | base64", minHashKey)
			return
		}
	}
	r, err := redact.New(cfg)
	var pattern *redact.PatternError
	switch {
	case errors.As(err, &pattern):
		t.Errorf(fmt.Sprintf("redact_patterns[%d]", pattern.Index), "%v", err)
	case err != nil:
		t.Errorf("redact_with", "%v", err)
	}
	out.Redact = r
}

// sampling reads which messages are kept.
func (c *transformKeys) sampling(t config.Table, out *transform.Transform) {
	if c.Sample == nil {
		return
	}
	out.Sample = &transform.Sample{OneIn: uint64(c.Sample.OneIn)}
	if c.Sample.OneIn < 1 {
		t.Errorf("sample.one_in", "want 1 or more")
	}
	if c.Sample.By != "" {
		if out.Sample.By = match.Text(c.Sample.By); out.Sample.By == nil {
			t.Errorf("sample.by", "%s", match.UnknownText(c.Sample.By))
		}
	}
}
