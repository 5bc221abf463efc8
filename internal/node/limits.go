package node

import (
	"fmt"
	"math"

	"github.com/syslane/syslane/internal/limit"
	"github.com/syslane/syslane/internal/match"
)

// What [[limit]] may have as its key excess.
const (
	excessDrop      = "drop"
	excessSummarise = "summarise"
)

// planLimits reads the tables [[limit]].
func (p *Plan) planLimits() {
	names := newNames("limit")
	for i, t := range p.Config.Limits {
		c := struct {
			ruleKeys
			// By names the fields whose values have a bucket each; none is one bucket.
			By []string `toml:"by"`
			// Rate is messages a second, Burst how many at once. Default: those of a second.
			Rate  float64 `toml:"rate,required"`
			Burst int     `toml:"burst"`
			// Excess is "drop" (default) or "summarise".
			Excess string `toml:"excess" enum:"drop,summarise"`
		}{Excess: excessDrop}
		if t.Decode(&c) != nil {
			continue
		}
		cfg := limit.Config{Rate: c.Rate, Burst: c.Burst, Summarise: c.Excess == excessSummarise}
		var err error
		if cfg.Name, err = names.take(t, c.Name, fmt.Sprintf("limit-%d", i+1)); err != nil {
			continue
		}
		if cfg.Match, err = c.compile(t); err != nil {
			continue
		}
		for k, name := range c.By {
			f := match.Text(name)
			if f == nil {
				t.Errorf(fmt.Sprintf("by[%d]", k), "%s", match.UnknownText(name))
			}
			cfg.By = append(cfg.By, f)
		}
		if !(c.Rate > 0) || math.IsInf(c.Rate, 0) {
			t.Errorf("rate", "want how many messages a second may pass: a number above 0, as 100 or 0.5")
		}
		switch {
		case !t.Has("burst"):
			cfg.Burst = max(1, int(math.Min(math.Ceil(c.Rate), math.MaxInt32)))
		case c.Burst < 1:
			t.Errorf("burst", "want how many messages may pass at once, 1 or more")
		}
		if c.Excess != excessDrop && c.Excess != excessSummarise {
			t.Errorf("excess", "want %q or %q", excessDrop, excessSummarise)
		}
		rule := limit.New(cfg)
		p.Rules.Limits = append(p.Rules.Limits, rule)
		p.memory.limits.add(cfg.Name+" "+t.Fingerprint(), rule)
	}
}
