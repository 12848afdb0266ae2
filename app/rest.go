package app

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/operate"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/topic"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/vocabulary"
	"github.com/vigil-iomt/vigil/store"
)

// rest is /fhir: the record, and readings as resources.
func (s *server) rest() *rest.Server {
	v := s.validator
	known := func() *terms.Terms { t, _ := v.now(); return t }
	server := rest.New(rest.Config{
		Record: s.db,
		Write: func(ctx context.Context, f func(context.Context, rest.Tx) error) error {
			return s.db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error { return f(ctx, tx) })
		},
		Sources: []rest.Source{s.readings, topic.NewListed(s.db, vigil.InstantOf(s.started))}, Engine: s.searchEngine, Terms: v, Written: s.written,
		Check: func(ctx context.Context, doc *tree.Doc) []check.Issue {
			return slices.Concat(v.check(ctx, doc), s.desk.Check(ctx, doc), s.book.Check(doc))
		},
		Shape: s.desk.Shape, Topics: topic.URLs(), Sockets: topic.SocketPath,
		Permit: func(ctx context.Context, action vigil.Action) error {
			a, _ := vigil.ActorFrom(ctx)
			return permit(a, action)
		},
		Operations: slices.Concat(vocabulary.Operations(known, s.db), s.desk.Operations(), s.bulk.Operations(), s.book.Operations(),
			operate.Operations(operate.Config{Checker: func() *check.Checker { _, c := v.now(); return c }, Readings: s.readings})),
		CursorKey: s.install.key("cursor"), Version: Version().Vigil, Now: time.Now, Log: s.log,
	})
	s.fhir.Store(server)
	return server
}

// A validator checks what is written by the definitions of this moment. It is
// compiled when somebody first writes, and again when FHIR packages come or go.
type validator struct {
	guides *definitions
	stored terms.Source // what clients stored

	mu      sync.RWMutex
	of      *schema.Set
	terms   *terms.Terms
	checker *check.Checker
}

// now returns what is compiled of the definitions of this moment.
func (v *validator) now() (*terms.Terms, *check.Checker) {
	set := v.guides.Set()
	v.mu.RLock()
	known, checker := v.terms, v.checker
	fits := v.of == set
	v.mu.RUnlock()
	if fits {
		return known, checker
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of != set {
		v.of, v.terms = set, terms.New(set, v.stored)
		v.checker = check.New(set, v.terms)
	}
	return v.terms, v.checker
}

// check finds what is wrong with a resource, by required bindings and
// invariants.
func (v *validator) check(_ context.Context, doc *tree.Doc) []check.Issue {
	_, checker := v.now()
	return checker.Check(doc, check.Options{Level: check.Rules, Now: time.Now()})
}

// Codes lists the codes of a value set.
func (v *validator) Codes(_ context.Context, valueSet string, limit int) ([]vigil.Code, error) {
	known, _ := v.now()
	return listed(known.Expand(terms.Expand{URL: valueSet, Count: limit + 1}))
}

// Related lists a code and those below it, or above it.
func (v *validator) Related(_ context.Context, system, code string, below bool, limit int) ([]vigil.Code, error) {
	known, _ := v.now()
	op := "generalizes"
	if below {
		op = "is-a"
	}
	return listed(known.Expand(terms.Expand{Count: limit + 1, ValueSet: &schema.ValueSet{
		Include: []schema.Include{{System: system, Filters: []schema.Filter{{Property: "concept", Op: op, Value: code}}}},
	}}))
}

// listed are the codes of an expansion.
func listed(x *terms.Expansion, err error) ([]vigil.Code, error) {
	if err != nil {
		return nil, err
	}
	out := make([]vigil.Code, len(x.Entries))
	for i := range x.Entries {
		out[i] = vigil.Code{System: x.Entries[i].System, Value: x.Entries[i].Code}
	}
	return out, nil
}
