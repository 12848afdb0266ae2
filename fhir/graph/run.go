package graph

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A place is an element in a resource.
type place struct {
	node, beside tree.Node // beside holds id and extensions of a primitive
	typ          *schema.Type
	root         tree.Node // the resource that references without an address are in
}

// A run is the answering of one request.
type run struct {
	*Engine
	ctx      context.Context //nolint:containedctx // a run lives within one call
	now      time.Time
	doc      *document
	vars     map[string]*value
	limits   Limits
	reads    int
	results  int
	bytes    int
	problems []*Problem
	paths    map[string]*path.Expr
}

// Run answers a request about a resource, or about the whole server when focus
// is no node. The answer is a JSON object, nil when the request itself is wrong;
// problems are what is wrong with either.
func (e *Engine) Run(ctx context.Context, q Request, focus tree.Node, now time.Time) ([]byte, []*Problem) {
	r := &run{Engine: e, ctx: ctx, now: now, limits: e.Limits, paths: map[string]*path.Expr{}}
	r.limits.Length = cmp.Or(r.limits.Length, 64<<10)
	r.limits.Reads = cmp.Or(r.limits.Reads, 1000)
	r.limits.Answer = cmp.Or(r.limits.Answer, 32<<20)
	r.limits.Results = cmp.Or(r.limits.Results, 10_000)
	answer, err := r.answer(q, focus)
	if err != nil {
		var p *Problem
		if !errors.As(err, &p) {
			p = &Problem{Msg: err.Error(), Err: err}
		}
		return nil, append(r.problems, p)
	}
	return answer, r.problems
}

// answer reads, checks and carries out a request.
func (r *run) answer(q Request, focus tree.Node) ([]byte, error) {
	if len(q.Query) > r.limits.Length {
		return nil, &Problem{Msg: fmt.Sprintf("the query is longer than %d bytes", r.limits.Length)}
	}
	var err error
	if r.doc, err = parse(q.Query); err != nil {
		return nil, err
	}
	o, err := r.doc.operation(q.Operation)
	if err != nil {
		return nil, err
	}
	if r.vars, err = bind(o, q.Variables); err != nil {
		return nil, err
	}
	var t *schema.Type
	if focus.Ok() {
		if t = r.Set.Type(focus.Get("resourceType").Text()); t == nil {
			return nil, &Problem{Msg: "what is asked about is no resource"}
		}
	}
	if err := (&vetter{set: r.Set, doc: r.doc}).fields(o.fields, t, t == nil); err != nil {
		return nil, err
	}
	out := sink{object: &object{}}
	if err := r.fields(o.fields, place{focus, tree.Node{}, t, focus}, out); err != nil {
		return nil, err
	}
	return out.json(), nil
}

// operation finds the operation that is to be carried out.
func (d *document) operation(id string) (*operation, error) {
	if id == "" && len(d.operations) == 1 {
		return d.operations[0], nil
	}
	for _, o := range d.operations {
		if o.name == id && id != "" {
			return o, nil
		}
	}
	return nil, &Problem{Msg: fmt.Sprintf("the query has %d operations, and none that is called %q", len(d.operations), id)}
}

// fields answers selections on a place; one without a type is the whole server.
func (r *run) fields(list []*selection, at place, out sink) error {
	for _, s := range list {
		wanted, how, err := r.directed(s)
		if err != nil {
			return err
		}
		switch {
		case !wanted:
		case s.spread != "":
			f := r.doc.fragments[s.spread]
			err = r.fragment(f.on, f.fields, at, out)
		case s.inline:
			err = r.fragment(s.on, s.fields, at, out)
		case at.typ == nil:
			err = r.search(s, how, at, out)
		default:
			err = r.field(s, how, at, out)
		}
		if err != nil {
			return err
		}
	}
	return r.ctx.Err()
}

// fragment answers selections if the place is of their type.
func (r *run) fragment(on string, list []*selection, at place, out sink) error {
	if on != "" && at.typ != nil && !at.typ.Is(on) {
		return nil
	}
	return r.fields(list, at, out)
}

// field answers a field of an element.
func (r *run) field(s *selection, how shape, at place, out sink) error {
	switch {
	case s.field == "__typename":
		return r.leaf(s, how, tree.AppendString(nil, at.typ.Name), out)
	case s.field == "resourceType" && at.typ.Kind == schema.Resource:
		return r.leaf(s, how, at.node.Get("resourceType").Raw(), out)
	case s.field == "resource" && at.typ.Is("Reference"):
		return r.follow(s, how, at, out)
	}
	if at.typ.Kind == schema.Resource {
		if _, _, ok := searched(r.Set, s.field); ok {
			return r.search(s, how, at, out)
		}
	}
	f, of := fieldOf(at.typ, s.field)
	if f == nil {
		return s.at.wrong("%s has no element %q", at.typ.Name, s.field)
	}
	how.list = f.Repeats()
	places, err := r.chosen(s, r.places(at, s.field, of), at)
	if err != nil {
		return err
	}
	return r.emit(s, how, places, out)
}

