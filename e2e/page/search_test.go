package page

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// drawn counts the elements of the document.
const drawn = `document.querySelectorAll("*").length`

// rows: the first are there at once, the others as one scrolls, and few of them are
// elements.
func rows(t *testing.T, s *site) {
	start := time.Now()
	p := open(t, s.HTTP, "/")
	p.until("first rows", `document.querySelectorAll(".row").length > 10`)
	t.Logf("first rows %v after the page was asked for, %.0f ms after it began", time.Since(start).Round(time.Millisecond),
		eval[float64](p, `performance.getEntriesByName("first-rows")[0].startTime`))
	p.until("the number of events", `document.querySelector("#count").textContent.startsWith("100,000 events")`)
	p.settled()
	before := eval[int](p, drawn)
	// Down to the oldest: each time the end comes into sight, more are loaded.
	p.until("all rows to be loaded", `(() => {
		const s = document.querySelector(".scroller");
		s.scrollTop = s.scrollHeight;
		return s.scrollHeight >= 100000 * 22 && s.scrollTop + s.clientHeight >= s.scrollHeight - 5 &&
			document.querySelector(".row:last-child .line").getAttribute("aria-rowindex") === "100000";
	})()`)
	if after := eval[int](p, drawn); after > before+200 || after > 1500 {
		t.Errorf("%d elements with 1000 rows, %d with 100,000", before, after)
	} else {
		t.Logf("%d elements with 1000 rows, %d with 100,000", before, after)
	}
	if n := eval[int](p, `new Set([...document.querySelectorAll(".row .line")].map((e) => e.getAttribute("aria-rowindex"))).size`); n < 10 || n > 80 {
		t.Errorf("%d rows are drawn", n)
	}
	// To the middle at once, and the rows there are the right ones.
	eval[any](p, `(document.querySelector(".scroller").scrollTop = 50000 * 22, null)`)
	p.until("the rows of the middle", `[...document.querySelectorAll(".row .line")].some((e) => e.getAttribute("aria-rowindex") === "50001")`)
}

// words are found, and what is wrong is pointed at.
func words(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/")
	p.settled()
	p.search(`"` + rare + `"`)
	p.until("the needle", `document.querySelector("#count").textContent.startsWith("1 event ") && document.querySelector(".row .message").textContent === `+quote(rare))
	p.search("host:web1 severity~err")
	p.until("the error", `!document.querySelector("#query-error").hidden || document.querySelector("#count").textContent.startsWith("Nothing")`)
	p.search("app:sshd hots:web1")
	p.until("the error to point at its column", `document.querySelector("#query-error").textContent.includes("Column 10:") && document.querySelector("#query-error mark").textContent === "h"`)
	p.run(chromedp.KeyEvent("\x1b"))
}

// facets keep and leave out values, and the address says so; the back button undoes it.
func facets(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/")
	p.settled()
	pick := func(field, value, button string) string {
		return `[...document.querySelectorAll("details.facet")].find((d) => d.querySelector("summary").textContent === ` + quote(field) +
			`)?.querySelectorAll("li") && [...[...document.querySelectorAll("details.facet")].find((d) => d.querySelector("summary").textContent === ` + quote(field) +
			`).querySelectorAll("li")].find((l) => l.querySelector(".name")?.textContent === ` + quote(value) + `)?.querySelector(` + quote(button) + `)`
	}
	query := func(want string) string {
		return `document.querySelector("#query").value === ` + quote(want) + ` && new URLSearchParams(location.search).get("q") === ` + quote(want)
	}
	p.click(pick("app", "postgres", ".pick"))
	p.until("the term", query("app:postgres"))
	p.settled()
	p.until("its events", `[...document.querySelectorAll(".row .app")].every((e) => e.textContent.startsWith("postgres"))`)
	p.click(pick("host", "db1", ".not"))
	p.until("both terms", query("app:postgres -host:db1"))
	p.settled()
	p.until("the events of the other host", `[...document.querySelectorAll(".row .host")].length > 0 && [...document.querySelectorAll(".row .host")].every((e) => e.textContent === "db2")`)
	p.run(chromedp.NavigateBack())
	p.until("the state before", query("app:postgres"))
	p.settled()
	p.click(pick("app", "postgres", ".pick"))
	p.until("no term", `document.querySelector("#query").value === ""`)
}

func TestAnEmptyLogSaysSoAndShowsWhatComes(t *testing.T) {
	s := newSite(t, "")
	p := open(t, s.HTTP, "/")
	p.until("what to do", `document.querySelector("#nothing").checkVisibility() && document.querySelector("#count").textContent === "Nothing found"`)
	s.say(t, "the first of all")
	p.until("the event, by itself", `document.querySelector(".row .message")?.textContent === "the first of all" && document.querySelector("#nothing").hidden`)
	p.settled()

	// The collector goes, and the page says so; it comes again, and so do the events.
	s.Shutdown(t)
	p.search("first")
	p.until("the loss to be told", `!document.querySelector("#notice").hidden && document.querySelector("#notice").textContent.includes("connection to Syslane is lost")`)
	s.Restart(t)
	p.key("\x1b")
	eval[any](p, `(document.activeElement.blur(), null)`)
	p.key("r")
	p.until("the event", `document.querySelector(".row .message")?.textContent === "the first of all" && document.querySelector("#notice").hidden`)
}
