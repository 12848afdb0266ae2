package pages

import (
	"context"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A page is what the template shows.
type page struct {
	Status  int
	Style   template.CSS
	Title   string
	Lead    string
	Crumbs  []link
	Raw     []link // the same in JSON and XML
	Tabs    []tab
	Notices []notice
	Types   []typeCount
	Form    *form
	List    *list
	Text    template.HTML // a resource, as JSON or XML
	Facts   []fact
	Ops     []link
}

// A link is a word and where it leads.
type link struct{ Text, To string }

// A tab is a link that may be where one is.
type tab struct {
	link
	Here bool
}

// A fact is a label and a value.
type fact struct{ Label, Value string }

// A typeCount is a type of resource and how many there are.
type typeCount struct {
	Name, To string
	Count    string
}

// A form asks for search parameters.
type form struct {
	To     string
	Fields []field
	Open   bool
}

// A field is one search parameter.
type field struct{ Name, Kind, Value, Hint string }

// page makes the page of a request; or returns the answer when it is no
// resource, such as the contents of a Binary.
func (h *Handler) page(r *http.Request) (*page, *answer) {
	u := *r.URL
	q := u.Query()
	view := q.Get("view")
	u.RawQuery = without(u.RawQuery, "view", "_format")
	p := &page{Status: http.StatusOK, Style: template.CSS(style), Crumbs: crumbs(u.Path)} // #nosec G203 -- embedded
	parts := split(u.Path)
	if len(parts) == 0 && u.RawQuery == "" {
		h.start(r, p)
		return p, nil
	}
	a := h.ask(r, &u, jsonType)
	n := a.parsed()
	if !n.Ok() {
		return nil, a
	}
	p.Status, p.Raw = a.status, raw(&u)
	kind := n.Get("resourceType").Text()
	if p.Title = strings.Join(parts, "/"); p.Title == "" {
		p.Title = "All types"
	}
	switch {
	case kind == "OperationOutcome" && a.status >= http.StatusBadRequest:
		p.Title, p.Notices = titleOf(a.status), notices(n)
		h.formFor(p, parts, q)
		if p.Form != nil {
			p.Form.Open = true
		}
	case kind == "Bundle" && n.Get("type").Text() != "document" && (len(parts) != 2 || parts[0] != "Bundle"):
		h.bundle(p, n, parts, q)
	default:
		h.resource(r, p, a, n, &u, view)
	}
	return p, nil
}

// split returns the parts of an address behind /fhir.
func split(path string) []string {
	path = strings.Trim(strings.TrimPrefix(path, "/fhir"), "/")
	if path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// without takes parameters out of a query and leaves the rest as it was.
func without(query string, names ...string) string {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		if part != "" && !slices.Contains(names, name) {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

// crumbs are the links to what an address lies in.
func crumbs(path string) []link {
	out := []link{{"FHIR", "/fhir"}}
	to := "/fhir"
	for _, part := range split(path) {
		to += "/" + url.PathEscape(part)
		out = append(out, link{part, to})
	}
	return out
}

// raw leads to the same in the forms for programs.
func raw(u *url.URL) []link {
	out := []link{{"JSON", "json"}, {"XML", "xml"}}
	for i := range out {
		to := *u
		to.RawQuery = strings.TrimPrefix(to.RawQuery+"&_format="+out[i].To, "&")
		out[i].To = to.RequestURI()
	}
	return out
}

// titleOf says a status in words.
func titleOf(status int) string {
	switch status {
	case http.StatusNotFound:
		return "There is nothing here"
	case http.StatusGone:
		return "It was deleted"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "This is not open to you"
	case http.StatusBadRequest:
		return "This cannot be answered"
	}
	return strconv.Itoa(status) + " " + http.StatusText(status)
}

// patience is how long the page of the base counts; types that come later are
// shown without a number. A type for which counting takes longer than atMost has
// many.
const (
	patience = 2 * time.Second
	atMost   = 300 * time.Millisecond
)

// count says how many resources of a type there are, "" when nobody knows.
func (h *Handler) count(r *http.Request, name string) string {
	ctx, stop := context.WithTimeout(r.Context(), atMost)
	defer stop()
	a := h.ask(r.WithContext(ctx), &url.URL{Path: "/fhir/" + name, RawQuery: "_summary=count"}, jsonType)
	total := a.parsed().Get("total").Text()
	if total == "" && ctx.Err() != nil {
		return "many"
	}
	return total
}

// start is the page of the base: what is there.
func (h *Handler) start(r *http.Request, p *page) {
	meta := h.ask(r, &url.URL{Path: "/fhir/metadata"}, jsonType)
	n := meta.parsed()
	if p.Status = meta.status; meta.status != http.StatusOK {
		p.Title, p.Notices = titleOf(meta.status), notices(n)
		return
	}
	p.Title = "FHIR R4"
	p.Lead = "The record of this installation: resources that were sent, and readings of devices as Observations."
	p.Facts = []fact{
		{"FHIR version", n.Get("fhirVersion").Text()},
		{"Software", strings.TrimSpace(n.Get("software").Get("name").Text() + " " + n.Get("software").Get("version").Text())},
	}
	p.Ops = []link{{"What it can do", "/fhir/metadata"}, {"All changes", "/fhir/_history"}}
	until := h.now().Add(patience)
	for t := range n.Get("rest").At(0).Get("resource").Items() {
		name := t.Get("type").Text()
		count := ""
		if h.now().Before(until) {
			count = h.count(r, name)
		}
		p.Types = append(p.Types, typeCount{name, "/fhir/" + name, count})
	}
	// What there is comes before what there could be.
	slices.SortStableFunc(p.Types, func(a, b typeCount) int { return boolOrder(a.some(), b.some()) })
}

// Some tells whether there are resources of the type.
func (t typeCount) some() bool { return t.Count != "" && t.Count != "0" }

// Some is some for the template.
func (t typeCount) Some() bool { return t.some() }

func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// formFor puts the search form of a type onto a page.
func (h *Handler) formFor(p *page, parts []string, q url.Values) {
	if len(parts) == 0 {
		return
	}
	name := parts[0]
	if len(parts) == 3 { // of a compartment
		name = parts[2]
	}
	set := h.set()
	if t := set.Type(name); t == nil || t.Kind != schema.Resource || len(parts) == 2 {
		return
	}
	f := &form{To: "/fhir/" + strings.Join(parts, "/")}
	params := slices.Clone(set.Params(name))
	// What is this type's own comes before what all types have.
	slices.SortStableFunc(params, func(a, b *schema.Param) int {
		return boolOrder(!strings.HasPrefix(a.Code, "_"), !strings.HasPrefix(b.Code, "_"))
	})
	for _, param := range params {
		if param.Code == "_query" { // named queries: there are none
			continue
		}
		f.Fields = append(f.Fields, field{param.Code, param.Kind, q.Get(param.Code), hint(param.Kind)})
	}
	f.Fields = append(f.Fields, field{"_sort", "", q.Get("_sort"), "-_lastUpdated"}, field{"_count", "", q.Get("_count"), "50"})
	// What is asked for already comes first.
	slices.SortStableFunc(f.Fields, func(a, b field) int { return boolOrder(a.Value != "", b.Value != "") })
	for name, values := range q {
		for _, v := range values {
			if !slices.ContainsFunc(f.Fields, func(f field) bool { return f.Name == name }) && name != "view" && name != "_format" && name != "_cursor" {
				f.Fields = append([]field{{name, "", v, ""}}, f.Fields...)
			}
		}
	}
	p.Form = f
}

// hint shows how a parameter is written (search.html).
func hint(kind string) string {
	switch kind {
	case "token":
		return "system|code"
	case "date":
		return "ge2026-01-01"
	case "reference":
		return "Type/id"
	case "quantity":
		return "gt5.4||mmol/L"
	case "number":
		return "gt5"
	case "uri":
		return "https://…"
	case "composite":
		return "a$b"
	case "string":
		return "starts with"
	}
	return ""
}

// resource shows one resource.
func (h *Handler) resource(r *http.Request, p *page, a *answer, n tree.Node, u *url.URL, view string) {
	parts := split(u.Path)
	s := summarise(n)
	p.Title, p.Lead = strings.Join(parts, "/"), s.What
	if len(parts) >= 2 && !strings.HasPrefix(parts[1], "$") && !strings.HasPrefix(parts[1], "_") {
		at := "/fhir/" + parts[0] + "/" + parts[1]
		p.Tabs = append(p.Tabs, tab{link{"JSON", u.Path}, view != "xml"}, tab{link{"XML", u.Path + "?view=xml"}, view == "xml"},
			tab{link{"History", at + "/_history"}, false})
		for _, c := range []string{"Observation", "Condition", "MedicationRequest", "Encounter"} {
			if parts[0] == "Patient" && len(parts) == 2 {
				p.Ops = append(p.Ops, link{c + "s", at + "/" + c})
			}
		}
	}
	if v := n.Get("meta").Get("versionId").Text(); v != "" {
		p.Facts = append(p.Facts, fact{"Version", v})
	}
	if v := n.Get("meta").Get("lastUpdated").Text(); v != "" {
		p.Facts = append(p.Facts, fact{"Last updated", v})
	}
	if s.When != "" {
		p.Facts = append(p.Facts, fact{"Time", s.When})
	}
	if n.Get("resourceType").Text() == "OperationOutcome" {
		p.Notices = notices(n)
	}
	if view == "xml" {
		people := *u
		people.RawQuery = strings.TrimPrefix(people.RawQuery+"&_pretty=true", "&")
		x := h.ask(r, &people, xmlType)
		p.Text = template.HTML(template.HTMLEscapeString(bounded(x.body.String()))) // #nosec G203 -- escaped
		return
	}
	p.Text = pretty(n, baseOf(a, r))
}

// baseOf is the address under which clients know the base, as links in answers
// show it.
func baseOf(a *answer, r *http.Request) string {
	if at := a.header.Get("Content-Location"); at != "" {
		if base, _, ok := strings.Cut(at, "/fhir/"); ok {
			return base + "/fhir/"
		}
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + "/fhir/"
}

// bounded cuts a text that no browser would show well.
func bounded(text string) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "\n… there is more: take it as JSON or XML"
}
