package rsyslog

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/syslane/syslane/internal/convert"
	"github.com/syslane/syslane/internal/syslog"
)

// compare puts a comparison together.
func compare(left operand, op string, right operand) (convert.Cond, error) {
	if left.field == "" && right.field != "" && (op == "==" || op == "!=") {
		left, right = right, left
	}
	if left.field == "" || right.field != "" || len(right.texts) == 0 || left.cond != nil || right.cond != nil {
		return convert.Cond{}, errors.New("only a property can be compared, and only with a text or number")
	}
	field := left.field
	switch {
	case keyword(field):
		return compareKeyword(field, op, right.texts)
	case field == behindPri && op == "contains":
		field = "raw"
	case field == behindPri:
		return matchesAny(field, right.texts, map[string]string{"==": "^%s$", "startswith": "^%s", "endswith": "%s$"}[op])
	case strings.Contains(field, programName):
		return compareProgram(field, op, right.texts)
	case strings.Contains(field, "source"):
		return compareSource(field, op, right.texts)
	case field == syslogTag:
		return compareTag(op, right.texts)
	}
	return compareTexts(field, op, right.texts)
}

func compareTexts(field, op string, texts []string) (convert.Cond, error) {
	literals, plain := make([]string, len(texts)), make([]string, len(texts))
	for i, t := range texts {
		// The text of a message begins behind the blank here, with rsyslog with it.
		if field == "message" && op != "contains" && op != "contains_i" && op != "endswith" {
			t = strings.TrimPrefix(t, " ")
		}
		if strings.HasSuffix(op, "_i") {
			t = strings.ToLower(t)
		}
		literals[i], plain[i] = convert.Text(t), t
		if strings.HasPrefix(field, "len(") {
			if _, err := strconv.Atoi(t); err != nil {
				return convert.Cond{}, fmt.Errorf("a length is compared with %q", t)
			}
			literals[i] = t
		}
	}
	if base, fold := strings.CutSuffix(op, "_i"); fold {
		field, op = "lower("+field+")", base
	}
	switch op {
	case "==":
		return convert.In(field, literals), nil
	case "!=":
		if len(literals) == 1 {
			return convert.Atom("%s != %s", field, literals[0]), nil
		}
		return convert.In(field, literals).Not(), nil
	case "contains", "startswith", "endswith":
		word := map[string]string{"contains": "contains", "startswith": "startsWith", "endswith": "endsWith"}[op]
		any := convert.Never
		for i, l := range literals {
			any = any.Or(convert.Atom("%s %s %s", field, word, l))
			// So is the blank in front of the first word.
			if rest, blank := strings.CutPrefix(plain[i], " "); blank && rest != "" && op == "contains" && strings.Contains(field, "message") {
				any = any.Or(convert.Atom("%s startsWith %s", field, convert.Text(rest)))
			}
		}
		return any, nil
	}
	if strings.HasPrefix(field, "len(") {
		return convert.Atom("%s %s %s", field, op, literals[0]), nil
	}
	return convert.Cond{}, fmt.Errorf("texts are not ordered by %s here", op)
}

// compareKeyword compares facility or severity: by number, or by name.
func compareKeyword(field, op string, texts []string) (convert.Cond, error) {
	switch op {
	case "contains", "contains_i":
		return matchesAny(field, texts, "%s")
	case "startswith", "startswith_i":
		return matchesAny(field, texts, "^%s")
	case "endswith":
		return matchesAny(field, texts, "%s$")
	}
	names := make([]string, len(texts))
	for i, t := range texts {
		var err error
		if field == "facility" {
			var f syslog.Facility
			f, err = syslog.ParseFacility(t)
			names[i] = f.String()
		} else {
			var v syslog.Severity
			v, err = syslog.ParseSeverity(t)
			names[i] = v.String()
		}
		if err != nil {
			return convert.Cond{}, err
		}
	}
	switch op {
	case "==":
		return convert.In(field, names), nil
	case "!=":
		return convert.In(field, names).Not(), nil
	case "<", "<=", ">", ">=":
		return convert.Atom("%s %s %s", field, op, names[0]), nil
	}
	return convert.Cond{}, fmt.Errorf("%s is a number here: name the values with in [...]", field)
}

// compareProgram compares the name of a program, which ends at a slash.
func compareProgram(field, op string, texts []string) (convert.Cond, error) {
	app := strings.Replace(field, programName, "app", 1)
	base, fold := strings.CutSuffix(op, "_i")
	if fold || app != "app" {
		fold = true
	}
	form := ""
	switch base {
	case "==", "!=":
		c, err := compareTexts(app, "==", texts)
		for _, t := range texts {
			if t != "" && !strings.Contains(t, "/") {
				c = c.Or(convert.Atom("%s startsWith %s", app, convert.Text(t+"/")))
			}
		}
		if base == "!=" {
			c = c.Not()
		}
		return c, err
	case "contains":
		form = "^[^/]*%s"
	case "endswith":
		form = "^[^/]*%s(/|$)"
	default:
		return compareTexts(app, op, texts)
	}
	any := convert.Never
	for _, t := range texts {
		c, err := convert.Matches("app", fmt.Sprintf(form, regexp.QuoteMeta(t)), fold)
		if err != nil {
			return c, err
		}
		any = any.Or(c)
	}
	return any, nil
}

