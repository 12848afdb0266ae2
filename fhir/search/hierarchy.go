package search

import (
	"context"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Some references make a hierarchy of resources of one type, such as
// Location.partOf; :above and :below go along it (search.html#recursive).

// maxLevels bounds how high a hierarchy may be.
const maxLevels = 50

// upward returns the parameter by which resources of a type refer to what they
// are part of, "" if there is none.
func (e *Engine) upward(typ string) string {
	for _, code := range []string{"partof", "part-of", "parent"} {
		if p := e.Param(typ, code); p != nil && kindOf(p.Kind) == Reference && slices.Contains(p.Targets, typ) {
			return code
		}
	}
	return ""
}

// hierarchic says whether a reference may lead into a hierarchy.
func (e *Engine) hierarchic(def *param) bool {
	return slices.ContainsFunc(def.Targets, func(t string) bool { return e.upward(t) != "" })
}

// hierarchy finds what is above or below the values of a condition, themselves
// included.
func (r *resolver) hierarchy(ctx context.Context, e *expr) error {
	e.refs = map[string]bool{}
	for i := range e.vals {
		ref := e.vals[i].ref
		if ref.URL != "" || ref.ID == "" {
			continue
		}
		types := []string{ref.Type}
		if ref.Type == "" {
			types = r.q.hierarchicTypes(e.code)
		}
		for _, t := range types {
			step := r.children
			if e.mod == "above" {
				step = r.parents
			}
			if err := r.climb(ctx, e.refs, Ref{Type: t, ID: ref.ID}, step); err != nil {
				return err
			}
		}
	}
	e.known = true
	return nil
}

// hierarchicTypes are the types with a hierarchy that a parameter refers to.
func (q *Query) hierarchicTypes(code string) (out []string) {
	for _, name := range q.Types {
		def := q.engine.Param(name, code)
		if def == nil {
			continue
		}
		for _, t := range def.Targets {
			if q.engine.upward(t) != "" && !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	return out
}

// climb goes on from level to level until there is nothing new.
func (r *resolver) climb(ctx context.Context, seen map[string]bool, from Ref, step func(context.Context, []Ref, func(Ref)) error) error {
	seen[from.String()] = true
	if r.q.engine.upward(from.Type) == "" {
		return nil
	}
	for level := []Ref{from}; len(level) > 0; {
		var next []Ref
		err := step(ctx, level, func(ref Ref) {
			if ref.Type == from.Type && !seen[ref.String()] {
				seen[ref.String()] = true
				next = append(next, ref)
			}
		})
		if err == nil {
			err = r.spend(len(next) + r.limits.Links/maxLevels)
		}
		if err != nil {
			return err
		}
		level = next
	}
	return nil
}

// children are the resources that say they are part of one of these.
func (r *resolver) children(ctx context.Context, of []Ref, found func(Ref)) error {
	q := r.q.engine.Query(of[0].Type)
	q.now, q.Contained = r.q.now, "false"
	q.Referring(r.q.engine.upward(of[0].Type), of...)
	return r.finder.Find(ctx, q, func(x vigil.Resource) error {
		found(Ref{Type: x.Type, ID: x.ID})
		return nil
	})
}

// parents are the resources that these say they are part of.
func (r *resolver) parents(ctx context.Context, of []Ref, found func(Ref)) error {
	q := r.q.engine.Query(of[0].Type)
	q.now, q.Contained, q.Bodies = r.q.now, "false", true
	var ids []string
	for _, ref := range of {
		ids = append(ids, ref.ID)
	}
	q.ByIDs(ids...)
	up := r.q.engine.upward(of[0].Type)
	return r.finder.Find(ctx, q, func(x vigil.Resource) error {
		doc, err := tree.Parse(x.Body)
		if err != nil {
			return err
		}
		r.q.engine.Extract(doc.Root()).Of(up, func(v *Value) bool {
			if ref, ok := v.Ref(); ok && ref.URL == "" {
				found(Ref{Type: ref.Type, ID: ref.ID})
			}
			return true
		})
		return nil
	})
}

// hierarchy finds by the references that Resolve found. Addresses below one
// cannot be found by their hash.
func (p *planner) hierarchy(def *param, e *expr) (any []vigil.ResourceTest, ok bool) {
	for i := range def.uses {
		b := def.uses[i].bare
		if !b.ready || e.mod == "below" && p.q.engine.addresses(def) {
			return nil, false
		}
		var t []uint64
		for ref := range e.refs {
			t = append(t, p.hash(b, byExact, ref, ""))
		}
		for j := range e.vals {
			ancestors(e.vals[j].code, func(s string) { t = append(t, p.hash(b, byExact, s, "")) })
		}
		any = append(any, tokens(t...)...)
	}
	return any, true
}
