// Package page is what a browser gets: a page that searches, follows and shows the
// state of a node through its HTTP API.
//
// The assets are plain ES modules and one style sheet, served as they are written.
// They lie under a path with a hash of them all, so that a browser may keep them for
// ever and never mixes those of two versions:
//
//	GET /                  the page, asked for anew each time by its ETag
//	GET /page/HASH/NAME    an asset
//
// Messages come from anyone who can send a datagram. So the page makes nothing of
// them but text nodes, and its policy forbids the browser what it does not need:
// inline scripts and styles, other origins, being framed, and strings as markup.
package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// Policy is the Content-Security-Policy of the page and its assets.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// Path is what the paths of assets begin with.
const Path = "/page/"

// hashPlace stands in index.html where the hash of the assets is to be.
const hashPlace = "{{hash}}"

//go:embed assets
var embedded embed.FS

// types are the media types of what the assets are; the system's table may lack them.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// file is one asset, ready to be sent.
type file struct {
	media, etag   string
	plain, zipped []byte
}

// Page serves the page.
type Page struct {
	index file
	files map[string]file // by the path they are asked for with
}

// New prepares the assets.
func New() (*Page, error) {
	texts := make(map[string][]byte)
	all := sha256.New()
	err := fs.WalkDir(embedded, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "assets/")
		fmt.Fprintf(all, "%s %d\n", name, len(text))
		all.Write(text)
		texts[name] = text
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the page: %w", err)
	}
	hash := hex.EncodeToString(all.Sum(nil)[:8])
	p := &Page{files: make(map[string]file)}
	for name, text := range texts {
		if name == "index.html" {
			p.index = prepare(name, bytes.ReplaceAll(text, []byte(hashPlace), []byte(hash)))
		} else {
			p.files[Path+hash+"/"+name] = prepare(name, text)
		}
	}
	return p, nil
}

func prepare(name string, text []byte) file {
	sum := sha256.Sum256(text)
	f := file{media: types[path.Ext(name)], etag: `"` + hex.EncodeToString(sum[:8]) + `"`, plain: text}
	if f.media == "" {
		f.media = mime.TypeByExtension(path.Ext(name))
	}
	if f.media == "" {
		f.media = "text/plain; charset=utf-8"
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(text) // a buffer takes everything
	z.Close()
	if b.Len() < len(text) {
		f.zipped = b.Bytes()
	}
	return f
}

// Index answers with the page itself.
func (p *Page) Index(w http.ResponseWriter, r *http.Request) {
	p.index.serve(w, r, "no-cache")
}

// ServeHTTP answers with an asset.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := p.files[r.URL.Path]
	if !ok {
		http.Error(w, "no such file; the page may be of another version: load it again", http.StatusNotFound)
		return
	}
	f.serve(w, r, "public, max-age=31536000, immutable")
}

func (f *file) serve(w http.ResponseWriter, r *http.Request, keep string) {
	h := w.Header()
	h.Set("Content-Security-Policy", Policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", keep)
	h.Set("ETag", f.etag)
	h.Add("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("If-None-Match"), f.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	text := f.plain
	if f.zipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		text = f.zipped
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", f.media)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text)
}

// Wanted tells whether a request is that of a browser, which takes the page, and not
// that of curl or a probe.
func Wanted(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}
