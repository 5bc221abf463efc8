package elasticsearch

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	"github.com/elastic/go-elasticsearch/v8/esapi"

	"github.com/syslane/syslane/internal/ecs"
	"github.com/syslane/syslane/internal/syslog"
	"github.com/syslane/syslane/outputs"
)

// The dead letter can be an index or data stream on the server itself. What cannot go
// there either, for whatever reason, is left to the delivery, which has files.

// keepAttempts is how often documents are offered to the index of the dead letter.
const keepAttempts = 3

// deadLetterFields are the fields of a document of ecs.AppendRefused. None can make a
// server refuse it: what they hold is of Syslane's own making, or text.
func deadLetterFields() map[string]field {
	return map[string]field{
		"@timestamp":        {"type": "date"},
		"message":           {"type": "match_only_text"},
		"error.code":        keyword(),
		"error.message":     keyword(),
		"event.id":          keyword(),
		"event.created":     {"type": "date", "ignore_malformed": true},
		"observer.hostname": keyword(),
		"syslane.target":    keyword(),
		"syslane.original":  {"type": "binary"},
		"ecs.version":       keyword(),
	}
}

// deadLetterTemplate returns the name and body of the index template of the dead
// letter, without the field types in missing.
func deadLetterTemplate(c *Config, s Server, missing map[string]bool) (name string, body []byte) {
	template := map[string]any{
		"mappings": map[string]any{
			"dynamic":        false,
			"date_detection": false,
			"properties":     properties(deadLetterFields(), missing),
		},
	}
	if c.lifecycle(s) == streamLifecycle {
		template["lifecycle"] = map[string]any{"data_retention": retention(c.Retention)}
	}
	t := map[string]any{
		"index_patterns": []string{c.DeadLetterIndex},
		"priority":       templatePriority + 1, // its name may match the other's pattern
		"version":        TemplateVersion,
		"_meta": map[string]any{
			"managed_by":  "syslane",
			"description": "messages whose documents were refused for good",
		},
		"template": template,
	}
	if c.Mode == ModeDataStream {
		t["data_stream"] = map[string]any{}
	}
	return "syslane-" + c.DeadLetterIndex, indented(t)
}

// keepRefused writes what was refused of b into the index of the dead letter and
// marks what is there now.
func (o *Output) keepRefused(ctx context.Context, b *outputs.Batch) {
	if o.cfg.DeadLetterIndex == "" || len(o.progress.rejections) == 0 {
		return
	}
	job := o.bulks.get()
	defer func() {
		job.reset()
		o.bulks.put(job)
	}()
	kept, n := 0, 0
	now := time.Now()
	var e syslog.Event
	for run := b.Events; len(run) > 0 && n < b.Count; n++ {
		var record []byte
		record, run = syslog.NextRecord(run)
		r, refused := o.progress.rejections[n]
		if !refused || e.Decode(record, &o.interner) != nil {
			continue
		}
		target := o.target
		if o.pattern != nil {
			target = string(o.pattern.name(&e))
		}
		job.body = append(e.ID.AppendText(append(job.body, `{"create":{"_id":"`...)), "\"}}\n"...)
		job.body = append(ecs.AppendRefused(job.body, &e, ecs.Refusal{
			Time: now, Target: target, Status: r.Status, Reason: r.Reason,
		}, o.documents.Options), '\n')
		job.items = append(job.items, bulkItem{len(job.body), n})
		if len(job.items) >= o.cfg.BulkMaxDocs || len(job.body) >= int(o.cfg.BulkMaxBytes) {
			kept += o.keepAll(ctx, job)
			job.reset()
		}
	}
	if len(job.items) > 0 {
		kept += o.keepAll(ctx, job)
	}
	if kept > 0 {
		o.metrics.kept.Add(float64(kept))
		o.log.Warn().Int("messages", kept).Str("index", o.cfg.DeadLetterIndex).
			Msg("server refused documents for good: the messages are in the index of the dead letter")
	}
}

// keepAll offers the items of job, a few times where the server turns them away, and
// returns how many were taken. It leaves those that were not.
func (o *Output) keepAll(ctx context.Context, job *bulk) (kept int) {
	s := o.senders.get()
	defer o.senders.put(s)
	for attempt := range keepAttempts {
		if attempt > 0 {
			pause := min(o.cfg.BackoffMax, o.cfg.BackoffInit<<attempt)
			select {
			case <-time.After(pause/2 + rand.N(pause/2+1)):
			case <-ctx.Done():
				return kept
			}
		}
		taken, err := o.offer(ctx, s, job)
		if err != nil {
			o.log.Warn().Err(err).Str("index", o.cfg.DeadLetterIndex).Msg("index of the dead letter takes nothing")
		}
		kept += taken
		job.keep(func(event int) bool { return !o.progress.rejections[event].Kept })
		if len(job.items) == 0 {
			break
		}
	}
	return kept
}

// offer sends the items of job once, and marks those that are taken.
func (o *Output) offer(ctx context.Context, s *sender, job *bulk) (taken int, err error) {
	var host string
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, nodeKey{}, &host), o.cfg.Timeout)
	defer cancel()
	r := esapi.BulkRequest{
		Index: o.cfg.DeadLetterIndex, Body: bytes.NewReader(job.body), FilterPath: filterPath,
		Pipeline: "_none", // one that fails would fail here too
	}
	if o.requireDataStream {
		r.RequireDataStream = &o.requireDataStream
	}
	res, err := r.Do(ctx, o.client)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		e, _ := statusError(res, host)
		return 0, e
	}
	var refused error
	verdicts := make([]verdict, 0, len(job.items))
	err = s.answer.read(res.Body, len(job.items), func(_ int, item *itemAnswer) {
		v := classifyItem(item)
		if v > duplicate && refused == nil {
			refused = &StatusError{Host: host, Status: item.status, Reason: item.describe()}
		}
		verdicts = append(verdicts, v)
	})
	if err != nil {
		return 0, err
	}
	for i, v := range verdicts {
		if v == created || v == duplicate {
			event := job.items[i].event
			rejection := o.progress.rejections[event]
			rejection.Kept = true
			o.progress.rejections[event] = rejection
			taken++
		}
	}
	return taken, refused
}
