package page

import (
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// drag draws the mouse over the histogram, from and to being shares of its width.
func (p *tab) drag(from, to float64) {
	p.Helper()
	box := eval[[4]float64](p, `(() => { const r = document.querySelector("#plot .u-over").getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; })()`)
	at := func(share float64) (x, y float64) { return box[0] + share*box[2], box[1] + box[3]/2 }
	x, y := at(from)
	p.run(input.DispatchMouseEvent(input.MouseMoved, x, y), input.DispatchMouseEvent(input.MousePressed, x, y).WithButton(input.Left).WithClickCount(1))
	for i := 1; i <= 5; i++ {
		x, y = at(from + (to-from)*float64(i)/5)
		p.run(input.DispatchMouseEvent(input.MouseMoved, x, y).WithButton(input.Left))
	}
	p.run(input.DispatchMouseEvent(input.MouseReleased, x, y).WithButton(input.Left).WithClickCount(1))
}

// span returns the range that the address names.
func (p *tab) span() (since, until time.Time) {
	p.Helper()
	for _, bound := range []struct {
		name string
		to   *time.Time
	}{{"since", &since}, {"until", &until}} {
		text := eval[string](p, `new URLSearchParams(location.search).get("`+bound.name+`") ?? ""`)
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			p.Fatalf("%s is %q", bound.name, text)
		}
		*bound.to = at
	}
	return since, until
}

// zoom: what is dragged over is what is shown, and it can be undone in three ways.
func zoom(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/?q=severity%3C%3Derr")
	p.settled()
	p.until("the histogram", `document.querySelector("#plot canvas") !== null`)
	all := eval[string](p, `document.querySelector("#count").textContent`)
	p.drag(0.6, 0.9)
	p.until("a range", `new URLSearchParams(location.search).get("until")`)
	p.settled()
	since, until := p.span()
	if length := until.Sub(since); length < 16*time.Minute || length > 20*time.Minute {
		t.Errorf("0.3 of an hour are %v", length)
	}
	p.until("fewer events", `document.querySelector("#count").textContent !== `+quote(all))
	p.until("only events of the range", `[...document.querySelectorAll(".row .time")].length > 0 && document.querySelector("#range").textContent.includes("–")`)
	p.shot("zoom")
	p.click(`document.querySelector("#zoom-out")`)
	p.until("another range", `new URLSearchParams(location.search).get("since") !== `+quote(since.Format("2006-01-02T15:04:05.000Z")))
	wideSince, wideUntil := p.span()
	if ratio := float64(wideUntil.Sub(wideSince)) / float64(until.Sub(since)); ratio < 1.9 || ratio > 2.1 {
		t.Errorf("zooming out made it %v times as long", ratio)
	}
	p.settled()
	p.run(chromedp.NavigateBack())
	p.until("the zoomed range", `new URLSearchParams(location.search).get("since") === `+quote(since.Format("2006-01-02T15:04:05.000Z")))
	p.settled()
	p.run(chromedp.NavigateBack())
	p.until("the hour", `location.search === "?q=severity%3C%3Derr" && document.querySelector("#range").textContent === "Last hour"`)
}

// ranges are chosen from a list, or typed.
func ranges(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/")
	p.settled()
	p.click(`document.querySelector("#range")`)
	p.until("the panel", `!document.querySelector("#range-panel").hidden`)
	p.shot("range")
	p.click(`[...document.querySelectorAll(".presets button")].find((b) => b.textContent === "Last 15 minutes")`)
	p.until("fifteen minutes", `new URLSearchParams(location.search).get("since") === "15m" && document.querySelector("#range").textContent === "Last 15 minutes"`)
	p.settled()
	p.until("fewer events", `/^[2-3]\d,\d{3} events/.test(document.querySelector("#count").textContent)`)
	p.click(`document.querySelector("#range")`)
	start := time.Now().Add(-30 * time.Minute).In(berlin(t)).Truncate(time.Second)
	eval[any](p, `(document.querySelector("#range-from").value = "`+start.Format("2006-01-02T15:04:05")+`", document.querySelector("#range-to").value = "`+start.Add(10*time.Minute).Format("2006-01-02T15:04:05")+`", null)`)
	p.click(`document.querySelector(".absolute button")`)
	p.until("a range", `new URLSearchParams(location.search).get("until")`)
	if since, until := p.span(); !since.Equal(start) || until.Sub(since) != 10*time.Minute {
		t.Errorf("typed %v and ten minutes, asked for %v to %v", start, since, until)
	}
	p.settled()
	p.click(`document.querySelector("#zone")`)
	p.until("times in UTC", `document.querySelector(".row .time").title.startsWith(`+quote(start.UTC().Format("2006-01-02 15:"))+`.slice(0, 11))`)
	if at := eval[string](p, `document.querySelector(".row .time").title`); at[11:13] != start.Add(10*time.Minute).UTC().Add(-time.Second).Format("15") {
		t.Errorf("the newest event is of %s; the range ends %v", at, start.Add(10*time.Minute).UTC())
	}
}

// berlin is the zone that the browser is in.
func berlin(t *testing.T) *time.Location {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
