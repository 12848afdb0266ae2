package search

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Finder finds the resources that a query without chains asks for.
type Finder interface {
	// Find calls f with each resource, until f fails. Bodies may be nil unless
	// q.Bodies says that they are needed.
	Find(ctx context.Context, q *Query, f func(vigil.Resource) error) error
}

// Terms knows value sets and hierarchies of codes.
type Terms interface {
	// Codes returns the codes of a value set, at most limit + 1 of them.
	Codes(ctx context.Context, valueSet string, limit int) ([]vigil.Code, error)
	// Related returns the code and those that it is subsumed by, or that it
	// subsumes when below is set.
	Related(ctx context.Context, system, code string, below bool, limit int) ([]vigil.Code, error)
}

// Resolve follows chains, _has and _list by stepwise queries, and looks up value
// sets. The query can be planned and matched after it. It fails with
// vigil.TooLarge when a step finds more than the limits allow. terms may be nil
// when there are none.
func (q *Query) Resolve(ctx context.Context, f Finder, terms Terms, limits Limits) error {
	r := &resolver{q: q, finder: f, terms: terms, limits: limits.defaults()}
	r.left = r.limits.Links
	return r.expr(ctx, q.where)
}

type resolver struct {
	q      *Query
	finder Finder
	terms  Terms
	limits Limits
	left   int // resources that may still be found
}

func (r *resolver) expr(ctx context.Context, e *expr) error {
	if e == nil || e.known {
		return nil
	}
	for _, k := range e.kids {
		if err := r.expr(ctx, k); err != nil {
			return err
		}
	}
	switch e.op {
	case byChain, byHas, byList:
		return r.links(ctx, e)
	case byParam:
		return r.codes(ctx, e)
	default:
		return nil
	}
}

func (r *resolver) links(ctx context.Context, e *expr) error {
	refs := map[string]bool{}
	for _, l := range e.links {
		if err := r.expr(ctx, l.where); err != nil {
			return err
		}
		sub := r.q.engine.Query(l.of)
		sub.now, sub.Contained, sub.Bodies = r.q.now, "false", e.op != byChain
		sub.all(l.where)
		err := r.finder.Find(ctx, sub, func(x vigil.Resource) error {
			if e.op == byChain {
				refs[x.Type+"/"+x.ID] = true
				return r.spend(1)
			}
			return r.pointed(e, l, x, refs)
		})
		if err != nil {
			return err
		}
	}
	e.refs, e.known = refs, true
	return nil
}

// spend counts what was found.
func (r *resolver) spend(n int) error {
	if r.left -= n; r.left < 0 {
		return vigil.Errorf(vigil.TooLarge, "the query goes through more than %d resources on its way: narrow it down", r.limits.Links)
	}
	return nil
}

// pointed gathers what a resource refers to.
func (r *resolver) pointed(e *expr, l *link, x vigil.Resource, refs map[string]bool) error {
	doc, err := tree.Parse(x.Body)
	if err != nil {
		return fmt.Errorf("read %s/%s: %w", x.Type, x.ID, err)
	}
	if e.op == byList {
		return r.entries(doc.Root(), refs)
	}
	n := 0
	r.q.engine.Extract(doc.Root()).Of(l.param, func(v *Value) bool {
		if t, _, ok := cutRef(v.Code); ok && slices.Contains(r.q.engine.c.Schema.Resources(), t) {
			refs[v.Code] = true
			n++
		}
		return true
	})
	return r.spend(max(n, 1))
}

// entries gathers what a List holds; entries that are marked as deleted are not
// in it any more.
func (r *resolver) entries(root tree.Node, refs map[string]bool) error {
	n := 0
	for e := range root.Get("entry").Items() {
		if e.Get("deleted").Bool() {
			continue
		}
		ref := r.q.engine.ParseRef(e.Get("item").Get("reference").Text())
		if ref.URL == "" && ref.Type != "" {
			refs[ref.String()] = true
			n++
		}
	}
	return r.spend(n)
}

// codes looks up value sets and hierarchies.
func (r *resolver) codes(ctx context.Context, e *expr) error {
	if e.kind == Reference && (e.mod == "below" || e.mod == "above") {
		return r.hierarchy(ctx, e)
	}
	if e.kind != Token || e.mod != "in" && e.mod != "below" && e.mod != "above" {
		return nil
	}
	for i := range e.vals {
		o := &e.vals[i]
		if o.codes != nil || e.mod == "below" && o.anySystem && strings.Contains(o.code, "/") {
			continue
		}
		if r.terms == nil {
			return vigil.Errorf(vigil.Invalid, "there is no terminology to look up %s:%s", e.code, e.mod)
		}
		var codes []vigil.Code
		var err error
		if e.mod == "in" {
			codes, err = r.terms.Codes(ctx, o.code, r.limits.Codes)
		} else {
			codes, err = r.terms.Related(ctx, o.system, o.code, e.mod == "below", r.limits.Codes)
		}
		if err != nil {
			return err
		}
		if len(codes) > r.limits.Codes {
			return vigil.Errorf(vigil.TooLarge, "%s:%s has more than %d codes", e.code, e.mod, r.limits.Codes)
		}
		o.codes = make(map[vigil.Code]bool, len(codes))
		for _, c := range codes {
			o.codes[vigil.Code{System: c.System, Value: c.Value}] = true
			if !r.q.engine.sensitive(c.System) {
				o.codes[vigil.Code{System: c.System, Value: foldCode(c.Value)}] = true
			}
		}
	}
	return nil
}

// Unresolved says whether the query asks for something that only Resolve finds
// out: until then nothing matches that part of it.
func (q *Query) Unresolved() bool { return q.where.unresolved() }

func (e *expr) unresolved() bool {
	if e == nil || e.known {
		return false
	}
	switch e.op {
	case byChain, byHas, byList:
		return true
	case byParam:
		if e.kind == Reference {
			return e.mod == "above" || e.mod == "below"
		}
		return e.kind == Token && (e.mod == "in" || e.mod == "above" || e.mod == "below") &&
			slices.ContainsFunc(e.vals, func(o operand) bool {
				return o.codes == nil && (e.mod != "below" || !o.anySystem || !strings.Contains(o.code, "/"))
			})
	default:
		return slices.ContainsFunc(e.kids, (*expr).unresolved)
	}
}
