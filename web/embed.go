// Package web holds the screens of Vigil: the ward wall (/wall), the staff app
// (/app) and the patient's page (/me). They are built from src with `npm run
// build` into dist, which is embedded; without that build a plain page says how
// to make it.
package web

import (
	"crypto/rand"
	"embed"
	"encoding/base64"
	"errors"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
)

//go:embed all:dist
var dist embed.FS

// nonceMark stands in the pages where the nonce of a response belongs.
const nonceMark = "__CSP_NONCE__"

// FS returns the built screens; it is nearly empty when they were not built.
func FS() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic("web: dist is not embedded: " + err.Error())
	}
	return sub
}

// Built tells whether the screens were built into this binary.
func Built() bool { return built(FS()) }

func built(files fs.FS) bool {
	_, err := fs.Stat(files, "wall.html")
	return err == nil
}

// Handler serves the screens: / goes to /wall, and /wall, /app/… and /me are
// pages. Pages are never kept by browsers, files with a hash in their name for
// ever. Every response forbids content of other origins.
func Handler() http.Handler { return handler(FS()) }

func handler(files fs.FS) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/wall", http.StatusFound)
	})
	for _, name := range []string{"wall", "app", "me"} {
		serve := page(files, name+".html")
		mux.HandleFunc("GET /"+name, serve)
		if name == "app" {
			mux.HandleFunc("GET /"+name+"/{rest...}", serve)
		}
	}
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { file(w, r, files) })
	return mux
}

// page serves an entry with a fresh nonce for the styles that the component kit
// puts into the page.
func page(files fs.FS, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		nonce := newNonce()
		guard(w.Header(), nonce)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		html, err := fs.ReadFile(files, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			html = []byte(notBuilt)
		case err != nil:
			http.Error(w, "the page could not be read", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte(strings.ReplaceAll(string(html), nonceMark, nonce)))
	}
}

// file serves a part of a page.
func file(w http.ResponseWriter, r *http.Request, files fs.FS) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	hidden := strings.HasPrefix(name, ".") || strings.Contains(name, "/.")
	info, err := fs.Stat(files, name)
	if hidden || err != nil || info.IsDir() || strings.HasSuffix(name, ".html") {
		guard(w.Header(), "")
		http.NotFound(w, r)
		return
	}
	guard(w.Header(), "")
	cache := "no-cache"
	if strings.HasPrefix(name, "assets/") {
		cache = "public, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", cache)
	if strings.HasSuffix(name, ".woff2") {
		w.Header().Set("Content-Type", "font/woff2")
	} else if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		w.Header().Set("Content-Type", kind)
	}
	compressed(w, r, files, name)
}

// compressed serves the brotli or gzip twin of a file where there is one and
// the browser takes it.
func compressed(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	accepts := r.Header.Get("Accept-Encoding")
	for _, twin := range []struct{ ext, coding string }{{".br", "br"}, {".gz", "gzip"}} {
		if !accepted(accepts, twin.coding) {
			continue
		}
		if _, err := fs.Stat(files, name+twin.ext); err != nil {
			continue
		}
		w.Header().Set("Content-Encoding", twin.coding)
		w.Header().Add("Vary", "Accept-Encoding")
		http.ServeFileFS(w, r, files, name+twin.ext)
		return
	}
	http.ServeFileFS(w, r, files, name)
}

// accepted tells whether an Accept-Encoding names a coding without refusing it.
func accepted(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.TrimSpace(name) == coding {
			return strings.TrimSpace(weight) != "q=0"
		}
	}
	return false
}

// guard sets the headers that keep foreign content out.
func guard(h http.Header, nonce string) {
	style := "'self'"
	if nonce != "" {
		style += " 'nonce-" + nonce + "'"
	}
	h.Set("Content-Security-Policy", "default-src 'self'; style-src "+style+
		"; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// newNonce returns 128 random bits as text. crypto/rand.Read does not fail on
// the systems that Go supports; it ends the process instead.
func newNonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// notBuilt is what the pages say when the screens were not built.
const notBuilt = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Vigil: screens not built</title>
<style nonce="__CSP_NONCE__">
body { max-width: 40rem; margin: 4rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #0c2127; background: #f3f6f6; }
pre { padding: 1rem; background: #fff; border: 1px solid #d8e0e1; border-radius: 6px; overflow: auto; }
</style>
</head>
<body>
<h1>The screens were not built into this binary</h1>
<p>The server runs; its API, FHIR and device listeners work. To have the ward wall and the staff app, build them and then the binary:</p>
<pre>cd web
npm ci
npm run build
cd ..
go build ./cmd/vigil</pre>
<p>Or, in one step: <code>make build</code></p>
</body>
</html>
`
