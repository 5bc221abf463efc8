package page

import (
	"compress/gzip"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func newPage(t *testing.T) *Page {
	t.Helper()
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ask(h http.HandlerFunc, path string, header ...string) *http.Response {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestThePageNamesOnlyFilesThatAreThere(t *testing.T) {
	p := newPage(t)
	index := text(t, ask(p.Index, "/"))
	named := regexp.MustCompile(`(?:href|src)="(`+Path+`[^"]*)"`).FindAllStringSubmatch(index, -1)
	if len(named) < 5 {
		t.Fatalf("%d files are named in\n%s", len(named), index)
	}
	for _, name := range named {
		if r := ask(p.ServeHTTP, name[1]); r.StatusCode != 200 {
			t.Errorf("%s: %s", name[1], r.Status)
		}
	}
	imports := regexp.MustCompile(`(?m)^import .*"(\./[^"]+)";$`)
	for name, f := range p.files {
		if path.Ext(name) != ".js" {
			continue
		}
		for _, found := range imports.FindAllStringSubmatch(string(f.plain), -1) {
			if _, ok := p.files[path.Join(path.Dir(name), found[1])]; !ok {
				t.Errorf("%s imports %s, which is not there", name, found[1])
			}
		}
	}
}

func TestAssetsAreKeptForEverAndThePageIsAskedForAnew(t *testing.T) {
	p := newPage(t)
	r := ask(p.Index, "/")
	etag := r.Header.Get("ETag")
	if r.Header.Get("Cache-Control") != "no-cache" || etag == "" || !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		t.Error(r.Header)
	}
	if r := ask(p.Index, "/", "If-None-Match", etag); r.StatusCode != 304 || text(t, r) != "" {
		t.Error(r.Status)
	}
	for name := range p.files {
		r := ask(p.ServeHTTP, name, "Accept-Encoding", "gzip, br")
		if r.StatusCode != 200 || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") || r.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %s %v", name, r.Status, r.Header)
		}
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := io.ReadAll(z); err != nil || string(plain) != string(p.files[name].plain) {
				t.Errorf("%s is another when it is compressed: %v", name, err)
			}
		}
	}
	for _, missing := range []string{Path, Path + "0000000000000000/main.js", Path + "../web.go"} {
		if r := ask(p.ServeHTTP, missing); r.StatusCode != 404 {
			t.Errorf("%s: %s", missing, r.Status)
		}
	}
}

// What a message says must never become markup or code, and nothing else in the page
// may ask another server. Trusted types hold the first in the browser; this holds it
// in the sources, in browsers without them too.
func TestSourcesMakeNoMarkupOfTextsAndNameNoOtherServer(t *testing.T) {
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|createContextualFragment|setHTML|https?://|<script>|\sstyle="|\son[a-z]+="`)
	err := fs.WalkDir(embedded, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Base(name) == "LICENSE" {
			return err
		}
		source, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		for _, found := range forbidden.FindAllString(string(source), -1) {
			if strings.HasPrefix(found, "http") && (strings.Contains(name, "uplot/") || path.Ext(name) == ".svg") {
				continue // comments, and the name of a format
			}
			t.Errorf("%s has %s", name, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestThePolicyAllowsOwnFilesOnly(t *testing.T) {
	p := newPage(t)
	policy := ask(p.Index, "/").Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("no %s in %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
		t.Error(policy)
	}
}
