package redact

// The lengths of card numbers, in digits (ISO/IEC 7812-1).
const (
	minCard = 13
	maxCard = 19
)

// findCards appends the places of card numbers in b: 13 to 19 digits, in groups
// that single spaces or dashes may separate, which do not go on as digits on
// either side, begin with 2 to 6 as those of payment cards do, and pass the check
// of Luhn. Within a longer row of groups every part is looked at: "order 17 4111
// 1111 1111 1111" has a card in it.
func findCards(b []byte, places [][]int) [][]int {
	for i := 0; i < len(b); i++ {
		if !digit(b[i]) || i > 0 && digit(b[i-1]) {
			continue
		}
		if end := cardAt(b, i); end > i {
			places = append(places, []int{i, end})
			i = end
		}
	}
	return places
}

// cardAt returns where the longest card number that starts at i ends, 0 where
// there is none.
func cardAt(b []byte, i int) (end int) {
	if b[i] < '2' || b[i] > '6' {
		return 0
	}
	var digits [maxCard]byte
	n := 0
	for at := i; at < len(b) && n < maxCard; at++ {
		if !digit(b[at]) {
			if separator := b[at] == ' ' || b[at] == '-'; !separator || at+1 >= len(b) || !digit(b[at+1]) {
				break
			}
			continue
		}
		digits[n] = b[at] - '0'
		n++
		if over := at+1 >= len(b) || !digit(b[at+1]); over && n >= minCard && luhn(digits[:n]) {
			end = at + 1
		}
	}
	return end
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// luhn checks the last digit against the others.
func luhn(digits []byte) bool {
	sum := 0
	for i, d := range digits {
		v := int(d)
		if (len(digits)-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// cardDigits returns a card number without what separates its groups.
func cardDigits(b []byte) []byte {
	var out []byte
	for _, c := range b {
		if digit(c) {
			out = append(out, c)
		}
	}
	return out
}
