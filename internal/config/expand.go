package config

import (
	"fmt"
	"os"
	"strings"
)

// expand replaces ${NAME} and ${NAME:-text} in s by the environment. $${ is a
// plain ${. changed tells whether anything was replaced.
func expand(s string) (out string, changed bool, err error) {
	var b strings.Builder
	rest := s
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			break
		}
		if i > 0 && rest[i-1] == '$' {
			b.WriteString(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		name, after, ok := strings.Cut(rest[i+2:], "}")
		if !ok {
			return "", false, fmt.Errorf("${ without its }; write $${ for a plain ${")
		}
		name, fallback, hasFallback := strings.Cut(name, ":-")
		if name == "" || name[0] >= '0' && name[0] <= '9' || strings.ContainsFunc(name, func(r rune) bool { return r > 0x7e || r == '-' || !bare(byte(r)) }) {
			return "", false, fmt.Errorf("${%s} names no environment variable; write $${ for a plain ${", name)
		}
		value, set := os.LookupEnv(name)
		if value == "" && hasFallback {
			value, set = fallback, true
		}
		if !set {
			return "", false, fmt.Errorf("environment variable %s is not set; set it or write ${%s:-default}", name, name)
		}
		b.WriteString(rest[:i] + value)
		rest, changed = after, true
	}
	b.WriteString(rest)
	return b.String(), changed, nil
}
