package notify

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// oneLine makes a text of at most so many characters without line ends and other
// control characters: what messages hold must not become a header, or a line of its own.
func oneLine(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
