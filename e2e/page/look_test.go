package page

import "testing"

// looks keeps pictures of the views, light and dark, wide and narrow.
func looks(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/")
	p.settled()
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		p.size(1440, 900)
		p.visit("/")
		p.settled()
		p.until("facets", `document.querySelectorAll(".pick").length > 10`)
		p.shot("search-" + scheme)
		p.visit("/?q=" + "severity%3C%3Derr")
		p.settled()
		p.key("j", "j", "\r")
		p.until("the fields", `document.querySelector(".event tr") !== null`)
		p.shot("event-" + scheme)
		p.visit("/?q=severity%3C%3Dwarning+%7C+histogram+5m+by+app")
		p.settled()
		p.until("the plot", `document.querySelector("#rows canvas") !== null`)
		p.shot("plot-" + scheme)
		p.visit("/?q=%7C+top+8+host,+app")
		p.settled()
		p.shot("top-" + scheme)
		p.visit("/?view=tail")
		p.until("events", `document.querySelectorAll(".row").length > 10`)
		p.shot("tail-" + scheme)
		p.visit("/?view=status")
		p.until("what is wrong", `document.querySelector(".attention .bad") !== null`)
		p.shot("status-" + scheme)
		p.size(390, 844)
		p.visit("/")
		p.settled()
		p.shot("narrow-search-" + scheme)
		p.visit("/?view=status")
		p.until("what is wrong", `document.querySelector(".attention .bad") !== null`)
		p.shot("narrow-status-" + scheme)
	}
}
