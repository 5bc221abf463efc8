package page

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// completions are the texts that are offered.
const completions = `(document.querySelector("#completions").hidden ? [] : [...document.querySelectorAll("#completions .name")].map((e) => e.textContent))`

// completion offers fields, then values with their counts, then stages.
func completion(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/")
	p.settled()
	p.key("/")
	p.until("the focus", `document.activeElement.id === "query"`)
	p.key("a", "p")
	p.until("the field", completions+`.includes("app")`)
	p.key(kb.Tab)
	p.until("the values", `document.querySelector("#query").value === "app:" && `+completions+`.includes("postgres")`)
	if notes := eval[string](p, `[...document.querySelectorAll("#completions .note")].map((e) => e.textContent).join(" ")`); !strings.Contains(notes, ",") {
		t.Errorf("no counts are told: %s", notes)
	}
	p.key("p", "o")
	p.until("one value", completions+`.join() === "postgres"`)
	p.shot("completion")
	p.key(kb.ArrowDown, "\r")
	p.until("the term", `document.querySelector("#query").value === "app:postgres "`)
	p.key("|", " ", "h", "i")
	p.until("the stage", completions+`.includes("histogram")`)
	p.key(kb.Tab)
	p.until("the stage in the query", `document.querySelector("#query").value === "app:postgres | histogram "`)
	p.run(input.InsertText("5m by ho"))
	p.until("a column", completions+`.includes("host")`)
	p.key(kb.Tab, "\r")
	p.until("a plot", `document.querySelector("#rows canvas") !== null && document.querySelectorAll("#rows tbody tr").length >= 10`)
	if q := eval[string](p, `new URLSearchParams(location.search).get("q")`); q != "app:postgres | histogram 5m by host" {
		t.Errorf("the query is %q", q)
	}
	// Values narrow with what else the query asks for.
	p.run(chromedp.Focus("#query"), chromedp.Evaluate(`document.querySelector("#query").value = ""`, nil), input.InsertText("app:postgres host:"))
	p.until("its hosts only", completions+`.toSorted().join() === "db1,db2"`)
}

// keys do what a mouse does.
func keys(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/")
	p.settled()
	p.key("j", "j", "j", "k")
	p.until("the second row", `document.querySelector(".row.current .line").getAttribute("aria-rowindex") === "2" && document.querySelector(".row.current .line").getAttribute("aria-selected") === "true"`)
	p.key("\r")
	p.until("its fields", `document.querySelectorAll(".row.current .event tr").length > 8 && document.querySelector(".row.current .line").getAttribute("aria-expanded") === "true"`)
	p.key(kb.Escape)
	p.until("no fields", `document.querySelector(".event") === null`)
	p.key("G")
	p.until("the last row that is loaded", `Number(document.querySelector(".row.current .line").getAttribute("aria-rowindex")) >= 1000`)
	p.key("g")
	p.until("the first row", `document.querySelector(".row.current .line").getAttribute("aria-rowindex") === "1"`)
	p.key("z")
	p.until("a longer range", `new URLSearchParams(location.search).get("since") === "2h" && document.querySelector("#range").textContent === "Last 2h"`)
	p.key("?")
	p.until("help", `document.querySelector("#help").open`)
	p.shot("help")
	p.key(kb.Escape)
	p.until("no help", `!document.querySelector("#help").open`)
	p.key("s")
	p.until("the status", `document.body.dataset.view === "status" && document.querySelector(".attention .bad") !== null`)
	p.key("l")
	p.until("the tail", `document.body.dataset.view === "tail"`)
	p.key("l")
	p.until("the search", `document.body.dataset.view === "search"`)
}

// Each field of an event keeps or leaves out its value.
func fields(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/?q=app:sshd")
	p.settled()
	p.key("j", "\r")
	p.click(`[...document.querySelectorAll(".event tr")].find((r) => r.querySelector("th").textContent === "severity")?.querySelector("[aria-label^=Without]")`)
	p.until("the term", `/^app:sshd -severity:(info|notice)$/.test(document.querySelector("#query").value)`)
	p.settled()
	p.key("j", "\r")
	p.click(`[...document.querySelectorAll(".event button")].find((b) => b.textContent === "Around it")`)
	p.until("two minutes of the host", `/^host:/.test(document.querySelector("#query").value) && new URLSearchParams(location.search).get("until")`)
	p.settled()
	p.until("its events", `document.querySelectorAll(".row").length > 3`)
}
