package page

import (
	"fmt"
	"testing"

	"github.com/syslane/syslane/e2e/proc"
	"github.com/syslane/syslane/e2e/syslane"
)

// status says first what needs attention, in words.
func status(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/")
	p.until("the mark, in other views too", `document.querySelector("#attention-mark").textContent === "1"`)
	p.click(`document.querySelector("#view-status")`)
	p.until("what is wrong, what it means and what to do", `/Output archive is down: .*refused.* 100,\d{3} messages wait in the log and are kept.*mend the target/.test(document.querySelector(".attention .bad")?.textContent)`)
	cell := func(table, row string, column int) string {
		return fmt.Sprintf(`[...document.querySelectorAll('table[aria-label="%s"] tbody tr')].find((r) => r.querySelector("th").textContent === %q)?.children[%d].textContent`, table, row, column)
	}
	p.until("the input", cell("Inputs", "tcp", 1)+`.startsWith("100,0")`)
	p.until("the output", cell("Outputs", "archive", 3)+`.startsWith("100,0") && `+cell("Outputs", "archive", 5)+`.includes("down")`)
	p.until("rates, with the second look", cell("Inputs", "tcp", 2)+`.endsWith("/s")`)
}

func TestARelayShowsItsStatusOnly(t *testing.T) {
	relay := syslane.Start(t, "relay", fmt.Sprintf("[[input]]\ntype = \"tcp\"\nlisten = %q\n[[output]]\ntype = \"relp\"\ntargets = [%q]\n", proc.FreeAddr(t), proc.FreeAddr(t)))
	p := open(t, relay.HTTP, "/")
	p.until("the status", `document.body.dataset.view === "status" && document.querySelector("#status-view h3") !== null`)
	if eval[bool](p, `document.querySelector("#view-search").checkVisibility()`) {
		t.Error("a relay offers a search")
	}
}

func TestAFiringAlertNeedsAttention(t *testing.T) {
	s := newSite(t, "[[alert]]\nname = \"disk\"\nquery = 'message:\"I/O error\"'\ncondition = \"count >= 1\"\nwindow = \"5m\"\n")
	s.say(t, "I/O error, dev sda")
	p := open(t, s.HTTP, "/?view=status")
	p.until("the alert", `document.querySelector(".attention .bad")?.textContent.includes("Alert disk is firing")`)
}
