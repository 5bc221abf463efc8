package page

import (
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/syslane/syslane/e2e/peers"
)

// accessible: what axe-core finds of WCAG AA in every view, light and dark, wide and
// narrow.
func accessible(t *testing.T, s *site) {
	axe, err := os.ReadFile(peers.Find(t, peers.Axe))
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, s.HTTP, "/")
	check := func(view string) {
		t.Helper()
		if !eval[bool](p, `typeof axe === "object"`) {
			p.run(chromedp.Evaluate(string(axe)+";null", nil))
		}
		var faults []string
		p.run(chromedp.Evaluate(`axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }).then((r) => r.violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) =>
			v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200) + " " + (n.any[0]?.message ?? "")).join(" | ")))`, &faults, awaiting))
		for _, fault := range faults {
			t.Errorf("%s: %s", view, fault)
		}
	}
	for _, scheme := range []string{"light", "dark"} {
		p.scheme(scheme)
		p.size(1440, 900)
		p.visit("/?q=severity%3C%3Dwarning")
		p.settled()
		p.until("facets", `document.querySelectorAll(".pick").length > 5`)
		p.key("j", "\r")
		p.until("the fields", `document.querySelector(".event tr") !== null`)
		check(scheme + " search")
		p.click(`document.querySelector("#range")`)
		check(scheme + " range")
		p.visit("/?q=%7C+histogram+10m+by+app")
		p.until("the plot", `document.querySelector("#rows canvas") !== null`)
		p.key("/")
		p.run(input.InsertText(" | s"))
		p.until("stages", completions+`.includes("sort")`)
		check(scheme + " plot and completion")
		p.visit("/?view=status")
		p.until("what is wrong", `document.querySelector(".attention .bad") !== null`)
		check(scheme + " status")
		p.key("?")
		check(scheme + " help")
		p.size(390, 844)
		p.visit("/?view=tail")
		p.until("events", `document.querySelectorAll(".row").length > 5`)
		check(scheme + " narrow tail")
	}
}

func awaiting(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// The button makes the page dark or light whatever the system is, and it stays so.
func themes(t *testing.T, s *site) {
	p := open(t, s.HTTP, "/")
	ground := `getComputedStyle(document.body).backgroundColor`
	p.scheme("light")
	light := eval[string](p, ground)
	p.scheme("dark")
	dark := eval[string](p, ground)
	if light == dark {
		t.Fatalf("light and dark are both %s", light)
	}
	p.click(`document.querySelector("#theme")`)
	p.until("light", ground+` === `+quote(light))
	p.visit("/")
	p.until("light again", ground+` === `+quote(light))
	p.click(`document.querySelector("#theme")`)
	p.scheme("light")
	p.until("dark", ground+` === `+quote(dark))
}

func TestThePageAsksForATokenWhereOneIsNeeded(t *testing.T) {
	s := newSite(t, "[[http.client]]\nname = \"ops\"\ntoken = \"correct horse battery\"\nrole = \"read\"\n")
	s.say(t, "a secret of the log")
	p := open(t, s.HTTP, "/")
	p.until("the prompt", `document.querySelector("#login").open`)
	if strings.Contains(eval[string](p, `document.body.textContent`), "a secret") {
		t.Error("events are shown before there is a token")
	}
	p.shot("login")
	p.run(input.InsertText("wrong"), chromedp.KeyEvent("\r"))
	p.until("the refusal", `document.querySelector("#login").open && document.querySelector("#login-error").textContent.includes("refused")`)
	p.run(input.InsertText("correct horse battery"), chromedp.KeyEvent("\r"))
	p.until("the event", `document.querySelector(".row .message")?.textContent === "a secret of the log" || (document.querySelector("#login").open || document.querySelector("#go").click(), false)`)
	if eval[bool](p, `JSON.stringify(localStorage).includes("horse") || document.cookie !== "" || location.href.includes("horse")`) {
		t.Error("the token is kept where it outlives the tab")
	}
	p.visit("/?view=status")
	p.until("the status", `document.querySelector("#status-view h3") !== null`)
	p.click(`document.querySelector("#signout")`)
	p.until("the prompt", `document.querySelector("#login").open`)
}
