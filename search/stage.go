package search

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/syslane/syslane/internal/config"
)

// stageToken is a word or a comma of a stage.
type stageToken struct {
	text string
	at   int
}

// stages reads what stands behind the filter:
//
//	stages    = { "|" stage }
//	stage     = "count" [ "by" fields ] | "top" [ n ] fields
//	          | "histogram" [ span ] [ "by" fields ] | "rate" [ span ] [ "by" fields ]
//	          | "facets" [ n ] fields | "first" [ n ] | "last" [ n ]
//	          | "sort" field [ "asc" | "desc" ] { "," field [ "asc" | "desc" ] }
//	          | "fields" fields
//	fields    = field { "," field }
func (p *parser) stages() (pipe pipeline, err error) {
	for n := 0; p.tok.kind == pipeToken; n++ {
		if n == maxStages {
			return pipe, p.fail(p.tok.at, "more than %d stages", maxStages)
		}
		s := &stage{p: p, end: len(p.text)}
		if i := strings.IndexByte(p.text[p.i:], '|'); i >= 0 {
			s.end = p.i + i
		}
		s.split(p.i)
		if err := s.parse(&pipe); err != nil {
			return pipe, err
		}
		p.tok, p.i = token{kind: endToken, at: s.end}, s.end
		if s.end < len(p.text) {
			p.tok.kind, p.i = pipeToken, s.end+1
		}
	}
	return pipe, nil
}

// stage is one that is being read.
type stage struct {
	p      *parser
	tokens []stageToken
	end    int
}

func (s *stage) split(i int) {
	text := s.p.text[:s.end]
	for i < len(text) {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case unicode.IsSpace(r):
			i += n
		case r == ',':
			s.tokens = append(s.tokens, stageToken{",", i})
			i++
		default:
			end := i
			for end < len(text) {
				r, n := utf8.DecodeRuneInString(text[end:])
				if unicode.IsSpace(r) || r == ',' {
					break
				}
				end += n
			}
			s.tokens = append(s.tokens, stageToken{text[i:end], i})
			i = end
		}
	}
}

// peek returns the next token; its text is "" at the end of the stage.
func (s *stage) peek() stageToken {
	if len(s.tokens) == 0 {
		return stageToken{at: s.end}
	}
	return s.tokens[0]
}

func (s *stage) next() stageToken {
	t := s.peek()
	if len(s.tokens) > 0 {
		s.tokens = s.tokens[1:]
	}
	return t
}

func (s *stage) fail(at int, format string, args ...any) error { return s.p.fail(at, format, args...) }

func (s *stage) parse(pipe *pipeline) (err error) {
	t := s.next()
	name := strings.ToLower(t.text)
	if pipe.group != nil && pipe.group.kind == "facets" {
		return s.fail(t.at, "nothing can stand behind facets")
	}
	switch name {
	case "":
		return s.fail(t.at, "a stage is expected behind the |: %s", strings.Join(stageNames, ", "))
	case "count", "top", "histogram", "rate", "facets":
		if pipe.group != nil {
			return s.fail(t.at, "%s counts what %s has counted; a query counts once", name, pipe.group.kind)
		}
		if len(pipe.ops) > 0 {
			return s.fail(t.at, "%s stands behind %s; it must be the first stage", name, pipe.ops[0].kind)
		}
		if pipe.group, err = s.grouping(name, t.at); err != nil {
			return err
		}
	case "first", "last":
		op := rowOp{kind: name, at: t.at, n: 1}
		if n := s.peek(); n.text != "" {
			if op.n, err = s.number(); err != nil {
				return err
			}
		}
		pipe.ops = append(pipe.ops, op)
	case "sort", "fields":
		op := rowOp{kind: name, at: t.at}
		if err := s.columns(&op, pipe); err != nil {
			return err
		}
		pipe.ops = append(pipe.ops, op)
	default:
		return s.fail(t.at, "unknown stage %q%s; there are %s", t.text, config.Suggest(name, stageNames), strings.Join(stageNames, ", "))
	}
	if t := s.peek(); t.text != "" {
		return s.fail(t.at, "%s takes no %q", name, t.text)
	}
	return nil
}