// compareTag compares a tag. "cron[17]:" has the app "cron" here, what stands before bracket
// and colon, and the procid "17": a text with the colon is the end of a tag without one.
func compareTag(op string, texts []string) (convert.Cond, error) {
	base, fold := strings.CutSuffix(op, "_i")
	any := convert.Never
	for _, t := range texts {
		name, colon := strings.CutSuffix(t, ":")
		if strings.ContainsAny(name, "[: ") {
			return convert.Cond{}, errors.New("of a tag only the program's name can be compared: app, and procid beside it")
		}
		word := strings.Replace(base, "!=", "==", 1)
		switch {
		case colon && word == "startswith":
			word = "=="
		case colon && word == "contains":
			word = "endswith"
		}
		end := word == "==" || word == "endswith"
		if fold {
			word += "_i"
		}
		c, err := compareTexts("app", word, []string{name})
		if err != nil {
			return c, err
		}
		if end && name != "" {
			c = c.And(convert.Atom(`procid == ""`))
		}
		any = any.Or(c)
	}
	if base == "!=" {
		return any.Not(), nil
	}
	return any, nil
}

// ownAddress is where messages of the machine's own sockets come from to rsyslogd.
const ownAddress = "127.0.0.1"

// orOwn adds the messages of the machine's own sockets, which have no source here. Nor
// have those of files, to rsyslogd either.
func orOwn(c convert.Cond) convert.Cond {
	return c.Or(convert.Atom(`source == ""`).And(convert.Atom(`file == ""`)))
}

// compareSource compares the address of a sender.
func compareSource(field, op string, texts []string) (convert.Cond, error) {
	base := strings.Replace(strings.TrimSuffix(op, "_i"), "!=", "==", 1)
	c, err := compareTexts(field, strings.Replace(op, "!=", "==", 1), texts)
	holds := map[string]func(s, t string) bool{
		"==": func(s, t string) bool { return s == t }, "contains": strings.Contains, "startswith": strings.HasPrefix, "endswith": strings.HasSuffix,
	}[base]
	if err != nil {
		return c, err
	}
	if slices.ContainsFunc(texts, func(t string) bool { return holds(ownAddress, t) }) {
		c = orOwn(c)
	}
	if op == "!=" {
		c = c.Not()
	}
	return c, nil
}

// matchesAny returns the condition that a field matches a form with one of some texts.
func matchesAny(field string, texts []string, form string) (convert.Cond, error) {
	if form == "" {
		return convert.Cond{}, fmt.Errorf("%s cannot be compared in that way here", field)
	}
	any := convert.Never
	for _, t := range texts {
		c, err := matches(field, fmt.Sprintf(form, regexp.QuoteMeta(t)), false)
		if err != nil {
			return c, err
		}
		any = any.Or(c)
	}
	return any, nil
}

// leadingBlank is how patterns begin that want a blank in front of the text.
var leadingBlank = regexp.MustCompile(`^\^( |\\s|\[\[:space:\]\]|\[\[:blank:\]\])([*+?]?)`)

// matches returns the condition that a property has a match of a regular expression.
func matches(field, pattern string, fold bool) (convert.Cond, error) {
	switch {
	case keyword(field):
		return keywordMatches(field, pattern)
	case field == syslogTag:
		return convert.Cond{}, errors.New("of a tag only the program's name can be compared: app, and procid beside it")
	case strings.Contains(field, programName):
		field = strings.Replace(field, programName, "app", 1)
		if before, end := strings.CutSuffix(pattern, "$"); end && !strings.HasSuffix(before, `\`) {
			pattern = before + "(/|$)"
		}
	case field == behindPri:
		field = "raw"
		if rest, begins := strings.CutPrefix(pattern, "^"); begins {
			pattern = "^(<[0-9]{1,3}>)?(" + rest + ")"
		} else if strings.Contains(pattern, "^") {
			return convert.Cond{}, errors.New("raw begins with the priority")
		}
	case strings.Contains(field, "source"):
		c, err := convert.Matches(field, pattern, fold)
		if err == nil && regexp.MustCompile(pattern).MatchString(ownAddress) {
			c = orOwn(c)
		}
		return c, err
	case strings.Contains(field, "message"):
		// The text of a message begins behind the blank here, with rsyslog with it.
		if m := leadingBlank.FindStringSubmatch(pattern); m != nil {
			often := map[string]string{"": "?", "?": "?", "+": "*", "*": "*"}[m[2]]
			pattern = "^" + m[1] + often + pattern[len(m[0]):]
		}
	}
	return convert.Matches(field, pattern, fold)
}

// keywordMatches names the facilities or severities of which a pattern matches the name.
func keywordMatches(field, pattern string) (convert.Cond, error) {
	re, err := regexp.Compile("(?i)" + pattern)
	if err != nil {
		return convert.Cond{}, err
	}
	var names []string
	for i := range convert.Facilities {
		name := syslog.Facility(i).String()
		if field == "severity" {
			name = syslog.Severity(i).String()
		}
		if (field == "facility" || i < 8) && re.MatchString(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return convert.Cond{}, fmt.Errorf("%s is a word here, and none is meant by %q", field, pattern)
	}
	return convert.In(field, names), nil
}
