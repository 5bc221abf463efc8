package web

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/syslane/syslane/search"
)

// params are those of a request, each given once.
type params map[string]string

// readParams reads the parameters. Unknown ones are errors: a filter that is
// misspelt must not find everything.
func readParams(raw string, known ...string) (params, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, fmt.Errorf("read the parameters: %w", err)
	}
	p := make(params)
	for name, list := range values {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("unknown parameter %q; there are %s", name, strings.Join(known, ", "))
		}
		if len(list) > 1 {
			return nil, fmt.Errorf("parameter %q is given %d times", name, len(list))
		}
		p[name] = list[0]
	}
	return p, nil
}

// request reads what every search has.
func (p params) request(now time.Time) (r search.Request, err error) {
	r.Query = p["q"]
	if value, ok := p["since"]; ok {
		if r.Since, err = search.ParseTime(value, now, time.UTC); err != nil {
			return r, fmt.Errorf("since: %w", err)
		}
	}
	if value, ok := p["until"]; ok {
		if r.Until, err = search.ParseTime(value, now, time.UTC); err != nil {
			return r, fmt.Errorf("until: %w", err)
		}
	}
	if r.Limit, err = p.number("limit", search.DefaultLimit, 1<<31-1); err != nil {
		return r, fmt.Errorf("%w (all)", err)
	}
	if value, ok := p["order"]; ok {
		switch r.Order = search.Order(value); r.Order {
		case search.NewestFirst, search.OldestFirst:
		default:
			return r, fmt.Errorf("order %q is none of %s, %s", value, search.NewestFirst, search.OldestFirst)
		}
	}
	return r, nil
}

// number reads a number from 0 on.
func (p params) number(name string, fallback, most int) (int, error) {
	value, ok := p[name]
	if !ok {
		return fallback, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%s %q is no number from 0 to %d", name, value, most)
	}
	return n, nil
}

func (p params) boolean(name string) (bool, error) {
	value, ok := p[name]
	if !ok {
		return false, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("%s %q is neither true nor false", name, value)
	}
	return b, nil
}
