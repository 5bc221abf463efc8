package rsyslog

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/syslane/syslane/internal/convert"
	"github.com/syslane/syslane/internal/syslog"
)

// operand is a part of an expression between operators.
type operand struct {
	// cond is set where it is a condition in itself.
	cond *convert.Cond
	// field is a name of the language of conditions; texts are literals.
	field string
	texts []string
	// number tells that the literal was one.
	number bool
}

// expression reads a condition of RainerScript, up to "then". Where it has no
// translation it is read all the same, and the error says why.
func (s *scanner) expression() (convert.Cond, error) {
	c, err := s.or()
	if err != nil {
		s.skipToThen()
	}
	return c, err
}

// skipToThen passes over the rest of a condition.
func (s *scanner) skipToThen() {
	for !s.end() {
		s.space()
		switch c := s.peek(0); {
		case s.end():
			return
		case c == '"' || c == '\'':
			if _, err := s.quoted(); err != nil {
				return
			}
		case c == '{' || c == '}':
			return
		case wordOctet(c):
			from := s.pos
			if s.keyword("then") {
				s.pos = from
				return
			}
			s.word()
		default:
			s.pos++
		}
	}
}

func (s *scanner) or() (convert.Cond, error) {
	c, err := s.and()
	for s.space(); err == nil && s.keyword("or"); s.space() {
		var d convert.Cond
		if d, err = s.and(); err == nil {
			c = c.Or(d)
		}
	}
	return c, err
}

func (s *scanner) and() (convert.Cond, error) {
	c, err := s.not()
	for s.space(); err == nil && s.keyword("and"); s.space() {
		var d convert.Cond
		if d, err = s.not(); err == nil {
			c = c.And(d)
		}
	}
	return c, err
}

func (s *scanner) not() (convert.Cond, error) {
	if s.space(); s.keyword("not") {
		s.depth++
		defer func() { s.depth-- }()
		if s.depth > maxDepth {
			return convert.Cond{}, errors.New("the condition is nested too deep")
		}
		c, err := s.not()
		return c.Not(), err
	}
	return s.comparison()
}

func (s *scanner) comparison() (convert.Cond, error) {
	left, err := s.operand()
	if err != nil {
		return convert.Cond{}, err
	}
	s.space()
	op := s.operator()
	if op == "" {
		if left.cond != nil {
			return *left.cond, nil
		}
		return convert.Cond{}, errors.New("a condition that compares nothing")
	}
	right, err := s.operand()
	if err != nil {
		return convert.Cond{}, err
	}
	return compare(left, op, right)
}

// operators are those of comparisons, longer ones first.
var operators = []string{"==", "!=", "<>", "<=", ">=", "<", ">"}

func (s *scanner) operator() string {
	for _, op := range operators {
		if strings.HasPrefix(s.rest(), op) {
			s.pos += len(op)
			return strings.ReplaceAll(op, "<>", "!=")
		}
	}
	from := s.pos
	switch word := strings.ToLower(s.word()); word {
	case "contains", "contains_i", "startswith", "startswith_i", "endswith":
		return word
	}
	s.pos = from
	return ""
}

func (s *scanner) operand() (operand, error) {
	s.space()
	switch c := s.peek(0); {
	case c == '(':
		s.pos++
		s.depth++
		defer func() { s.depth-- }()
		if s.depth > maxDepth {
			return operand{}, errors.New("the condition is nested too deep")
		}
		cond, err := s.or()
		if err != nil {
			return operand{}, err
		}
		if s.space(); s.peek(0) != ')' {
			return operand{}, errors.New("a parenthesis is not closed, or sums are compared")
		}
		s.pos++
		return operand{cond: &cond}, nil
	case c == '"' || c == '\'':
		text, err := s.quoted()
		return s.last(operand{texts: []string{text}}, err)
	case c == '[':
		list, err := s.values()
		return s.last(operand{texts: list}, err)
	case c >= '0' && c <= '9':
		return s.last(operand{texts: []string{s.word()}, number: true}, nil)
	case c == '$':
		from := s.pos
		s.pos++
		for !s.end() && (wordOctet(s.peek(0)) || strings.IndexByte("!./-$", s.peek(0)) >= 0) {
			s.pos++
		}
		field, err := property(s.text[from+1 : s.pos])
		return s.last(operand{field: field}, err)
	case wordOctet(c):
		return s.function(s.word())
	}
	return operand{}, errors.New("an expression that is not known here")
}

