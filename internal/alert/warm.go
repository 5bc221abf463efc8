package alert

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/syslane/syslane/search"
)

// warmTimeout bounds the look into the past.
const warmTimeout = time.Minute

// unseen tells that a rule for silence or a lower bound has watched nothing yet, so that
// its groups are to be found in the past.
func (w *watch) unseen() bool {
	return len(w.rule.By) > 0 && w.rule.Condition.lower() && len(w.groups) == 0
}

// warm makes the groups that were seen before there was an alert: hosts that have been
// silent since before would never be told otherwise. Their silence begins now. It is the
// index that is asked, where it knows.
func (w *Watcher) warm(ctx context.Context) {
	local := search.NewLocal(w.cfg.View)
	ctx, cancel := context.WithTimeout(ctx, warmTimeout)
	defer cancel()
	for _, of := range w.engine.watches {
		w.mu.Lock()
		unseen := of.unseen()
		w.mu.Unlock()
		if !unseen {
			continue
		}
		var names []string
		for _, f := range of.rule.By {
			names = append(names, f.Name())
		}
		request := search.Request{Query: of.rule.QueryText + " | count by " + strings.Join(names, ","), Since: w.cfg.Now().Add(-of.rule.Seen)}
		_, err := local.Search(ctx, request, func(doc []byte) error {
			var row map[string]any
			if err := json.Unmarshal(doc, &row); err != nil || row["others"] != nil {
				return err
			}
			values := make([]string, len(names))
			for i, name := range names {
				text, _ := row[name].(string)
				text = strings.ToValidUTF8(text[:min(len(text), maxValue)], "")
				values[i] = strings.ReplaceAll(text, "\x00", "")
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if key := joinKey(values); of.groups[key] == nil && len(of.groups) < maxGroups {
				of.add(key).last = w.engine.now
			}
			return nil
		})
		if err != nil && !search.IsIncomplete(err) && ctx.Err() == nil {
			w.cfg.Logger.Warn().Err(err).Str("alert", of.rule.Name).Msg("what was seen before is not known to the alert")
		}
	}
}
