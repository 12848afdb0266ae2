package rest

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// The bounds of what comes along with matches.
const (
	maxIncluded = 2000
	maxRounds   = 5 // of :iterate
)

// A company is what comes along with the matches (search.html#include).
type company struct {
	h    *hunt
	seen map[string]bool // what is in the answer
	all  []match
	full bool
}

// included finds what comes along with the matches of a page.
func (h *hunt) included(ctx context.Context, matches []match) ([]match, error) {
	if len(h.q.Includes) == 0 || len(matches) == 0 {
		return nil, nil
	}
	g := &company{h: h, seen: map[string]bool{}}
	for i := range matches {
		g.seen[matches[i].typ+"/"+matches[i].id] = true
	}
	from := matches
	for round := 0; round < maxRounds && len(from) > 0 && !g.full; round++ {
		begin := len(g.all)
		if err := g.round(ctx, from, round > 0); err != nil {
			return nil, costly(err)
		}
		from = g.all[begin:]
	}
	if g.full {
		h.issues = append(h.issues, Issue{Severity: "warning", Code: "too-costly", Text: "not everything that belongs to the matches is included; there is too much of it"})
	}
	return g.all, nil
}

// round follows all includes from some resources; from those that were included
// themselves only with :iterate.
func (g *company) round(ctx context.Context, from []match, again bool) error {
	for _, inc := range g.h.q.Includes {
		if again && !inc.Iterate {
			continue
		}
		var err error
		if inc.Reverse {
			err = g.referring(ctx, inc, from)
		} else {
			err = g.referred(ctx, inc, from)
		}
		if err != nil || g.full {
			return err
		}
	}
	return nil
}

// take puts a resource into the answer, once.
func (g *company) take(m match) {
	key := m.typ + "/" + m.id
	if g.seen[key] {
		return
	}
	if len(g.all) == maxIncluded {
		g.full = true
		return
	}
	g.seen[key] = true
	m.body = slices.Clone(m.body)
	g.all = append(g.all, m)
}

// referred includes what resources refer to.
func (g *company) referred(ctx context.Context, inc search.Include, from []match) error {
	engine := g.h.q.Engine()
	wanted := map[string][]string{}
	asked := map[string]bool{}
	for i := range from {
		m := &from[i]
		if inc.Source != "*" && inc.Source != m.typ {
			continue
		}
		doc, err := tree.Parse(m.body)
		if err != nil {
			return vigil.Errorf(vigil.Internal, "a resource cannot be read: %w", err)
		}
		values := engine.Extract(doc.Root())
		take := func(v *search.Value) bool {
			ref, ok := v.Ref()
			if ok && ref.URL == "" && ref.Type != "" && ref.ID != "" && (inc.Target == "" || inc.Target == ref.Type) {
				if key := ref.Type + "/" + ref.ID; !g.seen[key] && !asked[key] {
					asked[key] = true
					wanted[ref.Type] = append(wanted[ref.Type], ref.ID)
				}
			}
			return true
		}
		for _, p := range engine.Params(m.typ) {
			if p.Kind == "reference" && (inc.Param == "*" || inc.Param == p.Code) {
				values.Of(p.Code, take)
			}
		}
	}
	return g.fetch(ctx, wanted)
}

// fetch includes resources by type and id: those of the record, then those that
// a source shows.
func (g *company) fetch(ctx context.Context, wanted map[string][]string) error {
	for _, typ := range sortedKeys(wanted) {
		ids := wanted[typ]
		if !g.h.s.known(typ) {
			continue
		}
		if room := maxIncluded - len(g.all) + 1; len(ids) > room {
			ids = ids[:room]
		}
		hits, err := g.h.s.c.Record.SelectResources(ctx, vigil.ResourceQuery{
			Types: []string{typ}, All: []vigil.ResourceTest{{IDs: ids}}, Bodies: true, Limit: len(ids),
		})
		if err != nil {
			return err
		}
		for _, hit := range hits {
			g.take(match{typ: hit.Type, id: hit.ID, body: hit.Body})
		}
		if err := g.fetchShown(ctx, typ, ids); err != nil {
			return err
		}
	}
	return nil
}

// fetchShown includes what a source shows.
func (g *company) fetchShown(ctx context.Context, typ string, ids []string) error {
	for _, id := range ids {
		if g.seen[typ+"/"+id] {
			continue
		}
		r, err := g.h.s.shown(ctx, typ, id, 0)
		if err != nil && vigil.KindOf(err) != vigil.NotFound && !isStatus(err, 404) {
			return err
		}
		if err == nil && !r.Deleted {
			g.take(match{typ: typ, id: id, body: r.Body})
		}
	}
	return nil
}

// referring includes what refers to resources.
func (g *company) referring(ctx context.Context, inc search.Include, from []match) error {
	var refs []search.Ref
	for i := range from {
		if inc.Target == "" || inc.Target == from[i].typ {
			refs = append(refs, search.Ref{Type: from[i].typ, ID: from[i].id})
		}
	}
	types := []string{inc.Source}
	if inc.Source == "*" {
		types = g.h.q.Engine().Schema().Resources()
	}
	if len(refs) == 0 {
		return nil
	}
	q := g.h.q.Engine().Query(types...)
	q.Contained = "false"
	q.Referring(inc.Param, refs...)
	q.Bodies = true
	sub := finder{g.h.s, g.h}
	err := sub.Find(ctx, q, func(r vigil.Resource) error {
		g.take(match{typ: r.Type, id: r.ID, body: r.Body})
		if g.full {
			return errFull
		}
		return nil
	})
	if errors.Is(err, errFull) {
		return nil
	}
	return err
}

// errFull ends a search for what comes along.
var errFull = errors.New("the answer is full")

func sortedKeys(m map[string][]string) []string { return slices.Sorted(maps.Keys(m)) }