// last refuses an operand that is part of a sum or a concatenation.
func (s *scanner) last(o operand, err error) (operand, error) {
	if s.space(); err == nil && s.pos < len(s.text) && strings.IndexByte("+-*%&/", s.peek(0)) >= 0 {
		return o, errors.New("values that are reckoned or put together have no translation")
	}
	return o, err
}

func (s *scanner) function(name string) (operand, error) {
	if s.space(); s.peek(0) != '(' {
		return operand{}, fmt.Errorf("%q is no part of a condition that is known here", name)
	}
	s.pos++
	s.depth++
	defer func() { s.depth-- }()
	if s.depth > maxDepth {
		return operand{}, errors.New("the condition is nested too deep")
	}
	var args []operand
	for {
		s.space()
		if s.peek(0) == ')' {
			s.pos++
			break
		}
		if s.peek(0) == ',' {
			s.pos++
			continue
		}
		arg, err := s.operand()
		if err != nil {
			return operand{}, err
		}
		args = append(args, arg)
	}
	switch name = strings.ToLower(name); {
	case (name == "re_match" || name == "re_match_i") && len(args) == 2 && args[0].field != "" && len(args[1].texts) == 1:
		c, err := convert.Matches(args[0].field, args[1].texts[0], name == "re_match_i")
		return operand{cond: &c}, err
	case name == "prifilt" && len(args) == 1 && len(args[0].texts) == 1:
		c, err := selectorCond(args[0].texts[0])
		return operand{cond: &c}, err
	case (name == "tolower" || name == "lower") && len(args) == 1 && args[0].field != "":
		return operand{field: "lower(" + args[0].field + ")"}, nil
	case name == "strlen" && len(args) == 1 && args[0].field != "":
		return operand{field: "len(" + args[0].field + ")"}, nil
	case (name == "cnum" || name == "cstr") && len(args) == 1:
		return args[0], nil
	}
	return operand{}, fmt.Errorf("the function %s() has no translation", name)
}

// property translates the name of a property.
func property(name string) (string, error) {
	switch strings.ToLower(name) {
	case "msg":
		return "message", nil
	case "rawmsg", "rawmsg-after-pri":
		return "raw", nil
	case "hostname", "source":
		return "host", nil
	case "fromhost-ip":
		return "source", nil
	case "programname", "app-name":
		return "app", nil
	case "syslogtag":
		return syslogTag, nil
	case "procid":
		return "procid", nil
	case "msgid":
		return "msgid", nil
	case "syslogfacility", "syslogfacility-text":
		return "facility", nil
	case "syslogseverity", "syslogseverity-text", "syslogpriority", "syslogpriority-text":
		return "severity", nil
	case "inputname", "fromhost":
		return "", fmt.Errorf("the property %s is none that messages have here; source is the sender's address, input the name of an [[input]]", name)
	}
	if strings.HasPrefix(name, "!") || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "/") {
		return "", fmt.Errorf("the variable $%s: messages have fields and sd[\"id\"][\"name\"] here; see extract in docs/RULES.md", name)
	}
	return "", fmt.Errorf("the property %s is none that messages have here", name)
}

// syslogTag stands for the tag, of which messages have app and procid here.
const syslogTag = "tag"

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
	case field == "facility" || field == "severity":
		return compareKeyword(field, op, right.texts)
	case field == syslogTag:
		// "cron[17]:" has the app "cron": what stands before bracket and colon.
		field = "app"
		for i, t := range right.texts {
			if right.texts = slices.Clone(right.texts); strings.ContainsAny(strings.TrimSuffix(t, ":"), "[: ") {
				return convert.Cond{}, errors.New("of a tag only the program's name can be compared: app, and procid beside it")
			}
			right.texts[i] = strings.TrimSuffix(t, ":")
		}
	}
	return compareTexts(field, op, right.texts)
}

func compareTexts(field, op string, texts []string) (convert.Cond, error) {
	literals := make([]string, len(texts))
	for i, t := range texts {
		// The text of a message begins behind the blank here, with rsyslog with it.
		if field == "message" && op != "contains" && op != "contains_i" && op != "endswith" {
			t = strings.TrimPrefix(t, " ")
		}
		if strings.HasSuffix(op, "_i") {
			t = strings.ToLower(t)
		}
		literals[i] = convert.Text(t)
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
		for _, l := range literals {
			any = any.Or(convert.Atom("%s %s %s", field, word, l))
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
		if op == "startswith" || op == "contains" {
			names[i] = t
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
