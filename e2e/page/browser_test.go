package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/syslane/syslane/e2e/await"
	"github.com/syslane/syslane/e2e/peers"
)

// patience is how long anything on the page may take, on a slow machine.
const patience = time.Minute

// browsers is the one Chromium of all tests.
type browsers struct {
	once sync.Once
	ctx  context.Context
	end  func()
	err  error
}

var chromium browsers

func (b *browsers) start(t testing.TB) context.Context {
	t.Helper()
	path := peers.Find(t, peers.Chromium)
	b.once.Do(func() {
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path),
			chromedp.WindowSize(1440, 900),
			chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-gpu", true),
			chromedp.Flag("disable-dev-shm-usage", true),
			chromedp.Flag("lang", "en-US"),
			chromedp.WSURLReadTimeout(time.Minute),
		)
		if os.Getuid() == 0 {
			options = append(options, chromedp.NoSandbox)
		}
		allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, cancelBrowser := chromedp.NewContext(allocator, unheard)
		b.ctx, b.end = ctx, func() { cancelBrowser(); cancel() }
		b.err = chromedp.Run(ctx)
	})
	if b.err != nil {
		t.Fatalf("start %s: %v", path, b.err)
	}
	return b.ctx
}

// unheard drops what chromedp says of events of browsers newer than itself.
var unheard = chromedp.WithErrorf(func(string, ...any) {})

// fresh opens a window of a profile of its own. A headless Chromium opens a tab of a new
// profile only in a new window.
func (b *browsers) fresh(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	browser := b.start(t)
	ctx := cdp.WithExecutor(browser, chromedp.FromContext(browser).Browser)
	profile, err := target.CreateBrowserContext().WithDisposeOnDetach(true).Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	window, err := target.CreateTarget("about:blank").WithBrowserContextID(profile).WithNewWindow(true).Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return chromedp.NewContext(browser, chromedp.WithTargetID(window))
}

// tab is a page of the browser, and what went on in it that must not.
type tab struct {
	testing.TB
	ctx    context.Context
	origin string

	mu        sync.Mutex
	complains []string // of the console, of policies, of scripts
	foreign   []string // requests that left the origin
}

