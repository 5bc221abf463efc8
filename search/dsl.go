package search

import (
	"strings"

	"github.com/syslane/syslane/internal/skipdata"
)

// object is a JSON object of Query DSL.
type object = map[string]any

var matchAll = object{"match_all": object{}}

// elasticKeyword returns the field of type keyword that holds the value of a field as
// the log has it, "" where there is none.
func elasticKeyword(field string) string {
	return map[string]string{
		"host": "host.name", "app": "log.syslog.appname", "procid": "log.syslog.procid", "msgid": "log.syslog.msgid",
		"severity": "log.syslog.severity.name", "facility": "log.syslog.facility.name", "format": "labels.format",
		"input": "labels.input", "identity": "tls.client.subject", "path": "log.file.path",
	}[field]
}

// dslOf translates a part of a query: to a filter that finds at least what the part
// matches, and exactly that where exact.
func dslOf(n node) (filter any, exact bool) {
	switch n := n.(type) {
	case allOf:
		if len(n) == 0 {
			return matchAll, true
		}
		filters, exact := dslOfAll(n)
		return object{"bool": object{"filter": filters}}, exact
	case anyOf:
		filters, exact := dslOfAll(n)
		return object{"bool": object{"should": filters, "minimum_should_match": 1}}, exact
	case not:
		filter, exact := dslOf(n.n)
		if !exact {
			return matchAll, false
		}
		return object{"bool": object{"must_not": []any{filter}}}, true
	case setNode:
		return n.dsl()
	case valueNode:
		return n.dsl()
	case textNode:
		return n.dsl()
	case netNode:
		if n.port == 0 {
			return object{"term": object{"source.ip": n.prefix.String()}}, true
		}
		return object{"bool": object{"filter": []any{
			object{"term": object{"source.ip": n.prefix.String()}}, object{"term": object{"source.port": n.port}}}}}, true
	case timeNode:
		return object{"range": object{atTimestamp: object{"gte": millis(n.since), "lte": millis(n.until), "format": "epoch_millis"}}}, false
	}
	return matchAll, false // structured data, regular expressions
}

func dslOfAll(nodes []node) (filters []any, exact bool) {
	exact = true
	for _, n := range nodes {
		f, e := dslOf(n)
		filters, exact = append(filters, f), exact && e
	}
	return filters, exact
}

func (n setNode) dsl() (any, bool) {
	names, field := []string{}, elasticKeyword(n.name)
	all := map[string][]string{"severity": severityNames, "facility": facilityNames}[n.name]
	if all == nil {
		return matchAll, false
	}
	for i, name := range all {
		if n.set&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return object{"terms": object{field: names}}, true
}

// dsl of a value that is a whole field. Elasticsearch folds the case of ASCII only.
func (n valueNode) dsl() (any, bool) {
	field := elasticKeyword(n.name)
	if field == "" {
		return matchAll, false
	}
	if n.exists() {
		return object{"exists": object{"field": field}}, true
	}
	if !n.ascii {
		return object{"exists": object{"field": field}}, false
	}
	value := wildcard(string(n.text))
	if n.before {
		value = "*" + value
	}
	if n.after {
		value += "*"
	}
	return object{"wildcard": object{field: object{"value": value, "case_insensitive": true}}}, true
}

// wildcard escapes what a wildcard query takes for more than itself.
func wildcard(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`).Replace(text)
}

// dsl of a word or phrase. The standard analyzer of message keeps a run of letters,
// digits and underscores within one token, but joins some that a dot or comma parts.
// So the tokens that hold the words are looked for, and what is found is matched
// again.
func (n textNode) dsl() (any, bool) {
	if n.exists() {
		return object{"exists": object{"field": "message"}}, false
	}
	var filters []any
	for _, word := range asciiWords(string(n.text)) {
		filters = append(filters, n.anywhere(word))
	}
	if len(filters) == 0 {
		return matchAll, false
	}
	return object{"bool": object{"filter": filters}}, false
}

// anywhere looks for a word in the texts that the node looks at.
func (n textNode) anywhere(word string) any {
	contains := func(field string) any {
		return object{"wildcard": object{field: object{"value": "*" + wildcard(word) + "*", "case_insensitive": true}}}
	}
	should := []any{contains("message")}
	if n.name == "" {
		for _, field := range []string{"log.syslog.appname", "log.syslog.hostname", "log.syslog.procid", "log.syslog.msgid"} {
			should = append(should, contains(field))
		}
		// Of structured data the names are not indexed: what has any is looked at.
		should = append(should, object{"exists": object{"field": "log.syslog.structured_data"}})
	}
	return object{"bool": object{"should": should, "minimum_should_match": 1}}
}

// asciiWords returns the words of ASCII that stand in a text. Analyzers part other
// scripts in ways of their own.
func asciiWords(text string) (words []string) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !skipdata.IsWord(r) }) {
		ascii := true
		for _, r := range word {
			ascii = ascii && r < 0x80
		}
		if ascii && len(word) <= 100 {
			words = append(words, word)
		}
	}
	return words
}
