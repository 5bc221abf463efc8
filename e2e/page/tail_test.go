package page

import (
	"fmt"
	"net"
	"testing"
	"time"
)

// say sends messages, and waits for nothing.
func (s *site) say(t *testing.T, texts ...string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, text := range texts {
		send(conn, 14, time.Now(), "web1", "app", text)
	}
}

// numbered are texts that can be told apart.
func numbered(from, to int) (texts []string) {
	for i := from; i <= to; i++ {
		texts = append(texts, fmt.Sprintf("event number %04d", i))
	}
	return texts
}

const lastRow = `[...document.querySelectorAll(".row .message")].at(-1)?.textContent`

func TestTheTailShowsWhatComesAndWaitsWhereItIsPaused(t *testing.T) {
	s := newSite(t, "")
	s.say(t, numbered(1, 100)...)
	p := open(t, s.HTTP, "/?view=tail&q=number")
	p.until("the past", lastRow+` === "event number 0100"`)
	s.say(t, numbered(101, 110)...)
	p.until("what came", lastRow+` === "event number 0110"`)

	p.key(" ")
	p.until("the pause", `document.querySelector("#pause").getAttribute("aria-pressed") === "true"`)
	s.say(t, numbered(111, 135)...)
	p.until("the number of those that wait", `document.querySelector("#waiting").textContent === "25 new events"`)
	if got := eval[string](p, lastRow); got != "event number 0110" {
		t.Errorf("the pause shows %q", got)
	}
	p.shot("tail-paused")
	p.key(" ")
	p.until("those that waited", lastRow+` === "event number 0135" && document.querySelector("#waiting").hidden`)

	// Whoever scrolls up wants to read, and be it in the moment in which more comes.
	p.key(" ")
	s.say(t, numbered(136, 137)...)
	p.until("the number of those that wait", `document.querySelector("#waiting").textContent === "2 new events"`)
	eval[any](p, `(document.querySelector("#pause").click(), document.querySelector(".scroller").scrollTop = 0, null)`)
	p.until("the pause", `document.querySelector("#count").textContent === "Paused · 137 events"`)
	s.say(t, numbered(138, 142)...)
	p.until("the number of those that wait", `document.querySelector("#waiting").textContent === "5 new events"`)
	if top := eval[float64](p, `document.querySelector(".scroller").scrollTop`); top != 0 {
		t.Errorf("the list moved to %v under the reader", top)
	}
	p.click(`document.querySelector("#waiting")`)
	p.until("the end", lastRow+` === "event number 0142"`)

	// A filter holds for what comes.
	p.search("number -0144")
	s.say(t, numbered(143, 145)...)
	p.until("what came", lastRow+` === "event number 0145"`)
	if eval[bool](p, `document.querySelector("#list").textContent.includes("0144")`) {
		t.Error("0144 is there")
	}

	// The collector goes, and comes again: nothing is missed, nothing is there twice.
	s.Shutdown(t)
	p.until("the loss to be told", `!document.querySelector("#notice").hidden && document.querySelector("#notice").textContent.includes("connection to Syslane is lost")`)
	s.Restart(t)
	s.say(t, numbered(146, 152)...)
	p.until("what came after", lastRow+` === "event number 0152" && document.querySelector("#notice").hidden`)
	if n := eval[int](p, `document.querySelector("#list .scroller").getAttribute("aria-rowcount")`+` | 0`); n != 151 {
		t.Errorf("%d rows are there; there were 152 events, and one was left out", n)
	}
}
