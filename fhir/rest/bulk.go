package rest

import (
	"context"
	"math"
	"net/http"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Inside lets a part of the server that runs on its own, such as an export, do
// what somebody may do. base is the address of the base as they know it.
func (s *Server) Inside(actor vigil.Actor, base string) *Invocation {
	return &Invocation{Method: http.MethodGet, Base: base, Now: vigil.InstantOf(s.c.Now()), Actor: actor, server: s}
}

// Seek reads a search of one type and gets it ready for Walk. Nothing in it is
// left out. When patients are named, it is narrowed to their compartments; nil
// is returned when the type is in none.
func (in *Invocation) Seek(ctx context.Context, typ, raw string, patients []string) (*search.Query, error) {
	c, s := in.call(), in.server
	if !s.known(typ) {
		return nil, notFound("there is no type %s", clip(typ))
	}
	if err := s.permit(ctx, c, step{action: strings.ToLower(typ) + ".search"}); err != nil {
		return nil, err
	}
	q, issues := s.engine().Parse(search.Request{Types: []string{typ}, Raw: raw, Base: c.base, Now: c.now})
	if _, err := weigh(issues, true); err != nil {
		return nil, err
	}
	q.Sort = nil
	switch {
	case patients == nil:
	case typ == "Patient":
		q.ByIDs(patients...)
	case !q.Compartment("Patient", patients...):
		return nil, nil
	}
	h := &hunt{s: s, c: c, q: q}
	return q, s.resolve(ctx, q, finder{s, h})
}

// Walk calls f with every resource that a query of Seek finds, those that
// nobody wrote included, until f fails. It is for work in the background: nothing
// bounds how many resources it looks into. A body is good until the next one.
func (in *Invocation) Walk(ctx context.Context, q *search.Query, f func(vigil.Resource) error) error {
	if err := in.walkRecord(ctx, q, f); err != nil {
		return err
	}
	return in.WalkShown(ctx, q, f)
}

// WalkShown is Walk for what nobody wrote.
func (in *Invocation) WalkShown(ctx context.Context, q *search.Query, f func(vigil.Resource) error) error {
	for _, o := range in.server.origins(q.Types) {
		for hit, err := range o.Search(ctx, o.typ, q, nil) {
			if err == nil {
				err = f(hit.Resource)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// walkRecord goes through what was written, in the order of creation.
func (in *Invocation) walkRecord(ctx context.Context, q *search.Query, f func(vigil.Resource) error) error {
	plan := q.Plan()
	if plan.Nothing {
		return nil
	}
	ask := plan.Query
	ask.Order, ask.Limit, ask.Bodies, ask.Cost = vigil.ResourceOrder{}, most, true, math.MaxInt
	var doc tree.Doc
	for {
		hits, err := in.server.c.Record.SelectResources(ctx, ask)
		if err != nil {
			return err
		}
		for i := range hits {
			if plan.Check {
				if err := doc.Read(hits[i].Body); err != nil {
					return vigil.Errorf(vigil.Internal, "a body of the record cannot be read: %w", err)
				}
				if !q.Match(doc.Root()) {
					continue
				}
			}
			if err := f(hits[i].Resource); err != nil {
				return err
			}
		}
		if len(hits) < ask.Limit {
			return nil
		}
		ask.After = &hits[len(hits)-1].Mark
	}
}

// AsOf returns the version of a resource that was the newest at a time, one that
// says that it was deleted included; NotFound when there was none.
func (in *Invocation) AsOf(ctx context.Context, typ, id string, at vigil.Instant) (vigil.Resource, error) {
	versions, err := in.server.c.Record.ResourceHistory(ctx, vigil.ResourceHistory{Type: typ, ID: id, Until: at + 1, Limit: 1})
	if err != nil && vigil.KindOf(err) != vigil.NotFound {
		return vigil.Resource{}, err
	}
	if len(versions) > 0 {
		return versions[0], nil
	}
	for _, src := range in.server.sourcesOf(typ) {
		versions, err := src.History(ctx, typ, id)
		if err != nil && vigil.KindOf(err) != vigil.NotFound {
			return vigil.Resource{}, err
		}
		for _, r := range versions {
			if r.Changed <= at {
				return r, nil
			}
		}
	}
	return vigil.Resource{}, notFound("there was no %s with this id", typ)
}

// Cut leaves all elements out of a resource but those that are named and those
// that must be there (search.html#elements).
func (in *Invocation) Cut(typ string, elements []string, body []byte) ([]byte, error) {
	return in.server.cut(&shape{elements: elements}, typ, body)
}

// Permit asks the policy for an interaction with a type, such as search.
func (in *Invocation) Permit(ctx context.Context, typ, interaction string, writes bool) error {
	return in.server.permit(ctx, in.call(), step{action: strings.ToLower(typ) + "." + interaction, writes: writes})
}