func (s *stage) number() (int, error) {
	t := s.next()
	n, err := strconv.Atoi(t.text)
	if err != nil || n < 1 || n > maxRows {
		return 0, s.fail(t.at, "%q is no number from 1 to %d", t.text, maxRows)
	}
	return n, nil
}

func (s *stage) grouping(name string, at int) (*grouping, error) {
	g := &grouping{kind: name, at: at}
	var err error
	most := maxBy
	switch name {
	case "top", "facets":
		g.keep = defaultTop
		if name == "facets" {
			g.keep, most = defaultFacets, maxFacets
		}
		if t := s.peek(); t.text != "" && t.text[0] >= '0' && t.text[0] <= '9' {
			if g.keep, err = s.number(); err != nil {
				return nil, err
			}
		}
		if s.peek().text == "" {
			return nil, s.fail(s.end, "%s needs a field, as in | %s 10 host", name, name)
		}
	case "histogram", "rate":
		if t := s.peek(); t.text != "" && !strings.EqualFold(t.text, "by") {
			s.next()
			if g.step, err = config.ParseDuration(t.text); err != nil || g.step < time.Millisecond {
				return nil, s.fail(t.at, `%q is no span of time; write it as "30s", "5m", "1h" or "1d", 1ms at least`, t.text)
			}
		}
	}
	if name != "top" && name != "facets" {
		if s.peek().text == "" {
			return g, nil
		}
		if t := s.next(); !strings.EqualFold(t.text, "by") {
			return nil, s.fail(t.at, `"by" is expected here, as in | %s by host`, name)
		}
	}
	for {
		t := s.next()
		f, err := s.groupField(t)
		if err != nil {
			return nil, err
		}
		if f.name == atTimestamp {
			return nil, s.fail(t.at, "%s by %s: write | histogram 5m to count by time", name, t.text)
		}
		if len(g.by) == most {
			return nil, s.fail(t.at, "more than %d fields", most)
		}
		if slices.ContainsFunc(g.by, func(o groupField) bool { return o.name == f.name }) {
			return nil, s.fail(t.at, "%s is named twice", f.name)
		}
		g.by = append(g.by, f)
		if s.peek().text != "," {
			return g, nil
		}
		s.next()
	}
}

func (s *stage) groupField(t stageToken) (groupField, error) {
	if t.text == "" || t.text == "," {
		return groupField{}, s.fail(t.at, "the name of a field is expected here")
	}
	f, ok := findGroupField(t.text)
	if !ok {
		return f, s.fail(t.at, "unknown field %q%s", t.text, config.Suggest(t.text, groupNames))
	}
	return f, nil
}

// columns reads the columns of sort and fields: those of the rows, or fields.
func (s *stage) columns(op *rowOp, pipe *pipeline) error {
	there := (&Query{pipe: *pipe}).Columns()
	for {
		t := s.next()
		c := column{name: t.text, at: t.at}
		desc := false
		if op.kind == "sort" && len(t.text) > 1 && t.text[0] == '-' {
			desc = true
			c.name, t.text = t.text[1:], t.text[1:]
		}
		if there == nil {
			f, err := s.groupField(t)
			if err != nil {
				return err
			}
			c.name, c.field = f.name, f
		} else {
			if f, ok := findGroupField(t.text); ok && !slices.Contains(there, c.name) {
				c.name = f.name
			}
			if !slices.Contains(there, c.name) {
				return s.fail(t.at, "there is no column %q%s; there are %s", t.text, config.Suggest(t.text, there), strings.Join(there, ", "))
			}
		}
		if slices.ContainsFunc(op.cols, func(o column) bool { return o.name == c.name }) {
			return s.fail(t.at, "%s is named twice", c.name)
		}
		if len(op.cols) == maxFacets {
			return s.fail(t.at, "more than %d columns", maxFacets)
		}
		if op.kind == "sort" {
			switch strings.ToLower(s.peek().text) {
			case "desc":
				desc = true
				s.next()
			case "asc":
				desc = false
				s.next()
			}
		}
		op.cols, op.desc = append(op.cols, c), append(op.desc, desc)
		if s.peek().text != "," {
			return nil
		}
		s.next()
	}
}
