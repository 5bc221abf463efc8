package node

import (
	"fmt"
	"time"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/internal/dedupe"
	"github.com/syslane/syslane/internal/match"
)

// dedupeKeys are the keys of a table dedupe: at the top, of an input, of a route.
type dedupeKeys struct {
	// Window is how long messages are compared with the first; "0s" compares none.
	Window time.Duration `toml:"window,required"`
	// Fields are those in which messages must be equal, besides source and host.
	Fields []string `toml:"fields"`
}

// maxWindow bounds how late the count of repeats may come.
const maxWindow = 24 * time.Hour

// table returns the table of repeats for d; nil where none are looked for. key is
// where in t its keys are.
func (d *dedupeKeys) table(t config.Table, key string) *dedupe.Table {
	if d == nil || d.Window == 0 {
		return nil
	}
	if d.Window < 0 || d.Window > maxWindow {
		t.Errorf(key+"window", "want a time up to 24h, or 0s for no suppression of repeats")
		return nil
	}
	names := d.Fields
	if !t.Has(key + "fields") {
		names = dedupe.DefaultFields
	}
	cfg := dedupe.Config{Window: d.Window}
	for i, name := range names {
		f := match.Text(name)
		if f == nil {
			t.Errorf(fmt.Sprintf("%sfields[%d]", key, i), "%s", match.UnknownText(name))
			return nil
		}
		cfg.Fields = append(cfg.Fields, f)
	}
	return dedupe.New(cfg)
}

// planDedupe reads the tables dedupe but those of routes.
func (p *Plan) planDedupe(f *config.File) {
	d := &p.Rules.Dedupe
	d.Default = p.Config.Dedupe.table(f.Table, "dedupe.")
	p.memory.tables.add("dedupe "+f.FingerprintOf("dedupe"), d.Default)
	d.Inputs = make(map[string]*dedupe.Table)
	for _, in := range p.Inputs {
		if in.settings.Dedupe != nil {
			d.Inputs[in.Name] = in.settings.Dedupe.table(in.table, "dedupe.")
			p.memory.tables.add("input "+in.Name+" "+in.table.FingerprintOf("dedupe"), d.Inputs[in.Name])
		}
	}
}
