package elasticsearch

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/syslane/syslane/internal/ecs"
)

// TemplateVersion is the version of the index template. An installed template of
// the same or a newer version is left alone.
const TemplateVersion = 1

// templatePriority is above those of Elastic's own templates: 100 for logs-*-*,
// 200 for the integrations.
const templatePriority = 501

// field is the mapping of one field.
type field map[string]any

// keyword is a field for exact matches. What is longer is kept, not indexed.
func keyword() field { return field{"type": "keyword", "ignore_above": 1024} }

// number is a field whose value an index takes even if it is none.
func number() field { return field{"type": "long", "ignore_malformed": true} }

// Template returns the name and the body of the composable index template for
// what c describes; flavor is FlavorElasticsearch or FlavorOpenSearch.
//
// All fields of a document (package ecs) are mapped, no other is: "dynamic" is
// false, and structured data, whose names anyone can choose, is one flattened
// field. So no message can make the mapping grow.
func Template(c *Config, flavor string) (name string, body []byte) {
	return buildTemplate(c, flavor, nil)
}

// substitutes are what stands in for a field type that a server does not have.
var substitutes = map[string]field{
	"match_only_text":  {"type": "text"},
	"constant_keyword": {"type": "keyword"},
	"flattened":        {"type": "object", "enabled": false},
	"flat_object":      {"type": "object", "enabled": false},
}

// buildTemplate is Template without the field types in missing.
func buildTemplate(c *Config, flavor string, missing map[string]bool) (name string, body []byte) {
	name = "syslane-" + c.DataStream.Name()
	pattern := c.DataStream.Name()
	if c.Mode == ModeIndex {
		pattern = c.Index
		if p, err := parseIndexPattern(c.Index); err == nil {
			pattern = p.wildcard()
		}
		name = "syslane-" + strings.Trim(strings.ReplaceAll(pattern, "*", ""), "-_.+")
	}
	fields := documentFields(flavor)
	if c.Mode == ModeDataStream && flavor != FlavorOpenSearch {
		// The same for all documents, so it stands here and not in each of them.
		for key, value := range map[string]string{"type": c.DataStream.Type, "dataset": c.DataStream.Dataset, "namespace": c.DataStream.Namespace} {
			fields["data_stream."+key] = field{"type": "constant_keyword", "value": value}
		}
	}
	properties := map[string]any{}
	for path, f := range fields {
		if kind := f["type"].(string); missing[kind] {
			f = substitutes[kind]
		}
		at := properties
		parts := strings.Split(path, ".")
		for _, part := range parts[:len(parts)-1] {
			inner, ok := at[part].(map[string]any)
			if !ok {
				inner = map[string]any{"properties": map[string]any{}}
				at[part] = inner
			}
			at = inner["properties"].(map[string]any)
		}
		at[parts[len(parts)-1]] = f
	}
	t := map[string]any{
		"index_patterns": []string{pattern},
		"priority":       templatePriority,
		"version":        TemplateVersion,
		"_meta": map[string]any{
			"managed_by":  "syslane",
			"description": "syslog messages in the Elastic Common Schema " + ecs.Version,
		},
		"template": map[string]any{
			"settings": map[string]any{"index": map[string]any{"refresh_interval": "5s"}},
			"mappings": map[string]any{
				"dynamic":        false,
				"date_detection": false,
				"properties":     properties,
			},
		},
	}
	if c.Mode == ModeDataStream {
		t["data_stream"] = map[string]any{}
	}
	body, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("index template: %v", err)) // it is made of maps and strings only
	}
	return name, append(body, '\n')
}

// documentFields returns the mapping of each field of a document by its path.
func documentFields(flavor string) map[string]field {
	structuredData := field{"type": "flattened", "ignore_above": 1024}
	if flavor == FlavorOpenSearch {
		structuredData = field{"type": "flat_object"}
	}
	return map[string]field{
		"@timestamp": {"type": "date"},
		"message":    {"type": "match_only_text"},
		"tags":       keyword(),

		"log.level":                  keyword(),
		"log.syslog.priority":        number(),
		"log.syslog.facility.code":   number(),
		"log.syslog.facility.name":   keyword(),
		"log.syslog.severity.code":   number(),
		"log.syslog.severity.name":   keyword(),
		"log.syslog.version":         keyword(),
		"log.syslog.hostname":        keyword(),
		"log.syslog.appname":         keyword(),
		"log.syslog.procid":          keyword(),
		"log.syslog.msgid":           keyword(),
		"log.syslog.structured_data": structuredData,
		"log.file.path":              keyword(),

		"host.name":          keyword(),
		"host.hostname":      keyword(),
		"process.name":       keyword(),
		"process.pid":        number(),
		"source.address":     keyword(),
		"source.ip":          {"type": "ip", "ignore_malformed": true},
		"source.port":        number(),
		"tls.client.subject": keyword(),
		"observer.product":   keyword(),
		"observer.hostname":  keyword(),

		"event.id":       keyword(),
		"event.created":  {"type": "date", "ignore_malformed": true},
		"event.dataset":  keyword(),
		"event.original": {"type": "keyword", "index": false, "doc_values": false},

		"user.id":       keyword(),
		"user.group.id": keyword(),

		"labels.input":      keyword(),
		"labels.format":     keyword(),
		"labels.sender_pid": keyword(),
		"syslane.original":  {"type": "binary"},
		"syslane.fields":    structuredData,
		"ecs.version":       keyword(),
	}
}
