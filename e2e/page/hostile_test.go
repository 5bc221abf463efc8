package page

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// hostile are messages that would do something where they are taken for more than text,
// and what is seen of them.
var hostile = []struct{ name, text, seen string }{
	{"a script", `<script>window.pwned = 1</script><img src=x onerror="window.pwned = 2"><svg/onload=pwned=3>`, `<script>window.pwned = 1</script><img src=x onerror="window.pwned = 2"><svg/onload=pwned=3>`},
	{"terminal escapes", "\x1b[31mred\x1b[0m\x1b]0;title\x07 \x1b[2J", "ESC[31mredESC[0mESC]0;titleBEL ESC[2J"},
	{"a bidirectional override", "invoice\u202egnp.exe\u202c end\u2066x\u2069", "invoiceU+202Egnp.exeU+202C endU+2066xU+2069"},
	{"zero-width characters", "pass\u200bword\ufeff\u00ad", "passU+200BwordU+FEFFU+00AD"},
	{"NUL and others", "a\x00b\x7fc\u0085d", "aNULbDELcU+0085d"},
	{"octets that are no UTF-8", "bad \xff\xfe octets", "bad \ufffd\ufffd octets"},
	{"tags", "tag\U000e0041\U000e007f", "tagU+E0041U+E007F"},
	{"line feeds", "one\ntwo\tthree\r", "oneLFtwoTABthreeCR"},
	{"a template", "{{7*7}} ${alert(1)} {{constructor.constructor('pwned=4')()}}", "{{7*7}} ${alert(1)} {{constructor.constructor('pwned=4')()}}"},
}

func TestHostileMessagesAreShownAndDoNothing(t *testing.T) {
	s := newSite(t, "")
	conn, err := net.Dial("tcp", s.tcp)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const host, app = `<img/src=x/onerror=pwned=5>`, `"><script>pwned=6</script>`
	for _, h := range hostile {
		send(conn, 11, time.Now(), host, app, h.text)
	}
	long := strings.Repeat("A\u202e", 20_000) + "<script>pwned=7</script>"
	send(conn, 10, time.Now(), host, app, long)
	structured := fmt.Sprintf(`<10>1 %s %s %s - - [x@1 y="<script>pwned=8</script>" z="javascript:pwned=9"] with data`, time.Now().UTC().Format(time.RFC3339Nano), host, app)
	fmt.Fprintf(conn, "%d %s", len(structured), structured)

	p := open(t, s.HTTP, "/")
	want := len(hostile) + 2
	p.until("all messages", fmt.Sprintf(`(document.querySelector("#count").textContent.startsWith("%d events") || (document.querySelector("#go").click(), false))`, want))
	p.settled()
	shown := func() string {
		return eval[string](p, `[...document.querySelectorAll(".row .message")].map((e) => e.textContent).join("\n")`)
	}
	rows := shown()
	for _, h := range hostile {
		if !strings.Contains(rows, h.seen) {
			t.Errorf("%s is not seen as %q in\n%.3000s", h.name, h.seen, rows)
		}
	}
	if !strings.Contains(rows, "more characters") {
		t.Error("the long line is not cut")
	}
	// Each is shown in its details, too, with facets and completions beside.
	for i := range want {
		p.key("j", "\r")
		p.until("the fields", fmt.Sprintf(`document.querySelectorAll(".event tr").length > 0 && document.querySelector(".row.current .line").getAttribute("aria-rowindex") === "%d"`, i+1))
		if i == 0 {
			p.until("structured data", `[...document.querySelectorAll(".event th")].some((e) => e.textContent === "sd.x@1.y")`)
		}
	}
	p.shot("hostile")
	p.until("the octets", `document.querySelector("#list").textContent.includes("\\xff\\xfe") || (document.querySelector(".scroller").scrollTop += 400, false)`)
	p.until("the host beside", `[...document.querySelectorAll(".facet .name")].some((e) => e.textContent === `+quote(host)+`)`)
	p.key("/", "a", "p", "p", "\t")
	p.until("the value", `[...document.querySelectorAll("#completions .name")].some((e) => e.textContent === `+quote(app)+`)`)
	p.key("\t", "\r")
	p.until("the query", `new URLSearchParams(location.search).get("q").includes("script")`)
	p.settled()
	p.until("all of its messages", fmt.Sprintf(`document.querySelector("#count").textContent.startsWith("%d events")`, want))
	p.visit("/?q=%7C+count+by+host,+app,+message")
	p.until("rows", fmt.Sprintf(`document.querySelectorAll("#rows tbody tr").length === %d`, want))
	p.visit("/?view=tail")
	p.until("the tail", fmt.Sprintf(`document.querySelectorAll(".row").length === %d`, want))
	// A query that is hostile itself, from a link.
	p.visit("/?q=%3Cimg+src%3Dx+onerror%3Dpwned%3D10%3E%E2%80%AE")
	p.settled()
	if pwned := eval[any](p, `window.pwned ?? null`); pwned != nil {
		t.Errorf("script %v ran", pwned)
	}
	if n := eval[int](p, `document.querySelectorAll("main script, main img, main svg, main a[href], main iframe").length`); n != 0 {
		t.Errorf("%d elements come out of messages", n)
	}
}
