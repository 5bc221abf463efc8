package rsyslog

import (
	"errors"
	"fmt"
	"strings"

	"github.com/syslane/syslane/internal/convert"
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
	c, err := s.terms()
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

// terms reads what "and" and "or" join. To rsyslogd neither binds tighter: they are
// joined from left to right.
func (s *scanner) terms() (convert.Cond, error) {
	c, err := s.comparison()
	for err == nil {
		s.space()
		join := convert.Cond.And
		if !s.keyword("and") {
			if join = convert.Cond.Or; !s.keyword("or") {
				break
			}
		}
		var d convert.Cond
		if d, err = s.comparison(); err == nil {
			c = join(c, d)
		}
		if err == nil && c.TooLong() {
			err = errors.New("the condition gets longer than anyone would read")
		}
	}
	return c, err
}

// not reads what stands behind "not". To rsyslogd it binds tighter than a comparison:
// not $msg contains "x" asks whether a number contains x.
func (s *scanner) not() (operand, error) {
	s.depth++
	defer func() { s.depth-- }()
	if s.depth > maxDepth {
		return operand{}, errors.New("the condition is nested too deep")
	}
	o, err := s.operand()
	if err != nil {
		return o, err
	}
	if o.cond == nil {
		return o, errors.New("rsyslogd takes \"not\" for a part of the value, and compares that: with parentheses, as not ($msg contains \"x\"), it has the meaning that was probably meant")
	}
	negated := o.cond.Not()
	return operand{cond: &negated}, nil
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
		cond, err := s.terms()
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
		if s.keyword("not") {
			return s.not()
		}
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
		c, err := matches(args[0].field, args[1].texts[0], name == "re_match_i")
		return operand{cond: &c}, err
	case name == "prifilt" && len(args) == 1 && len(args[0].texts) == 1:
		c, err := selectorCond(args[0].texts[0])
		return operand{cond: &c}, err
	case (name == "tolower" || name == "lower") && len(args) == 1 && keyword(args[0].field):
		return args[0], nil // names are in lower case
	case (name == "tolower" || name == "lower") && len(args) == 1 && args[0].field != "" && args[0].field != syslogTag && args[0].field != behindPri:
		return operand{field: "lower(" + args[0].field + ")"}, nil
	case name == "strlen" && len(args) == 1 && (args[0].field == "message" || args[0].field == "host" || args[0].field == "raw"):
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
	case "rawmsg":
		return "raw", nil
	case "rawmsg-after-pri":
		return behindPri, nil
	case "hostname", "source":
		return "host", nil
	case "fromhost-ip":
		return "source", nil
	case "programname", "app-name":
		return programName, nil
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

// What stands for properties that are no fields here.
const (
	// syslogTag is the tag, of which messages have app and procid.
	syslogTag = "tag"
	// programName is the app up to a slash: "postfix" of postfix/smtpd.
	programName = "programname"
	// behindPri is raw without the priority.
	behindPri = "rawmsg-after-pri"
)

// keyword tells the fields whose values are words of conditions.
func keyword(field string) bool { return field == "facility" || field == "severity" }
