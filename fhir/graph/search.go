package graph

import (
	"net/url"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// search answers Patient(id: …), PatientList(…) and PatientConnection(…), from
// the whole server or, with _reference, from what points to a resource
// (graphql.html#searching).
func (r *run) search(s *selection, how shape, at place, out sink) error {
	if s.field == "__typename" {
		return r.leaf(s, how, []byte(`"Query"`), out)
	}
	resource, kind, _ := searched(r.Set, s.field)
	if kind == oneResource {
		return r.one(s, how, resource, out)
	}
	params, err := r.params(s, at)
	if err != nil {
		return err
	}
	page, err := r.page(s, resource, params)
	if err != nil {
		return err
	}
	if kind == connection {
		return r.connection(s, how, &page, out)
	}
	how.list = true
	var places []place
	for _, e := range page.Entries {
		if e.Mode == "" || e.Mode == "match" {
			places = append(places, r.resource(e.Resource))
		}
	}
	return r.emit(s, how, places, out)
}

// resource is the place of a resource.
func (r *run) resource(n tree.Node) place {
	return place{n, tree.Node{}, r.Set.Type(n.Get("resourceType").Text()), n}
}

// one answers with the resource of an id.
func (r *run) one(s *selection, how shape, resource string, out sink) error {
	args, err := r.arguments(s, "id", "_id")
	if err != nil {
		return err
	}
	id := args["id"] + args["_id"]
	if id == "" || strings.Contains(id, "/") {
		return s.at.wrong("%s needs the id of one; %sList searches", resource, resource)
	}
	p, err := r.target(s, resource+"/"+id, tree.Node{})
	if vigil.KindOf(err) == vigil.NotFound {
		missing := s.at.wrong("%s/%s is not to be found", resource, id)
		missing.Path, missing.Err = append(out.path, s.answered()), err
		r.problems = append(r.problems, missing)
		return nil
	}
	if err != nil {
		return err
	}
	return r.emit(s, how, []place{p}, out)
}

// params returns the search parameters that arguments mean. Names in GraphQL
// have no hyphens, so general_practitioner is general-practitioner.
func (r *run) params(s *selection, at place) (url.Values, error) {
	out := url.Values{}
	for _, a := range s.args {
		texts, err := r.texts(a.value)
		if err != nil {
			return nil, err
		}
		if len(texts) == 0 {
			continue
		}
		key := a.name[:1] + strings.ReplaceAll(a.name[1:], "_", "-")
		if a.name == "_reference" {
			if at.typ == nil {
				return nil, a.at.wrong("_reference looks for what points to a resource, and here is none")
			}
			key, texts = strings.ReplaceAll(texts[0], "_", "-"), []string{at.typ.Name + "/" + at.node.Get("id").Text()}
		}
		out.Add(key, strings.Join(texts, ","))
	}
	if at.typ != nil && !strings.Contains(s.argumentNames(), "_reference ") {
		return nil, s.at.wrong("%s within a resource needs _reference, the parameter that points to it", s.field)
	}
	return out, nil
}

// argumentNames returns the names of all arguments, a space behind each.
func (s *selection) argumentNames() string {
	var b strings.Builder
	for _, a := range s.args {
		b.WriteString(a.name + " ")
	}
	return b.String()
}

// page asks the source.
func (r *run) page(s *selection, resource string, params url.Values) (Page, error) {
	if r.reads++; r.reads > r.limits.Reads {
		return Page{}, s.at.wrong("the query needs more than %d reads", r.limits.Reads)
	}
	page, err := r.Source.Search(r.ctx, resource, params)
	if err != nil {
		p := s.at.wrong("%v", err)
		p.Err = err
		return page, p
	}
	if r.results += len(page.Entries); r.results > r.limits.Results {
		return page, s.at.wrong("the searches find more than %d resources", r.limits.Results)
	}
	return page, nil
}

// connection answers with a page of results and how to go on.
func (r *run) connection(s *selection, how shape, page *Page, out sink) error {
	inner := out.within(s, how, "")
	for _, f := range s.fields {
		wanted, how, err := r.directed(f)
		if err != nil {
			return err
		}
		if !wanted {
			continue
		}
		if f.field == "edges" {
			err = r.edges(f, how, page, inner)
		} else if raw := page.fact(f.field); raw != nil {
			err = r.leaf(f, how, raw, inner)
		}
		if err != nil {
			return err
		}
	}
	if how.flatten {
		return nil
	}
	return r.put(out, s, how, false, inner.json())
}

// fact returns what a page says of itself, nil when it does not.
func (p *Page) fact(field string) []byte {
	cursor := ""
	switch field {
	case "__typename":
		return []byte(`"Connection"`)
	case "count":
		if p.Total < 0 {
			return nil
		}
		return integer(p.Total)
	case "offset":
		return integer(p.Offset)
	case "pagesize":
		return integer(p.Size)
	case "first":
		cursor = p.First
	case "previous":
		cursor = p.Previous
	case "next":
		cursor = p.Next
	case "last":
		cursor = p.Last
	}
	if cursor == "" {
		return nil
	}
	return tree.AppendString(nil, cursor)
}

// edges answers with the entries of a page.
func (r *run) edges(s *selection, how shape, page *Page, out sink) error {
	how.list = true
	for _, e := range page.Entries {
		inner := out.within(s, how, "")
		for _, f := range s.fields {
			wanted, how, err := r.directed(f)
			if err != nil {
				return err
			}
			switch {
			case !wanted:
			case f.field == "resource":
				err = r.emit(f, how, []place{r.resource(e.Resource)}, inner)
			case f.field == "__typename":
				err = r.leaf(f, how, []byte(`"Edge"`), inner)
			case f.field == "mode" && e.Mode != "":
				err = r.leaf(f, how, tree.AppendString(nil, e.Mode), inner)
			case f.field == "score" && e.Score != "":
				err = r.leaf(f, how, []byte(e.Score), inner)
			}
			if err != nil {
				return err
			}
		}
		if !how.flatten {
			if err := r.put(out, s, how, false, inner.json()); err != nil {
				return err
			}
		}
	}
	return nil
}
