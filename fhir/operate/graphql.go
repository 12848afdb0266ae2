package operate

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/graph"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// query is $graphql (graphql.html).
func query(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	req, err := question(in)
	if err != nil {
		return nil, err
	}
	var focus tree.Node
	if in.ID != "" {
		r, err := in.Read(ctx, in.Type, in.ID, "")
		if err != nil {
			return nil, err
		}
		doc, err := tree.Parse(r.Body)
		if err != nil {
			return nil, err
		}
		focus = doc.Root()
	}
	engine := &graph.Engine{Set: in.Engine().Schema(), Source: server{in}}
	data, problems := engine.Run(ctx, req, focus, in.Now.Time())
	body := answer(data, problems)
	out := &rest.Result{Media: "application/json; charset=utf-8", Stream: func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	}}
	if data == nil {
		out.Status = http.StatusBadRequest
	}
	return out, nil
}

// question reads the query: the parameter query, a body of application/graphql,
// or one of application/json with query, operationName and variables.
func question(in *rest.Invocation) (graph.Request, error) {
	req := graph.Request{Query: in.Query.Get("query"), Operation: in.Query.Get("operationName")}
	variables := in.Query.Get("variables")
	kind, _, _ := mime.ParseMediaType(in.Media) // what cannot be read is none of those below
	switch {
	case len(in.Raw) == 0:
	case kind == "application/graphql":
		req.Query = string(in.Raw)
	case kind == "application/json" || kind == "application/fhir+json":
		doc, err := tree.Parse(in.Raw)
		if err != nil {
			return req, bad("query", "the body is no JSON: %v", err)
		}
		root := doc.Root()
		req.Query, req.Operation, req.Variables = root.Get("query").Text(), root.Get("operationName").Text(), root.Get("variables")
		if req.Variables.Kind() == tree.Null {
			req.Variables = tree.Node{}
		}
		variables = ""
	default:
		return req, rest.Refuse(http.StatusUnsupportedMediaType, "not-supported", "a query is application/graphql or application/json, not %s", clip(in.Media))
	}
	if variables != "" {
		doc, err := tree.Parse([]byte(variables))
		if err != nil {
			return req, bad("variables", "the variables are no JSON: %v", err)
		}
		req.Variables = doc.Root()
	}
	switch {
	case req.Variables.Ok() && req.Variables.Kind() != tree.Object:
		return req, bad("variables", "the variables are an object")
	case strings.TrimSpace(req.Query) == "":
		return req, bad("query", "there is no query")
	}
	return req, nil
}

// answer writes what a query gave, with errors as GraphQL has them; an
// OperationOutcome of each stands in its extensions (graphql.html#errors).
func answer(data []byte, problems []*graph.Problem) []byte {
	w := tree.NewWriter(nil)
	w.Object()
	if len(problems) > 0 {
		w.Name("errors").Array()
		for _, p := range problems {
			problem(w, p)
		}
		w.End()
	}
	if data != nil {
		w.Member("data", data)
	}
	return w.End().Bytes()
}

func problem(w *tree.Writer, p *graph.Problem) {
	w.Object().Text("message", p.Msg)
	if p.Line > 0 {
		w.Name("locations").Array().Object()
		w.Name("line").Word(strconv.Itoa(p.Line)).Name("column").Word(strconv.Itoa(p.Col)).End().End()
	}
	if len(p.Path) > 0 {
		w.Name("path").Array()
		for _, s := range p.Path {
			w.String(s)
		}
		w.End()
	}
	issue := rest.Issue{Code: "invalid", Text: p.Msg}
	if p.Err != nil {
		issue.Code = "processing"
	}
	var from *rest.Problem
	if errors.As(p.Err, &from) && len(from.Issues) > 0 {
		issue.Code = from.Issues[0].Code
	}
	w.Name("extensions").Object().Member("resource", rest.AppendOutcome(nil, issue)).End().End()
}

// server is this server as a source of resources.
type server struct{ in *rest.Invocation }

var _ graph.Source = server{}

// Read returns what a reference points to.
func (s server) Read(ctx context.Context, reference string) (tree.Node, error) {
	r := s.in.Engine().ParseRef(strings.TrimPrefix(reference, s.in.Base+"/"))
	if r.Type == "" || r.ID == "" || r.URL != "" {
		return tree.Node{}, vigil.Errorf(vigil.NotFound, "%s is not on this server", clip(reference))
	}
	found, err := s.in.Read(ctx, r.Type, r.ID, r.Version)
	if gone(err) {
		return tree.Node{}, vigil.Errorf(vigil.NotFound, "%s/%s is not to be found", r.Type, r.ID)
	}
	if err != nil {
		return tree.Node{}, err
	}
	doc, err := tree.Parse(found.Body)
	if err != nil {
		return tree.Node{}, err
	}
	return doc.Root(), nil
}

// Search returns a page of a search.
func (s server) Search(ctx context.Context, resource string, params url.Values) (graph.Page, error) {
	page := graph.Page{Total: -1}
	r, err := s.in.Do(ctx, rest.Step{Address: resource + "?" + params.Encode()})
	if err != nil {
		return page, err
	}
	doc, err := tree.Parse(r.Body)
	if err != nil {
		return page, err
	}
	root := doc.Root()
	if t := root.Get("total"); t.Ok() {
		if page.Total, err = strconv.Atoi(t.Text()); err != nil {
			return page, err
		}
	}
	for e := range root.Get("entry").Items() {
		mode := e.Get("search").Get("mode").Text()
		if mode == "outcome" {
			return page, bad(resource, "%s", e.Get("resource").Get("issue").At(0).Get("diagnostics").Text())
		}
		page.Entries = append(page.Entries, graph.Entry{Resource: e.Get("resource"), Mode: mode, Score: e.Get("search").Get("score").Text()})
	}
	page.Size = len(page.Entries)
	if n, err := strconv.Atoi(params.Get("_count")); err == nil {
		page.Size = n
	}
	for l := range root.Get("link").Items() {
		u, err := url.Parse(l.Get("url").Text())
		if err != nil {
			continue
		}
		cursor := u.Query().Get("_cursor")
		switch l.Get("relation").Text() {
		case "next":
			page.Next = cursor
		case "previous":
			page.Previous = cursor
		}
	}
	return page, nil
}
