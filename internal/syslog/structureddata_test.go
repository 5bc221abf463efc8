package syslog

import (
	"fmt"
	"strings"
	"testing"
)

// walk writes sd as its elements and params, values unescaped and quoted.
func walk(sd string) string {
	var out []string
	EachElement([]byte(sd), func(e Element) bool {
		out = append(out, string(e.ID))
		e.EachParam(func(p Param) bool {
			out = append(out, fmt.Sprintf("%s=%q", p.Name, p.AppendValue(nil)))
			return true
		})
		return true
	})
	return strings.Join(out, " ")
}

func TestStructuredDataIsWalkedInOrderWithRepeats(t *testing.T) {
	f := func(sd, want string) {
		t.Helper()
		if got := walk(sd); got != want {
			t.Errorf("%s: got %s, want %s", sd, got, want)
		}
	}
	f("", "")
	f("[a]", "a")
	f(`[a][a x="1" x="2"][b]`, `a a x="1" x="2" b`)
	f(`[ex@32473 iut="3" eventID="1011"][prio@32473 class="high"]`, `ex@32473 iut="3" eventID="1011" prio@32473 class="high"`)
	f(`[a x="\"\\\]"]`, `a x="\"\\]"`)
	f(`[a x="]"][b]`, `a x="]" b`)
	f(`[a x="\n\ä"]`, `a x="\\n\\ä"`)
	f(`[a x=""]`, `a x=""`)
	f(`[a  x="1"  y="2" ]`, `a x="1" y="2"`)
	// Of what is damaged, the part before the damage.
	f(`[a x="1"][b x="`, `a x="1"`)
	f(`[a x=1]`, `a`)
	f(`text`, ``)
	f(`[a x="1\`, ``)
}

func TestWalkingStructuredDataCanEnd(t *testing.T) {
	elements, params := 0, 0
	EachElement([]byte(`[a x="1" y="2"][b][c]`), func(e Element) bool {
		elements++
		e.EachParam(func(Param) bool { params++; return false })
		return elements < 2
	})
	if elements != 2 || params != 1 {
		t.Errorf("%d elements and %d params, want 2 and 1", elements, params)
	}
}

func TestStructuredDataIsBuilt(t *testing.T) {
	sd := AppendElement(nil, "repeat@32473")
	sd = AppendParam(sd, "count", []byte("12"))
	sd = AppendParam(sd, "", []byte(`"\]`))
	sd = EndElement(sd)
	sd = EndElement(AppendElement(sd, `a ]="`+strings.Repeat("x", 40)))
	want := `[repeat@32473 count="12" _="\"\\\]"][a____` + strings.Repeat("x", 27) + `]`
	if string(sd) != want {
		t.Errorf("got %s, want %s", sd, want)
	}
}

// What is built walks back to the same octets.
func FuzzStructuredDataWalksBack(f *testing.F) {
	f.Add("id", "name", []byte(`a "value" with \ and ]`))
	f.Add("", "=", []byte{0, 0xff, '\\'})
	f.Fuzz(func(t *testing.T, id, name string, value []byte) {
		sd := EndElement(AppendParam(AppendParam(AppendElement(nil, id), name, value), name, nil))
		sd = EndElement(AppendElement(sd, id))
		elements, params := 0, 0
		EachElement(sd, func(e Element) bool {
			elements++
			e.EachParam(func(p Param) bool {
				if params++; params == 1 && string(p.AppendValue(nil)) != string(value) {
					t.Fatalf("%q came back as %q", value, p.AppendValue(nil))
				}
				return true
			})
			return true
		})
		if elements != 2 || params != 2 {
			t.Fatalf("%d elements and %d params in %q, want 2 and 2", elements, params, sd)
		}
		EachElement(value, func(e Element) bool { e.EachParam(func(Param) bool { return true }); return true })
	})
}