// places returns the values of an element.
func (r *run) places(at place, id string, of *schema.Type) []place {
	holder := at.node
	if at.typ.Kind == schema.Primitive {
		holder = at.beside
	}
	primitive := strings.TrimPrefix(id, "_")
	values, beside := holder.Get(primitive), tree.Node{}
	if of.Kind == schema.Primitive {
		beside = holder.Get("_" + primitive)
	}
	var out []place
	for i := range max(size(values), size(beside)) {
		p := place{item(values, i), item(beside, i), of, at.root}
		if p.typ.Kind == schema.Resource {
			p = r.inner(p)
		}
		if p.typ != nil {
			out = append(out, p)
		}
	}
	return out
}

// inner is the place of a resource within another.
func (r *run) inner(p place) place {
	p.typ = r.Set.Type(p.node.Get("resourceType").Text())
	if !p.node.Get("contained").Ok() && p.root.Get("contained").Ok() {
		return p // references of a contained resource are those of its container
	}
	p.root = p.node
	return p
}

// size is how many values a member has.
func size(n tree.Node) int {
	switch {
	case !n.Ok():
		return 0
	case n.Kind() == tree.Array:
		return n.Len()
	}
	return 1
}

// item returns one of the values of a member.
func item(n tree.Node, i int) tree.Node {
	if n.Kind() == tree.Array {
		return n.At(i)
	}
	if i > 0 {
		return tree.Node{}
	}
	return n
}

// emit answers with values of a field.
func (r *run) emit(s *selection, how shape, places []place, out sink) error {
	if how.first && len(places) > 1 {
		places = places[:1]
	}
	beside := strings.HasPrefix(s.field, "_")
	for i, p := range places {
		suffix, err := r.slice(how, i, p)
		if err != nil {
			return err
		}
		if len(s.fields) == 0 {
			if p.node.Ok() && (p.node.Kind() != tree.Null || how.list && !out.flat) {
				err = r.leaf(s, how, p.node.Raw(), sink{out.object, out.flat, out.suffix + suffix})
			}
		} else if !beside || p.beside.Kind() == tree.Object {
			err = r.within(s, how, suffix, p, out)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// within answers with what is selected in a value.
func (r *run) within(s *selection, how shape, suffix string, p place, out sink) error {
	inner := out.within(s, how, suffix)
	if err := r.fields(s.fields, p, inner); err != nil {
		return err
	}
	if how.flatten || len(inner.names) == 0 {
		return nil
	}
	return r.put(sink{out.object, out.flat, out.suffix + suffix}, s, how, false, inner.json())
}

// leaf answers with a value that has nothing within.
func (r *run) leaf(s *selection, how shape, raw []byte, out sink) error {
	if !how.list && !out.flat && out.again(s) {
		return nil
	}
	return r.put(out, s, how, true, raw)
}

// put puts a value into the answer, which has its bounds.
func (r *run) put(out sink, s *selection, how shape, leaf bool, raw []byte) error {
	if r.bytes += len(raw) + len(s.field) + 4; leaf && r.bytes > r.limits.Answer {
		return s.at.wrong("the answer is larger than %d bytes", r.limits.Answer)
	}
	return out.put(s, how, leaf, raw)
}

// follow answers with the resource that a reference points to.
func (r *run) follow(s *selection, how shape, at place, out sink) error {
	args, err := r.arguments(s, "type", "optional")
	if err != nil {
		return err
	}
	ref, want := at.node.Get("reference").Text(), args["type"]
	if ref == "" {
		return nil
	}
	p, err := r.target(s, ref, at.root)
	if err != nil {
		missing := vigil.KindOf(err) == vigil.NotFound
		if missing && args["optional"] == "true" {
			return nil
		}
		if !missing {
			return err
		}
		p := s.at.wrong("%s is not to be found", ref)
		p.Path, p.Err = append(out.path, s.answered()), err
		r.problems = append(r.problems, p)
		return nil
	}
	if p.typ == nil || want != "" && !p.typ.Is(want) {
		return nil
	}
	return r.emit(s, how, []place{p}, out)
}

// target finds what a reference points to.
func (r *run) target(s *selection, ref string, root tree.Node) (place, error) {
	if id, inside := strings.CutPrefix(ref, "#"); inside {
		for n := range root.Get("contained").Items() {
			if n.Get("id").Text() == id {
				return place{n, tree.Node{}, r.Set.Type(n.Get("resourceType").Text()), root}, nil
			}
		}
		return place{}, vigil.Errorf(vigil.NotFound, "nothing is contained under %s", ref)
	}
	if r.reads++; r.reads > r.limits.Reads {
		return place{}, s.at.wrong("the query needs more than %d reads", r.limits.Reads)
	}
	n, err := r.Source.Read(r.ctx, ref)
	if err != nil {
		return place{}, err
	}
	return place{n, tree.Node{}, r.Set.Type(n.Get("resourceType").Text()), n}, nil
}
