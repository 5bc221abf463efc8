package parser

import "time"

// zoneOffset returns the offset from UTC, in minutes, of a zone's abbreviation.
// Where several zones share one, the table has that of the most senders; the
// configured location goes first (namedOffset).
func zoneOffset(name []byte) (minutes int, ok bool) {
	switch string(name) {
	case "UTC", "GMT", "UT", "UCT", "WET", "TZ":
		return 0, true
	case "CET", "MET", "MEZ", "BST", "WEST", "WAT":
		return 60, true
	case "CEST", "MEST", "MESZ", "EET", "SAST", "CAT":
		return 120, true
	case "EEST", "MSK", "TRT", "EAT", "IDT":
		return 180, true
	case "MSD", "GST", "SAMT":
		return 240, true
	case "PKT", "YEKT", "UZT":
		return 300, true
	case "IST":
		return 330, true
	case "NPT":
		return 345, true
	case "OMST", "BDT":
		return 360, true
	case "ICT", "WIB", "KRAT", "NOVT":
		return 420, true
	case "HKT", "SGT", "PHT", "AWST", "IRKT", "MYT", "WITA":
		return 480, true
	case "JST", "KST", "WIT", "YAKT":
		return 540, true
	case "ACST":
		return 570, true
	case "AEST", "VLAT":
		return 600, true
	case "ACDT":
		return 630, true
	case "AEDT":
		return 660, true
	case "NZST":
		return 720, true
	case "NZDT":
		return 780, true
	case "BRST", "NDT":
		if name[0] == 'N' {
			return -150, true
		}
		return -120, true
	case "BRT", "ART", "ADT", "CLST", "UYT":
		return -180, true
	case "NST":
		return -210, true
	case "AST", "EDT", "CLT", "VET", "BOT":
		return -240, true
	case "EST", "CDT", "COT", "PET":
		return -300, true
	case "CST", "MDT":
		return -360, true
	case "MST", "PDT":
		return -420, true
	case "PST", "AKDT":
		return -480, true
	case "AKST":
		return -540, true
	case "HST":
		return -600, true
	}
	return 0, false
}

// zoneNameEnd returns the end of a known abbreviation of a zone at i, or 0. What
// follows it must not go on with the word.
func zoneNameEnd(b []byte, i int) int {
	j := i
	for j < len(b) && j < i+5 && b[j]-'A' < 26 {
		j++
	}
	if j-i < 2 {
		return 0
	}
	switch c := at(b, j); {
	case isAlnum(c), c == '_', c == '.', c == '[', c == '/', c == '=', c >= 0x80:
		return 0
	case (c == '-' || c == '+') && !isDigit(at(b, j+1)):
		return 0
	}
	if _, ok := zoneOffset(b[i:j]); !ok {
		return 0
	}
	return j
}

// namedOffset returns the offset in seconds of a zone that a stamp names. An
// abbreviation that loc itself uses, at that time or half a year from it, means
// loc: "CST" is China's for who has configured Asia/Shanghai.
func namedOffset(name []byte, wall int64, loc *time.Location) int {
	for _, t := range [...]int64{wall, wall + 182*secondsPerDay} {
		if abbreviation, offset := time.Unix(t, 0).In(loc).Zone(); abbreviation == string(name) {
			return offset
		}
	}
	minutes, _ := zoneOffset(name)
	return minutes * 60
}
