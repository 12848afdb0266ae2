package reading

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// maxLooked bounds how many resources one search projects to look into them.
const maxLooked = 5_000_000

// Search gives the projected resources of a type that a query asks for, behind a
// mark or from the start. They come in the order of the query, newest first when
// it says nothing; the Value of a mark is what they are sorted by, and its Text
// is where they go on. A body is good until the next one is asked for.
//
// Observations that were entered in error are given only when the query speaks
// of the status, so that nobody takes them for findings.
func (s *Source) Search(ctx context.Context, typ string, q *search.Query, after *vigil.ResourceMark) iter.Seq2[vigil.ResourceHit, error] {
	switch {
	case typ == DeviceMetric:
		return s.searchMeters(ctx, q, after)
	case native(typ, q):
		return s.stream(ctx, typ, q, len(q.Sort) > 0 && !q.Sort[0].Desc, after)
	}
	return s.sorted(ctx, typ, q, after)
}

// Total counts the projected resources of a type that a query asks for.
func (s *Source) Total(ctx context.Context, typ string, q *search.Query) (int, error) {
	if typ == Observation {
		if want, rest := s.translate(typ, q); !rest {
			return s.Count(ctx, want)
		}
	}
	n := 0
	for _, err := range s.Search(ctx, typ, q, nil) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// native tells whether readings come in the order of a query by themselves.
func native(typ string, q *search.Query) bool {
	if len(q.Sort) == 0 {
		return true
	}
	by := "date"
	if typ == Provenance {
		by = "when"
	}
	return q.Sort[0].Param == by
}

// stream gives what a query asks for in the order of time.
func (s *Source) stream(ctx context.Context, typ string, q *search.Query, asc bool, after *vigil.ResourceMark) iter.Seq2[vigil.ResourceHit, error] {
	want, rest := s.translate(typ, q)
	want.Asc, want.Likely = asc, max(q.Count, 0)
	if after != nil {
		from, err := orderOf(after)
		if err != nil {
			return func(yield func(vigil.ResourceHit, error) bool) { yield(vigil.ResourceHit{}, err) }
		}
		want.from = &from
	}
	return func(yield func(vigil.ResourceHit, error) bool) {
		feed, err := s.Find(ctx, want)
		if err != nil {
			yield(vigil.ResourceHit{}, err)
			return
		}
		if typ == Provenance {
			feed.mark = provenanceMark
		}
		p := projector{s: s, typ: typ, q: q, rest: rest}
		for {
			h, err := feed.Next(ctx)
			if err != nil {
				yield(vigil.ResourceHit{}, err)
				return
			}
			if !h.Ok() {
				return
			}
			hit, ok, err := p.project(h)
			if (ok || err != nil) && !yield(hit, err) || err != nil {
				return
			}
		}
	}
}

// A projector makes resources of readings, in the same memory again and again,
// and looks into those of which only the query itself can say whether they fit.
type projector struct {
	s      *Source
	typ    string
	q      *search.Query
	rest   bool
	body   []byte
	doc    tree.Doc
	looked int
}

// project makes a resource of a hit; ok says that the query wants it.
func (p *projector) project(h Hit) (out vigil.ResourceHit, ok bool, err error) {
	sum := h.r.summary()
	head := len(observationHead)
	if p.typ == Provenance {
		head = len(provenanceHead) - len(provenanceMark)
		p.body = p.s.appendProvenance(p.body[:0], h.r)
	} else {
		p.body = h.AppendBody(p.body[:0])
	}
	if p.rest {
		if p.looked++; p.looked > maxLooked {
			return out, false, vigil.Errorf(vigil.TooLarge, "too many readings would have to be looked into; name a patient, a code or dates")
		}
		if err := p.doc.Read(p.body); err != nil {
			return out, false, err
		}
		if !p.q.Match(p.doc.Root()) {
			return out, false, nil
		}
	}
	id := p.body[head:]
	out.Resource = vigil.Resource{
		Type: p.typ, ID: string(id[:bytes.IndexByte(id, '"')]), Version: int64(sum.version), Changed: sum.arrived, Method: "POST",
		Actor: vigil.Actor{Kind: vigil.DeviceActor, ID: string(h.r.g.device())}, Body: p.body, Owner: h.r.g.owner(),
	}
	if sum.version > 1 {
		out.Method = "PUT"
	}
	out.Mark = h.order.mark()
	return out, true, nil
}

// searchMeters looks through the DeviceMetrics, in the order of their ids.
func (s *Source) searchMeters(ctx context.Context, q *search.Query, after *vigil.ResourceMark) iter.Seq2[vigil.ResourceHit, error] {
	return func(yield func(vigil.ResourceHit, error) bool) {
		n := narrowing{s: s, typ: DeviceMetric}
		n.add(q.Clause(DeviceMetric))
		all, err := s.allMeters(ctx, n.q.Devices)
		if err != nil {
			yield(vigil.ResourceHit{}, err)
			return
		}
		desc := len(q.Sort) > 0 && q.Sort[0].Desc
		if desc {
			slices.Reverse(all)
		}
		var doc tree.Doc
		for _, r := range all {
			if n.q.Devices != nil && len(n.q.Devices) == 0 {
				return
			}
			if after != nil && (desc && r.ID >= after.Text || !desc && r.ID <= after.Text) || s.isHidden(r.ID) {
				continue
			}
			if err := doc.Read(r.Body); err != nil {
				yield(vigil.ResourceHit{}, err)
				return
			}
			if q.Match(doc.Root()) && !yield(vigil.ResourceHit{Resource: r, Mark: vigil.ResourceMark{Text: r.ID}}, nil) {
				return
			}
		}
	}
}

// A narrowing finds out which readings a query may ask for, and whether that is
// all it says.
type narrowing struct {
	s    *Source
	typ  string
	q    Query
	rest bool // only the query itself can say the rest
}

// translate says of a query what the projection can look up, and whether there
// is more.
func (s *Source) translate(typ string, q *search.Query) (Query, bool) {
	n := narrowing{s: s, typ: typ, rest: typ != Observation}
	n.add(q.Clause(typ))
	return n.q, n.rest
}

// add takes a clause in that has to hold.
func (n *narrowing) add(c search.Clause) {
	switch c.Kind {
	case search.Everything:
	case search.All:
		for _, k := range c.Kids {
			n.add(k)
		}
	case search.IDs:
		var ids []string
		for _, o := range c.Operands {
			id := o.Code
			if n.typ == Provenance {
				id = strings.TrimPrefix(id, provenanceMark)
			}
			ids = append(ids, id)
		}
		n.q.IDs = common(n.q.IDs, ids)
	case search.Updated:
		n.q.Changed = append(n.q.Changed, dates(c.Operands))
	case search.Param:
		if n.typ != Observation || !n.param(c) {
			n.bound(c)
		}
	case search.Nothing:
		n.q.IDs = []string{}
	case search.Any, search.None, search.Other:
		n.bound(c)
	}
}

// bound narrows subjects, devices and ids as far as a clause allows that is
// looked into for each resource.
func (n *narrowing) bound(c search.Clause) {
	n.rest = true
	if s, ok := n.subjects(c); ok {
		n.q.Subjects = common(n.q.Subjects, s)
	}
	if d, ok := n.devices(c); ok {
		n.q.Devices = common(n.q.Devices, d)
	}
	if n.typ == Provenance && c.Kind == search.Param && c.Code == "target" && c.Modifier == "" {
		var ids []string
		for _, o := range c.Operands {
			if o.Ref.Type == Observation || o.Ref.Type == "" {
				ids = append(ids, o.Ref.ID)
			}
		}
		n.q.IDs = common(n.q.IDs, ids)
	}
}

// common is what is in old and in next, never nil; an old of nil is anything.
func common[T comparable](old, next []T) []T {
	out := []T{}
	for _, x := range next {
		if (old == nil || slices.Contains(old, x)) && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	return out
}

// dates are the values of a date parameter.
func dates(operands []search.Operand) Dates {
	out := make(Dates, len(operands))
	for i, o := range operands {
		out[i] = DateTest{prefix: o.Prefix, span: span{o.From, o.To + 1}}
	}
	return out
}

// tokens are the values of a token parameter; plain tells whether case cannot
// matter in them.
func tokens(operands []search.Operand) (out []Token, plain bool) {
	plain = true
	for _, o := range operands {
		out = append(out, Token{System: o.System, Code: o.Code, AnySystem: o.AnySystem})
		plain = plain && strings.ToLower(o.Code) == strings.ToUpper(o.Code)
	}
	return out, plain
}

// param takes in a parameter of Observations that the projection can look up;
// false when it cannot.
func (n *narrowing) param(c search.Clause) bool {
	switch c.Code {
	case "subject", "patient":
		s, ok := n.subjects(c)
		if ok {
			n.q.Subjects = common(n.q.Subjects, s)
		}
		return ok
	case "device":
		d, ok := n.devices(c)
		if ok {
			n.q.Devices = common(n.q.Devices, d)
		}
		return ok
	}
	if c.Modifier != "" {
		return false
	}
	switch c.Code {
	case "code", "combo-code", "component-code":
		t, plain := tokens(c.Operands)
		if plain {
			n.q.Codes = append(n.q.Codes, CodeTest{Any: t, Code: c.Code != "component-code", Part: c.Code != "code"})
		}
		return plain
	case "category":
		t, _ := tokens(c.Operands)
		n.q.Categories = append(n.q.Categories, t)
	case "status":
		t, _ := tokens(c.Operands)
		n.q.Statuses = append(n.q.Statuses, t)
	case "date":
		n.q.Dates = append(n.q.Dates, dates(c.Operands))
	default:
		return false
	}
	return true
}

// subjects says whose Observations a clause can hold for; not ok when of
// anybody's.
func (n *narrowing) subjects(c search.Clause) (out []vigil.Subject, ok bool) {
	return reach(c, func(c search.Clause) ([]vigil.Subject, bool) {
		switch {
		case n.typ != Observation:
			return nil, false
		case c.Code == "performer" && c.Modifier == "":
			return nil, true // no Observation of ours has one
		case c.Code != "subject" && c.Code != "patient" || !references(c):
			return nil, false
		}
		var out []vigil.Subject
		for _, o := range c.Operands {
			if (o.Ref.Type == "Patient" || o.Ref.Type == "") && o.Ref.URL == "" {
				out = append(out, vigil.PatientSubject(n.s.PatientID(o.Ref.ID)))
			}
			if (o.Ref.Type == "Location" || o.Ref.Type == "") && o.Ref.URL == "" && c.Code == "subject" {
				out = append(out, vigil.Subject{Kind: vigil.OfLocation, ID: o.Ref.ID})
			}
		}
		return out, true
	})
}

// devices says of which devices a clause can hold.
func (n *narrowing) devices(c search.Clause) (out []vigil.DeviceID, ok bool) {
	code := map[string]string{Observation: "device", DeviceMetric: "source", Provenance: "agent"}[n.typ]
	return reach(c, func(c search.Clause) ([]vigil.DeviceID, bool) {
		if c.Code != code || !references(c) {
			return nil, false
		}
		var out []vigil.DeviceID
		for _, o := range c.Operands {
			if (o.Ref.Type == "Device" || o.Ref.Type == "") && o.Ref.URL == "" {
				out = append(out, n.s.DeviceID(o.Ref.ID))
			}
		}
		return out, true
	})
}

// references tells whether the values of a clause are references that are
// compared as such.
func references(c search.Clause) bool {
	switch c.Modifier {
	case "missing", "identifier", "above", "below":
		return false
	}
	return !slices.ContainsFunc(c.Operands, func(o search.Operand) bool { return o.Ref.Version != "" })
}

// reach gathers what a clause can hold for out of what its parameters can; not
// ok when it can hold for anything.
func reach[T comparable](c search.Clause, of func(search.Clause) ([]T, bool)) (out []T, ok bool) {
	switch c.Kind {
	case search.Param:
		return of(c)
	case search.Nothing:
		return nil, true
	case search.Any:
		for _, k := range c.Kids {
			one, bounded := reach(k, of)
			if !bounded {
				return nil, false
			}
			out = append(out, one...)
		}
		return out, true
	case search.All:
		for _, k := range c.Kids {
			if one, bounded := reach(k, of); bounded {
				if !ok {
					out, ok = one, true
				} else {
					out = common(out, one)
				}
			}
		}
		return out, ok
	case search.Everything, search.None, search.IDs, search.Updated, search.Other:
	}
	return nil, false
}
