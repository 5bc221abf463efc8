package elasticsearch

import (
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
// what c describes.
//
// All fields of a document (package ecs) are mapped, no other is: "dynamic" is
// false, and structured data, whose names anyone can choose, is one flattened
// field. So no message can make the mapping grow.
func Template(c *Config, s Server) (name string, body []byte) {
	return buildTemplate(c, s, nil)
}

// templateName returns the name of the template, and the pattern of the names
// that it applies to.
func templateName(c *Config) (name, pattern string) {
	if c.Mode != ModeIndex {
		return "syslane-" + c.DataStream.Name(), c.DataStream.Name()
	}
	pattern = c.Index
	if p, err := parseIndexPattern(c.Index); err == nil {
		pattern = p.wildcard()
	}
	return "syslane-" + strings.Trim(strings.ReplaceAll(pattern, "*", ""), "-_.+"), pattern
}

// substitutes are what stands in for a field type that a server does not have.
var substitutes = map[string]field{
	"match_only_text":  {"type": "text"},
	"constant_keyword": {"type": "keyword"},
	"flattened":        {"type": "object", "enabled": false},
	"flat_object":      {"type": "object", "enabled": false},
}

// buildTemplate is Template without the field types in missing.
func buildTemplate(c *Config, server Server, missing map[string]bool) (name string, body []byte) {
	name, pattern := templateName(c)
	fields := documentFields(server.Flavor)
	if c.Mode == ModeDataStream && server.Flavor != FlavorOpenSearch {
		// The same for all documents, so it stands here and not in each of them.
		for key, value := range map[string]string{"type": c.DataStream.Type, "dataset": c.DataStream.Dataset, "namespace": c.DataStream.Namespace} {
			fields["data_stream."+key] = field{"type": "constant_keyword", "value": value}
		}
	}
	index := map[string]any{"refresh_interval": "5s"}
	template := map[string]any{
		"settings": map[string]any{"index": index},
		"mappings": map[string]any{
			"dynamic":        false,
			"date_detection": false,
			"properties":     properties(fields, missing),
		},
	}
	meta := map[string]any{
		"managed_by":  "syslane",
		"description": "syslog messages in the Elastic Common Schema " + ecs.Version,
	}
	if c.Retention > 0 {
		meta["retention"] = retention(c.Retention)
	}
	switch c.lifecycle(server) {
	case streamLifecycle:
		template["lifecycle"] = map[string]any{"data_retention": retention(c.Retention)}
	case indexLifecycle:
		index["lifecycle"] = map[string]any{"name": name}
	}
	t := map[string]any{
		"index_patterns": []string{pattern},
		"priority":       templatePriority,
		"version":        TemplateVersion,
		"_meta":          meta,
		"template":       template,
	}
	if c.Mode == ModeDataStream {
		t["data_stream"] = map[string]any{}
	}
	return name, indented(t)
}

// properties returns the mapping of fields by their paths, without the field types in
// missing.
func properties(fields map[string]field, missing map[string]bool) map[string]any {
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
	return properties
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
