package rest

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An entry is one entry of a batch or a transaction (bundle.html#transaction).
type entry struct {
	at      int
	fullURL string
	node    tree.Node // of the resource, the zero Node without one
	c       *call
	step    step
	in      *intent  // when it writes a resource
	links   *linked  // what its resource points to within the Bundle
	drafted []string // where the links led when the draft was made
	answer  *answer
	problem *Problem
}

// bundle is POST to the base (http.html#transaction).
func (s *Server) bundle(ctx context.Context, c *call) (*answer, error) {
	doc, typ, err := s.resource(c, "")
	if err != nil {
		return nil, err
	}
	if typ != "Bundle" {
		return nil, bad("only a Bundle is posted to the base; a %s goes to /%s", typ, typ).at("resourceType")
	}
	kind := doc.Root().Get("type").Text()
	if kind != "batch" && kind != "transaction" {
		return nil, Refuse(http.StatusUnprocessableEntity, "value", "a Bundle that is posted is a batch or a transaction, not %q", clip(kind)).at("Bundle.type")
	}
	list := doc.Root().Get("entry")
	if list.Ok() && list.Kind() != tree.Array {
		return nil, Refuse(http.StatusBadRequest, "structure", "entry is a list").at("Bundle.entry")
	}
	entries := make([]*entry, 0, list.Len())
	for n := range list.Items() {
		e := &entry{at: len(entries)}
		if err := s.readEntry(e, c, n); err != nil {
			e.problem = e.place(problemOf(err))
		}
		entries = append(entries, e)
	}
	if kind == "batch" {
		return s.batch(ctx, c, entries)
	}
	return s.transaction(ctx, c, entries)
}

// readEntry makes the call that an entry asks for.
func (s *Server) readEntry(e *entry, outer *call, n tree.Node) error {
	request := n.Get("request")
	method, target := request.Get("method").Text(), request.Get("url").Text()
	e.fullURL, e.node = n.Get("fullUrl").Text(), n.Get("resource")
	if method == "" || !request.Get("url").Ok() {
		return Refuse(http.StatusBadRequest, "required", "an entry says its method and its url").at("request")
	}
	if e.node.Ok() && e.node.Kind() != tree.Object {
		return Refuse(http.StatusBadRequest, "structure", "a resource is an object").at("resource")
	}
	e.c = &call{
		method: method, base: outer.base, now: outer.now, actor: outer.actor, prefer: outer.prefer, media: jsonForm.mediaType(),
		ifMatch: request.Get("ifMatch").Text(), ifNoneMatch: request.Get("ifNoneMatch").Text(),
		ifNoneExist: request.Get("ifNoneExist").Text(), ifModifiedSince: request.Get("ifModifiedSince").Text(),
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return Refuse(http.StatusBadRequest, "value", "%q is no method of an entry", clip(method)).at("request.method")
	}
	if err := e.address(target); err != nil {
		return err
	}
	if method != http.MethodGet && method != http.MethodHead && method != http.MethodDelete {
		return e.body()
	}
	return nil
}

// address takes the url of an entry apart: relative to the base, or absolute
// within it.
func (e *entry) address(target string) error {
	if rest, ok := strings.CutPrefix(target, e.c.base); ok {
		target = rest
	}
	if u, err := url.Parse(target); err != nil || u.Scheme != "" || u.Host != "" {
		return bad("the url of an entry is one of this server").at("request.url")
	}
	path, query, _ := strings.Cut(target, "?")
	var err error
	if e.c.path, err = segments(path); err != nil {
		return err
	}
	if len(e.c.path) == 0 && e.c.method == http.MethodPost {
		return bad("a Bundle within a Bundle is not carried out").at("request.url")
	}
	e.c.query = query
	values, err := e.c.values()
	if err != nil {
		return err
	}
	if e.c.method == http.MethodGet || e.c.method == http.MethodHead {
		e.c.shape, err = shapeOf(values)
	}
	return err
}

// body is what an entry sends: its resource or, for a patch that is no
// resource, the content of a Binary.
func (e *entry) body() error {
	e.c.body = e.node.Raw()
	if e.c.method != http.MethodPatch || e.node.Get("resourceType").Text() != "Binary" {
		return nil
	}
	content, err := base64.StdEncoding.DecodeString(e.node.Get("data").Text())
	if err != nil {
		return bad("the data of the Binary is no base64").at("resource.data")
	}
	e.c.media, e.c.body = e.node.Get("contentType").Text(), content
	return nil
}

// place says in which entry a problem is.
func (e *entry) place(p *Problem) *Problem {
	out := &Problem{Status: p.Status, Issues: make([]Issue, len(p.Issues))}
	prefix := "Bundle.entry[" + strconv.Itoa(e.at) + "]"
	line, col := e.node.Pos()
	typ := e.node.Get("resourceType").Text()
	for k, i := range p.Issues {
		switch {
		case i.Expression == "":
			i.Expression = prefix
		case i.Expression == "request" || i.Expression == "resource" || strings.HasPrefix(i.Expression, "request.") || strings.HasPrefix(i.Expression, "resource."):
			i.Expression = prefix + "." + i.Expression
		case i.Expression == typ:
			i.Expression = prefix + ".resource"
		default:
			i.Expression = prefix + ".resource." + strings.TrimPrefix(i.Expression, typ+".")
		}
		if i.Line > 0 && line > 0 {
			if i.Line == 1 {
				i.Col += col - 1
			}
			i.Line += line - 1
		}
		out.Issues[k] = i
	}
	return out
}

// appendTo appends what became of an entry.
func (e *entry) appendTo(dst []byte) []byte {
	dst = append(dst, '{')
	a := e.answer
	if e.problem != nil {
		dst = append(dst, `"response":{"status":`...)
		dst = appendStatus(dst, e.problem.Status)
		dst = append(dst, `,"outcome":`...)
		dst = AppendOutcome(dst, e.problem.Issues...)
		return append(dst, `}}`...)
	}
	if len(a.whole()) > 0 && e.c.method != http.MethodHead {
		if a.location != "" {
			full, _, _ := strings.Cut(a.location, "/_history/")
			dst = append(appendString(append(dst, `"fullUrl":`...), full), ',')
		}
		dst = append(append(append(dst, `"resource":`...), a.body...), ',')
	}
	dst = append(dst, `"response":{"status":`...)
	dst = appendStatus(dst, a.status)
	if a.location != "" {
		dst = appendString(append(dst, `,"location":`...), a.location)
	}
	if a.version != "" {
		dst = appendString(append(dst, `,"etag":`...), etag(a.version))
	}
	if a.changed != 0 {
		dst = append(appendTime(append(dst, `,"lastModified":"`...), a.changed), '"')
	}
	if len(a.outcome) > 0 {
		dst = append(append(dst, `,"outcome":`...), a.outcome...)
	}
	return append(dst, `}}`...)
}

// appendStatus appends a status with its words: "201 Created".
func appendStatus(dst []byte, status int) []byte {
	return appendString(dst, strconv.Itoa(status)+" "+http.StatusText(status))
}

// answers is the Bundle that answers, in the order of the request.
func answers(kind string, entries []*entry) *answer {
	size := 256
	for _, e := range entries {
		size += 300
		if e.answer != nil {
			size += len(e.answer.whole())
		}
	}
	dst := append(make([]byte, 0, size), `{"resourceType":"Bundle","type":"`...)
	dst = append(append(dst, kind...), '"')
	if len(entries) > 0 {
		dst = append(dst, `,"entry":[`...)
		for _, e := range entries {
			dst = append(e.appendTo(dst), ',')
		}
		dst = closeList(dst, ']')
	}
	return &answer{status: http.StatusOK, body: append(dst, '}')}
}
