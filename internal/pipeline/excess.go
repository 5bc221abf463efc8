package pipeline

import (
	"context"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/limit"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/spool"
)

const (
	// LimitID is the SD-ID of the element that tells what a limit held back:
	// [limit@32473 rule="…" count="N" keys="K" first="…" last="…"].
	LimitID = "limit@32473"
	// excessInterval is how often that is told.
	excessInterval = time.Minute
	// maxNamed is how many keys an event names.
	maxNamed = 5
)

// excess are the events that tell what limits held back, as a batch.
func (p *Pipeline) excess(now time.Time) (batch spool.Batch) {
	batch = spool.Batch{MinTime: math.MaxInt64, MaxTime: math.MinInt64}
	for _, rule := range append(p.leaving.limits(), p.setup.Load().rules.Limits...) {
		told := rule.Told(now)
		if len(told) == 0 {
			continue
		}
		if !rule.Summarises() {
			e := p.ruleExcess(rule, told, now)
			batch.Records = appendTo(&batch, batch.Records, e)
			continue
		}
		for i := range told {
			var e syslog.Event
			if err := p.keyExcess(&e, rule, &told[i], now); err != nil {
				p.cfg.Logger.Error().Err(err).Str("rule", rule.Name()).Uint64("count", told[i].Count).Msg("what a limit held back is told here alone")
				continue
			}
			batch.Records = appendTo(&batch, batch.Records, &e)
		}
	}
	return batch
}

// ruleExcess tells of all keys of a rule in one event of Syslane's own.
func (p *Pipeline) ruleExcess(rule *limit.Rule, told []limit.Excess, now time.Time) *syslog.Event {
	all := limit.Excess{First: math.MaxInt64, Last: math.MinInt64}
	var names []string
	for i, x := range told {
		all.Count += x.Count
		all.First, all.Last = min(all.First, x.First), max(all.Last, x.Last)
		if i < maxNamed && x.Key != "" {
			names = append(names, fmt.Sprintf("%s (%d)", x.Key, x.Count))
		}
	}
	text := fmt.Sprintf("limit %q held %d messages back", rule.Name(), all.Count)
	if len(names) > 0 {
		text += ": " + strings.Join(names, ", ")
		if more := len(told) - len(names); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	e := &syslog.Event{ID: p.newID(now)}
	e.Format, e.Timestamp = syslog.RFC5424, now.UnixNano()
	d := syslog.Draft{
		Facility: syslog.Syslog, Severity: syslog.Warning, Hostname: []byte(p.cfg.Host), AppName: []byte("syslane"),
		ProcID: strconv.AppendInt(nil, int64(os.Getpid()), 10), MsgID: []byte("limit"), Text: []byte(text),
	}
	d.StructuredData = limitData(rule, &all, len(told))
	d.AppendTo(nil, e)
	e.Warnings = 0
	return e
}

// keyExcess makes e what tells of one key, with the header and text of the first
// message that was held back.
func (p *Pipeline) keyExcess(e *syslog.Event, rule *limit.Rule, x *limit.Excess, now time.Time) error {
	if err := e.Decode(x.Example, nil); err != nil {
		return err
	}
	e.ID, e.Timestamp = p.newID(now), x.Last
	d := syslog.NewDraft(e)
	d.StructuredData = limitData(rule, x, 1)
	d.AppendTo(nil, e)
	return nil
}

func limitData(rule *limit.Rule, x *limit.Excess, keys int) []byte {
	sd := syslog.AppendElement(nil, LimitID)
	sd = syslog.AppendParam(sd, "rule", []byte(rule.Name()))
	sd = syslog.AppendParam(sd, "count", strconv.AppendUint(nil, x.Count, 10))
	sd = syslog.AppendParam(sd, "keys", strconv.AppendInt(nil, int64(keys), 10))
	return syslog.EndElement(appendTimes(sd, x.First, x.Last))
}

// appendTimes appends the params first and last.
func appendTimes(sd []byte, first, last int64) []byte {
	sd = syslog.AppendParam(sd, "first", time.Unix(0, first).UTC().AppendFormat(nil, time.RFC3339Nano))
	return syslog.AppendParam(sd, "last", time.Unix(0, last).UTC().AppendFormat(nil, time.RFC3339Nano))
}

// newID returns the id of an event of Syslane's own.
func (p *Pipeline) newID(now time.Time) syslog.ID {
	return syslog.MakeID(now, p.cfg.Node, p.count.Add(1))
}

// tellExcess stores what limits held back since the last time.
func (p *Pipeline) tellExcess(ctx context.Context, now time.Time) {
	for batch := p.excess(now); batch.Count > 0; {
		part := cut(&batch)
		if err := p.append(ctx, part); err != nil {
			p.cfg.Logger.Error().Err(err).Int("events", part.Count+batch.Count).Msg("what limits held back could not be told: the metrics have it")
			return
		}
		p.metrics.generated.WithLabelValues("limit").Add(float64(part.Count))
	}
}