// open opens a path of a collector in a fresh tab, with storage of its own. It fails
// the test where at the end the console has complained, or a request has left the origin.
func open(t testing.TB, http, path string) *tab {
	t.Helper()
	ctx, cancel := chromium.fresh(t)
	p := &tab{TB: t, ctx: ctx, origin: "http://" + http}
	chromedp.ListenTarget(ctx, p.watch)
	p.run(network.Enable(), log.Enable(), runtime.Enable(), emulation.SetTimezoneOverride("Europe/Berlin"))
	p.size(1440, 900)
	t.Cleanup(func() {
		if t.Failed() {
			p.shot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range p.complains {
			t.Errorf("the console says: %s", c)
		}
		for _, f := range p.foreign {
			t.Errorf("a request left the origin: %s", f)
		}
	})
	p.visit(path)
	return p
}

func (p *tab) watch(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complains = append(p.complains, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			p.complains = append(p.complains, fmt.Sprintf("%s: %s", e.Type, e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		// A refused request is told by the page.
		if e.Entry.Source != log.SourceNetwork && (e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning) {
			p.complains = append(p.complains, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
		}
	case *network.EventRequestWillBeSent:
		// Pictures within Chromium's own controls are no requests.
		if !strings.HasPrefix(e.Request.URL, p.origin+"/") && !strings.HasPrefix(e.Request.URL, "data:") {
			p.foreign = append(p.foreign, e.Request.URL)
		}
	case *cdppage.EventJavascriptDialogOpening:
		p.complains = append(p.complains, "dialog: "+e.Message)
	}
}

// run runs actions within patience.
func (p *tab) run(actions ...chromedp.Action) {
	p.Helper()
	// The first Run makes the target, which lives as long as its context.
	if err := chromedp.Run(p.ctx); err != nil {
		p.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// visit loads a path, and waits until the page has begun.
func (p *tab) visit(path string) {
	p.Helper()
	p.run(chromedp.Navigate(p.origin + path))
	p.until("the page to begin", `document.body.dataset.view !== undefined || document.querySelector("#login").open`)
}

// size makes the window so large.
func (p *tab) size(width, height int64) {
	p.Helper()
	p.run(emulation.SetDeviceMetricsOverride(width, height, 1, false))
}

// scheme makes the system light or dark.
func (p *tab) scheme(name string) {
	p.Helper()
	p.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}))
}

// eval returns the value of an expression.
func eval[T any](p *tab, expression string) (value T) {
	p.Helper()
	p.run(chromedp.Evaluate(expression, &value))
	return value
}

// until waits until an expression is true, and shows at its end what the page says.
func (p *tab) until(what, expression string) {
	p.Helper()
	err := await.Nil(patience, func() error {
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		var ok bool
		if err := chromedp.Run(ctx, chromedp.Evaluate("!!("+expression+")", &ok)); err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%s is false", expression)
		}
		return nil
	})
	if err != nil {
		p.Fatalf("waited in vain for %s: %v\nthe bar says %q, the notice %q", what, err, eval[string](p, `document.querySelector("#count").textContent`), eval[string](p, `document.querySelector("#notice").textContent`))
	}
}

// key presses a key outside of any field: a character or the name of a key.
func (p *tab) key(keys ...string) {
	p.Helper()
	for _, k := range keys {
		down, up := input.DispatchKeyEvent(input.KeyDown).WithText(k), input.DispatchKeyEvent(input.KeyUp)
		switch {
		// One event for key and character, as from a keyboard: a page that takes the
		// key as a command does not get the character too.
		case k == "\r":
			p.run(down.WithKey("Enter").WithWindowsVirtualKeyCode(13), up.WithKey("Enter").WithWindowsVirtualKeyCode(13))
		case len(k) == 1 && k >= " ":
			p.run(down.WithKey(k), up.WithKey(k))
		default:
			p.run(chromedp.KeyEvent(k))
		}
	}
}

// search types a query and sends it.
func (p *tab) search(query string) {
	p.Helper()
	p.run(chromedp.Focus("#query"), chromedp.Evaluate(`document.querySelector("#query").value = ""`, nil),
		input.InsertText(query), chromedp.KeyEvent("\r"))
	p.until("the search to be done", `new URLSearchParams(location.search).get("q") === `+quote(query))
}

// click clicks on the middle of the element that an expression returns, once it stands
// still and nothing lies over it. A click that does not meet the element, since the page
// moved under it, is made again.
func (p *tab) click(element string) {
	p.Helper()
	err := await.Nil(patience, func() error {
		p.until("the element", element)
		var at []float64
		p.run(chromedp.Evaluate(`(async () => {
			const find = () => (`+element+`);
			find()?.scrollIntoView({block: "nearest"});
			const rect = () => { const r = find()?.getBoundingClientRect(); return r ? [r.x + r.width / 2, r.y + r.height / 2] : []; };
			const frame = () => new Promise(requestAnimationFrame);
			let before, at = rect();
			do { before = at; await frame(); await frame(); at = rect(); } while (String(before) !== String(at));
			const e = find();
			if (!e || !e.contains(document.elementFromPoint(...at))) return [];
			window.met = false;
			e.addEventListener("click", () => { window.met = true; }, {capture: true, once: true});
			return at;
		})()`, &at, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
		if len(at) != 2 {
			return errors.New("it cannot be reached")
		}
		p.run(chromedp.MouseClickXY(at[0], at[1]))
		// A click that loads the page anew leaves nothing to ask.
		met := true
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		if err := chromedp.Run(ctx, chromedp.Evaluate("window.met !== false", &met)); err == nil && !met {
			return errors.New("the click met something else")
		}
		return nil
	})
	if err != nil {
		p.Fatalf("click on %s: %v", element, err)
	}
}

// settled waits until the counts are there, also those of the values beside the list.
func (p *tab) settled() {
	p.Helper()
	p.until("the counts", `document.querySelector("#count").textContent !== "" && !document.querySelector("#count").classList.contains("busy") && document.querySelector("#facets").ariaBusy !== "true"`)
}

func quote(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// shot keeps a picture of the page.
func (p *tab) shot(name string) string {
	p.Helper()
	dir := os.Getenv("SYSLANE_ARTIFACTS")
	if dir == "" {
		dir = filepath.Join("..", "..", "bin", "screenshots")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.Fatal(err)
	}
	var picture []byte
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.CaptureScreenshot(&picture)); err != nil {
		p.Logf("no screenshot: %v", err)
		return ""
	}
	path := filepath.Join(dir, name+".png")
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		p.Fatal(err)
	}
	return path
}
