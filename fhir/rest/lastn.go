package rest

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Newester is a source that finds the newest resources of each code faster
// than by going through all.
type Newester interface {
	// Newest gives at least the newest limit Observations of each code.
	Newest(ctx context.Context, q *search.Query, limit int) iter.Seq2[vigil.ResourceHit, error]
}

// lastN is the operation $lastn (observation-operation-lastn.html).
func (s *Server) lastN() Operation {
	return Operation{
		Name: "lastn", Definition: "http://hl7.org/fhir/OperationDefinition/Observation-lastn",
		Type: true, Types: []string{"Observation"}, Handle: s.handleLastN,
	}
}

// maxLast bounds how many Observations of a code are wanted.
const maxLast = 1000

func (s *Server) handleLastN(ctx context.Context, in *Invocation) (*Result, error) {
	limitText := in.Args().Get("max")
	limit, query, err := lastQuery(in.Args())
	if err != nil {
		return nil, err
	}
	c := &call{method: http.MethodGet, path: []string{"Observation"}, typ: "Observation", query: query, base: in.Base, now: in.Now, prefer: preference{strict: in.Strict}}
	h, err := s.hunt(ctx, c)
	if err != nil {
		return nil, err
	}
	defer h.end()
	h.q.Sort = []search.SortKey{{Param: "date", Desc: true}}
	h.plan = h.q.Plan()
	l := latest{h: h, limit: limit}
	if err := l.gather(ctx); err != nil {
		return nil, costly(err)
	}
	b := newBundle("searchset")
	found := l.sorted()
	b.total = len(found)
	b.linkTo("self", in.Base+"/Observation/$lastn", selfOf(h.q.Self(), limitText), "")
	for i := range found {
		if err := h.add(b, &found[i], "match"); err != nil {
			return nil, err
		}
	}
	if len(h.issues) > 0 {
		b.outcome(h.issues)
	}
	return &Result{Body: b.bytes(in.Now)}, nil
}

func selfOf(query, limit string) string {
	if limit == "" {
		return query
	}
	if query != "" {
		query += "&"
	}
	return query + "max=" + limit
}

// lastQuery takes max out of the parameters. Somebody has to be named.
func lastQuery(v url.Values) (limit int, query string, err error) {
	limit = 1
	if text := v.Get("max"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return 0, "", bad("max is how many Observations of each code are wanted, 1 or more").at("max")
		}
		if limit > maxLast {
			return 0, "", Refuse(http.StatusUnprocessableEntity, "too-costly", "at most %d Observations of each code are given", maxLast).at("max")
		}
	}
	rest := url.Values{}
	named := false
	for name, values := range v {
		switch base, _, _ := strings.Cut(name, ":"); base {
		case "max", "_sort", "_count", "_cursor":
			continue
		case "patient", "subject":
			named = true
		}
		rest[name] = values
	}
	if !named {
		return 0, "", Refuse(http.StatusBadRequest, "required", "whose Observations are wanted? name a patient or a subject").at("patient")
	}
	return limit, rest.Encode(), nil
}

// latest gathers the newest Observations of each code.
type latest struct {
	h      *hunt
	limit  int
	index  map[string]int // coding → place in groups
	groups [][]match
	into   []int // the group that a group has become part of, or itself
}

// gather goes through what was written, and through what sources show.
func (l *latest) gather(ctx context.Context) error {
	l.index = map[string]int{}
	st := l.h.shelf(nil, most)
	for {
		m, err := st.next(ctx)
		if err != nil {
			return err
		}
		if m == nil {
			break
		}
		if err := l.h.look(); err != nil {
			return err
		}
		if err := l.take(m); err != nil {
			return err
		}
	}
	for _, o := range l.h.origins {
		feed := o.Search(ctx, o.typ, l.h.q, nil)
		if n, ok := o.Source.(Newester); ok {
			feed = n.Newest(ctx, l.h.q, l.limit)
		}
		for hit, err := range feed {
			if err != nil {
				return err
			}
			if err := l.take(&match{typ: hit.Type, id: hit.ID, body: hit.Body, from: 1}); err != nil {
				return err
			}
		}
	}
	return nil
}

// take puts an Observation to those of its code. Two codings for the same thing
// are the same code when they share one.
func (l *latest) take(m *match) error {
	doc, err := tree.Parse(m.body)
	if err != nil {
		return vigil.Errorf(vigil.Internal, "a resource cannot be read: %w", err)
	}
	var names []string
	code := doc.Root().Get("code")
	for coding := range code.Get("coding").Items() {
		names = append(names, coding.Get("system").Text()+"|"+coding.Get("code").Text())
	}
	if len(names) == 0 {
		names = []string{code.Get("text").Text()}
	}
	at := l.group(names)
	m.rank = l.h.q.Rank(l.h.q.Extract(doc.Root()))
	m.body = slices.Clone(m.body)
	g := append(l.groups[at], *m)
	if len(g) > 2*l.limit {
		g = l.cut(g)
	}
	l.groups[at] = g
	return nil
}

// group finds the group of an Observation by its codings, or begins one. Groups
// of which it shows that they are of the same thing become one.
func (l *latest) group(names []string) int {
	at := -1
	for _, name := range names {
		i, ok := l.index[name]
		if !ok {
			continue
		}
		for l.into[i] != i {
			l.into[i] = l.into[l.into[i]]
			i = l.into[i]
		}
		switch {
		case at < 0:
			at = i
		case i != at:
			l.groups[at], l.groups[i], l.into[i] = append(l.groups[at], l.groups[i]...), nil, at
		}
	}
	if at < 0 {
		at = len(l.groups)
		l.groups, l.into = append(l.groups, nil), append(l.into, at)
	}
	for _, name := range names {
		l.index[name] = at
	}
	return at
}

// cut leaves the newest.
func (l *latest) cut(g []match) []match {
	slices.SortFunc(g, func(a, b match) int { return strings.Compare(a.rank, b.rank) })
	return g[:min(len(g), l.limit)]
}

// sorted gives the newest of each code, code by code.
func (l *latest) sorted() []match {
	var out []match
	for _, g := range l.groups {
		out = append(out, l.cut(g)...)
	}
	return out
}
