package rest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
)

// updateWhere is PUT with a condition (http.html#cond-update).
func (s *Server) updateWhere(ctx context.Context, c *call) (*answer, error) {
	in, err := s.intendUpdateWhere(ctx, c)
	if err != nil {
		return nil, err
	}
	return s.carryOut(ctx, in)
}

func (s *Server) intendUpdateWhere(ctx context.Context, c *call) (*intent, error) {
	if err := s.condition(c.typ, c.query); err != nil {
		return nil, err
	}
	doc, _, err := s.resource(c, c.typ)
	if err != nil {
		return nil, err
	}
	if id := doc.Root().Get("id"); id.Ok() && !validID(id.Text()) {
		return nil, bad("an id has 1 to 64 letters, digits, dashes and dots").at("id")
	}
	if err := complete(doc); err != nil {
		return nil, err
	}
	in := &intent{c: c, kind: updates, typ: c.typ, fresh: vigil.NewID(c.now.Time()), where: c.query, doc: doc}
	return in, s.check(ctx, c, doc)
}

// patchWhere is PATCH with a condition (http.html#patch).
func (s *Server) patchWhere(ctx context.Context, c *call) (*answer, error) {
	if err := s.condition(c.typ, c.query); err != nil {
		return nil, err
	}
	in, err := s.intendPatch(c)
	if err != nil {
		return nil, err
	}
	in.where = c.query
	return s.carryOut(ctx, in)
}

// deleteWhere is DELETE with a condition (http.html#3.1.0.7.1).
func (s *Server) deleteWhere(ctx context.Context, c *call) (*answer, error) {
	if err := s.condition(c.typ, c.query); err != nil {
		return nil, err
	}
	return s.carryOut(ctx, &intent{c: c, kind: deletes, typ: c.typ, where: c.query})
}

// settleWhere finds what the condition of an intent names. It is part of the
// transaction, so that of all who ask at once the first one makes the resource
// and the others find it.
func (s *Server) settleWhere(ctx context.Context, tx Tx, in *intent) error {
	limit := 2
	if in.kind == deletes {
		limit = s.c.MaxDeletes + 1
	}
	hits, err := s.find(ctx, tx, in.c, in.typ, in.where, limit)
	if err != nil {
		return err
	}
	switch in.kind {
	case deletes:
		if len(hits) > s.c.MaxDeletes {
			return s.ambiguous()
		}
		in.many = hits
		return nil
	case creates:
		in.id = in.fresh
		if len(hits) == 1 {
			in.id, in.old, in.found = hits[0].ID, hits[0], true
		}
	case updates:
		return s.settleUpdateWhere(ctx, tx, in, hits)
	case patches:
		if len(hits) == 0 {
			return notFound("nothing meets the condition")
		}
		in.id, in.old = hits[0].ID, hits[0]
	}
	if len(hits) > 1 {
		return s.ambiguous()
	}
	if in.kind == patches {
		return in.c.stands(in.old.Version)
	}
	return nil
}

// settleUpdateWhere follows the table of conditional updates: what is not found
// is made, under the id of the resource if it has one.
func (s *Server) settleUpdateWhere(ctx context.Context, tx Tx, in *intent, hits []vigil.Resource) error {
	id := in.doc.Root().Get("id").Text()
	switch {
	case len(hits) > 1:
		return s.ambiguous()
	case len(hits) == 1 && id != "" && id != hits[0].ID:
		return bad("the resource has another id than what meets the condition").at("id")
	case len(hits) == 1:
		in.id, in.old = hits[0].ID, hits[0]
		return in.c.stands(in.old.Version)
	case id == "":
		in.id = in.fresh
		return in.c.stands(0)
	}
	in.id = id
	if err := s.settleOld(ctx, tx, in); err != nil {
		return err
	}
	if lives(in.old) > 0 {
		return Refuse(http.StatusConflict, "conflict", "there is a resource with this id, and it does not meet the condition").at("id")
	}
	return nil
}

func (s *Server) ambiguous() error {
	return failedCondition("multiple-matches", "more than one resource meets the condition")
}

// condition refuses conditions that nobody would want: an empty one, which
// everything meets, and one that is not understood in full.
func (s *Server) condition(typ, where string) error {
	where = strings.TrimPrefix(where, "?")
	if strings.Trim(where, "& ") == "" {
		return failedCondition("required", "a condition is needed: a search that finds the resource")
	}
	_, err := s.conditionQuery(typ, where)
	return err
}

// conditionQuery reads a condition. There is no leniency: who is misunderstood
// would change the wrong resource.
func (s *Server) conditionQuery(typ, where string) (*search.Query, error) {
	q, issues := s.engine().Parse(search.Request{Types: []string{typ}, Raw: strings.TrimPrefix(where, "?")})
	if _, err := weigh(issues, true); err != nil {
		return nil, err
	}
	return q, nil
}

// A selecter selects resources: a transaction, or the record outside of one.
type selecter interface {
	Select(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error)
}

// outside is the record outside of a transaction.
type outside struct{ Record }

// Select selects what is written.
func (o outside) Select(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error) {
	return o.SelectResources(ctx, q)
}

// find finds what meets a condition, as a transaction sees it.
func (s *Server) find(ctx context.Context, tx selecter, c *call, typ, where string, limit int) ([]vigil.Resource, error) {
	q, err := s.conditionQuery(typ, where)
	if err != nil {
		return nil, err
	}
	q.Sort, q.Bodies = nil, true
	var found []vigil.Resource
	within := txFinder{s, tx}
	if err := s.resolve(ctx, q, within); err != nil {
		return nil, err
	}
	err = within.Find(ctx, q, func(r vigil.Resource) error {
		if found = append(found, r); len(found) == limit {
			return errFull
		}
		return nil
	})
	if err != nil && !errors.Is(err, errFull) {
		return nil, costly(err)
	}
	return found, nil
}

// txFinder finds resources as a transaction sees them.
type txFinder struct {
	s  *Server
	tx selecter
}

// Find calls f with each resource that a query finds.
func (x txFinder) Find(ctx context.Context, q *search.Query, f func(vigil.Resource) error) error {
	plan := q.Plan()
	if plan.Nothing {
		return nil
	}
	rq := plan.Query
	rq.Order, rq.Limit, rq.Bodies = vigil.ResourceOrder{}, 100, true
	for looks := 0; ; {
		hits, err := x.tx.Select(ctx, rq)
		if err != nil {
			return err
		}
		for _, hit := range hits {
			if looks++; looks > maxLooks {
				return tooCostly()
			}
			if plan.Check {
				doc, err := parsed(hit.Resource)
				if err != nil {
					return err
				}
				if !q.Match(doc.Root()) {
					continue
				}
			}
			if err := f(hit.Resource); err != nil {
				return err
			}
		}
		if len(hits) < rq.Limit {
			return nil
		}
		after := hits[len(hits)-1].Mark
		rq.After = &after
	}
}
