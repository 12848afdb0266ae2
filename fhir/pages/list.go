package pages

import (
	"net/url"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A list is the page of a search or a history.
type list struct {
	Total   string
	Rows    []row
	Links   []link
	History bool
	Empty   string
}

// A row is one entry.
type row struct {
	Kind, ID, To string // Kind is "" where every row is of the page's type
	Mode         string // include, where it is not a match
	What, When   string
	Updated      string
	Change       string // of a history: created, updated, deleted
}

// A notice is an issue of an OperationOutcome.
type notice struct{ Severity, Code, Text, Where string }

// notices reads an OperationOutcome.
func notices(n tree.Node) []notice {
	var out []notice
	for i := range n.Get("issue").Items() {
		x := notice{Severity: i.Get("severity").Text(), Code: i.Get("code").Text(), Text: i.Get("diagnostics").Text()}
		if x.Text == "" {
			x.Text = concept(i.Get("details"))
		}
		for _, name := range []string{"expression", "location"} {
			for at := range i.Get(name).Items() {
				if x.Where == "" {
					x.Where = at.Text()
				}
			}
		}
		out = append(out, x)
	}
	return out
}

// bundle shows the results of a search, or a history.
func (h *Handler) bundle(p *page, n tree.Node, parts []string, q url.Values) {
	l := &list{Total: n.Get("total").Text(), History: n.Get("type").Text() == "history", Empty: "Nothing matches."}
	for e := range n.Get("entry").Items() {
		res := e.Get("resource")
		kind := res.Get("resourceType").Text()
		if kind == "OperationOutcome" && e.Get("search").Get("mode").Text() == "outcome" {
			p.Notices = append(p.Notices, notices(res)...)
			continue
		}
		row := rowOf(e, res, kind)
		if len(parts) > 0 && row.Kind == parts[len(parts)-1] {
			row.Kind = ""
		}
		l.Rows = append(l.Rows, row)
	}
	for x := range n.Get("link").Items() {
		to, err := url.Parse(x.Get("url").Text())
		if err != nil {
			continue
		}
		switch word := x.Get("relation").Text(); word {
		case "first", "previous", "prev", "next":
			l.Links = append(l.Links, link{word, to.RequestURI()})
		}
	}
	if len(l.Links) == 1 && l.Links[0].Text == "first" { // one is there
		l.Links = nil
	}
	p.List = l
	if l.History {
		l.Empty = "Nothing has changed yet."
		p.Lead = "Every change, the newest first."
		return
	}
	if len(q) == 0 {
		l.Empty = "There is none yet."
	}
	h.formFor(p, parts, q)
}

// rowOf is the row of an entry.
func rowOf(e, res tree.Node, kind string) row {
	r := row{Kind: kind, ID: res.Get("id").Text(), Updated: res.Get("meta").Get("lastUpdated").Text()}
	if mode := e.Get("search").Get("mode").Text(); mode != "match" {
		r.Mode = mode
	}
	if req := e.Get("request"); req.Ok() {
		r.Change = map[string]string{"POST": "created", "PUT": "updated", "PATCH": "updated", "DELETE": "deleted"}[req.Get("method").Text()]
		if kind == "" { // a deletion has no resource
			r.Kind, r.ID, _ = strings.Cut(req.Get("url").Text(), "/")
			r.Updated = e.Get("response").Get("lastModified").Text()
		}
	}
	r.To = "/fhir/" + r.Kind + "/" + url.PathEscape(r.ID)
	if v := res.Get("meta").Get("versionId").Text(); r.Change != "" && v != "" {
		r.To += "/_history/" + url.PathEscape(v)
	}
	s := summarise(res)
	r.What, r.When = s.What, s.When
	return r
}
