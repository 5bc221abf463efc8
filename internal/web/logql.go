package web

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/internal/config"
	"github.com/syslane/syslane/search"
)

// lokiLabels are the labels that Grafana is shown, and the fields they stand for.
var lokiLabels = map[string]string{"host": "host", "app": "app", "level": "severity", "facility": "facility", "input": "input"}

// logQL is what is understood of a LogQL query: a selector with line filters, and
// count_over_time or rate of it.
type logQL struct {
	// query is that of the selector and the filters, in Syslane's language.
	query string
	// metric is "count_over_time" or "rate"; "" asks for lines.
	metric string
	span   time.Duration
	by     []string // labels
}

var (
	metricForm = regexp.MustCompile(`^(?s)\s*(?:sum\s*(?:by\s*\(([^)]*)\)\s*)?\(\s*)?(count_over_time|rate)\s*\((.*)\[([0-9a-z.]+)\]\s*\)\s*(\))?\s*(?:by\s*\(([^)]*)\))?\s*$`)
	// dropped is what Grafana puts behind a query whose volume it asks for: labels that
	// are not there.
	dropped = regexp.MustCompile(`^\|\s*drop\s+__error(_details)?__(\s*,\s*__error(_details)?__)*\s*`)
	matcher = regexp.MustCompile(`^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*`)
)

// parseLogQL translates a query.
func parseLogQL(text string) (q logQL, err error) {
	if m := metricForm.FindStringSubmatch(text); m != nil {
		q.metric, text = m[2], m[3]
		if q.span, err = config.ParseDuration(m[4]); err != nil || q.span < time.Millisecond {
			return q, fmt.Errorf("%q is no span of time", m[4])
		}
		for _, label := range strings.Split(m[1]+m[6], ",") {
			if label = strings.TrimSpace(label); label == "" {
				continue
			}
			if lokiLabels[label] != "" && !slices.Contains(q.by, label) {
				q.by = append(q.by, label)
			}
		}
	}
	q.query, err = selector(text)
	return q, err
}

// selector translates {label="value", …} |= "text" ….
func selector(text string) (string, error) {
	var terms []string
	rest := strings.TrimSpace(text)
	if !strings.HasPrefix(rest, "{") {
		return "", fmt.Errorf("LogQL: a query starts with {label=\"value\"}; understood are selectors with line filters, count_over_time and rate")
	}
	rest = strings.TrimSpace(rest[1:])
	for !strings.HasPrefix(rest, "}") {
		m := matcher.FindStringSubmatch(rest)
		if m == nil {
			return "", fmt.Errorf("LogQL: label=\"value\" is expected at %q", rest)
		}
		value, after, err := quoted(rest[len(m[0]):])
		if err != nil {
			return "", err
		}
		field := lokiLabels[m[1]]
		if field == "" {
			return "", fmt.Errorf("LogQL: there is no label %q", m[1])
		}
		terms = append(terms, labelTerm(field, m[2], value))
		rest = strings.TrimSpace(after)
		if next, ok := strings.CutPrefix(rest, ","); ok {
			rest = strings.TrimSpace(next)
		} else if !strings.HasPrefix(rest, "}") {
			return "", fmt.Errorf("LogQL: a } is expected at %q", rest)
		}
	}
	for rest = strings.TrimSpace(rest[1:]); rest != ""; {
		if m := dropped.FindString(rest); m != "" {
			rest = rest[len(m):]
			continue
		}
		if len(rest) < 2 || !slices.Contains([]string{"|=", "!=", "|~", "!~"}, rest[:2]) {
			return "", fmt.Errorf("LogQL: %q is not understood here; there are |= != |~ !~", rest)
		}
		op := rest[:2]
		value, after, err := quoted(strings.TrimSpace(rest[2:]))
		if err != nil {
			return "", err
		}
		rest = strings.TrimSpace(after)
		if value == "" {
			continue // Grafana's query builder leaves empty filters, which all lines pass
		}
		if op == "|=" || op == "!=" {
			value = regexp.QuoteMeta(value)
		}
		term := "message:" + expression(value)
		if op[0] == '!' {
			term = "not " + term
		}
		terms = append(terms, term)
	}
	query := strings.Join(terms, " ")
	q, err := search.Parse(query)
	if err == nil && q.Piped() {
		err = fmt.Errorf("LogQL: the query cannot be translated")
	}
	return query, err
}

// expression writes a regular expression as a term.
func expression(re string) string {
	var b strings.Builder
	escaped := false
	for _, r := range re {
		if r == '/' && !escaped {
			b.WriteByte('\\')
		}
		escaped = r == '\\' && !escaped
		b.WriteRune(r)
	}
	return "/" + b.String() + "/"
}

// labelTerm compares a label. Loki's values have their case; and "" is no value.
func labelTerm(field, op, value string) string {
	re := value
	if op == "=" || op == "!=" {
		re = regexp.QuoteMeta(value)
	}
	if re == "" {
		if op == "=" || op == "=~" {
			return "not " + field + ":*"
		}
		return field + ":*"
	}
	term := field + ":" + expression("^(?:"+re+")$")
	if op == "=" && field != "severity" && field != "facility" {
		// The index knows words, and no expressions.
		term = "(" + field + `:"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `" ` + term + ")"
	}
	if op[0] == '!' {
		return "not " + term
	}
	return term
}

// quoted reads a string in quotes or backticks.
func quoted(text string) (value, rest string, err error) {
	literal, err := strconv.QuotedPrefix(text)
	if err == nil {
		value, err = strconv.Unquote(literal)
	}
	if err != nil {
		return "", "", fmt.Errorf("LogQL: a text in quotes is expected at %q", text)
	}
	return value, text[len(literal):], nil
}
