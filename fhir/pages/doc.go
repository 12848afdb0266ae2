// Package pages shows the FHIR base in a browser: what the REST API answers in
// JSON becomes a page with links, a search form and the resource in JSON and XML.
//
// It stands in front of the API and asks it like any other client, so that a page
// never shows what the API would not give. Pages need no script and load nothing
// from elsewhere.
package pages

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the template and its style
	"encoding/base64"
	"html/template"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

//go:embed page.html
var layout string

//go:embed page.css
var style string

// A Handler shows pages to browsers and lets everything else through.
type Handler struct {
	api    http.Handler
	set    func() *schema.Set
	layout *template.Template
	policy string
	now    func() time.Time
}

var _ http.Handler = (*Handler)(nil)

// New returns a handler in front of the API, which answers under /fhir; set
// returns the definitions that hold at this moment.
func New(api http.Handler, set func() *schema.Set) *Handler {
	sum := sha256.Sum256([]byte(style))
	return &Handler{
		api: api, set: set, now: time.Now, layout: template.Must(template.New("page").Parse(layout)),
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	}
}

// ServeHTTP shows a page when a browser asks for one.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// What is answered depends on Accept: caches have to know.
	w.Header().Add("Vary", "Accept")
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !browser(r) {
		h.api.ServeHTTP(w, r)
		return
	}
	if clean, ok := withoutEmpty(r.URL); ok {
		http.Redirect(w, r, clean, http.StatusSeeOther) // #nosec G710 -- a path below /fhir, see withoutEmpty
		return
	}
	p, file := h.page(r)
	if file != nil { // it is no resource: let the browser have it
		file.copyTo(w)
		return
	}
	var text bytes.Buffer
	if err := h.layout.Execute(&text, p); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", h.policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "same-origin")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(text.Bytes())
}

// browser tells whether a request asks for a page: HTML before anything of
// FHIR's, and no other format by name (http.html#parameters).
func browser(r *http.Request) bool {
	switch f := r.URL.Query().Get("_format"); {
	case f == "html" || f == "text/html":
		return true
	case f != "":
		return false
	}
	for t := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		switch kind, _, _ := mime.ParseMediaType(t); kind {
		case "text/html", "application/xhtml+xml":
			return true
		case "":
		default:
			return false
		}
	}
	return false
}

// withoutEmpty returns an address without the fields of a form that were left
// empty, false when there is none.
func withoutEmpty(u *url.URL) (string, bool) {
	var kept []string
	found := false
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if name, value, _ := strings.Cut(part, "="); name != "" && value == "" && strings.Contains(part, "=") {
			found = true
			continue
		}
		kept = append(kept, part)
	}
	out := url.URL{Path: "/fhir/" + strings.Join(split(u.Path), "/"), RawQuery: strings.Join(kept, "&")}
	return out.RequestURI(), found
}

// An answer is what the API said.
type answer struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// copyTo sends the answer as it is.
func (a *answer) copyTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes())
}

// ask asks the API for an address in a form.
func (h *Handler) ask(r *http.Request, u *url.URL, accept string) *answer {
	q := r.Clone(r.Context())
	q.Method, q.URL = http.MethodGet, u
	q.RequestURI = u.RequestURI()
	q.Header.Set("Accept", accept)
	for _, name := range []string{"Accept-Encoding", "If-None-Match", "If-Modified-Since", "Range"} {
		q.Header.Del(name)
	}
	a := &answer{header: http.Header{}}
	h.api.ServeHTTP(a, q)
	a.WriteHeader(http.StatusOK)
	return a
}

const (
	jsonType = "application/fhir+json"
	xmlType  = "application/fhir+xml"
)

// parsed is the answer as a document; the zero Node when it is none.
func (a *answer) parsed() tree.Node {
	if !strings.Contains(a.header.Get("Content-Type"), "json") {
		return tree.Node{}
	}
	d, err := tree.Parse(a.body.Bytes())
	if err != nil {
		return tree.Node{}
	}
	return d.Root()
}
