// Package vocabulary puts terminology into the RESTful API: the operations of a
// terminology service (FHIR R4 terminology-service.html), and the code systems,
// value sets and concept maps that clients store as resources.
package vocabulary

import (
	"context"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/terms"
)

// A Record is where resources are kept; the store is one.
type Record interface {
	Resource(ctx context.Context, typ, id string) (vigil.Resource, error)
	SelectResources(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error)
}

// Operations returns $expand, $validate-code, $lookup, $subsumes and $translate.
// They are asked of what now returns.
func Operations(now func() *terms.Terms, record Record) []rest.Operation {
	var out []rest.Operation
	for _, o := range terms.Operations() {
		out = append(out, rest.Operation{
			Name: o.Name, Definition: o.Definition, Type: true, Instance: o.Name != "lookup", Types: []string{o.Type},
			Handle: func(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
				ask := terms.Ask{Type: in.Type, Operation: o.Name, Query: in.Query}
				if in.Body != nil {
					ask.Body = in.Body.Root()
				}
				if in.ID != "" {
					var err error
					if ask.Instance, err = instance(ctx, now(), record, in); err != nil {
						return nil, err
					}
				}
				body, err := now().Operate(ask)
				if err != nil {
					return nil, err
				}
				return &rest.Result{Body: body}, nil
			},
		})
	}
	return out
}

// instance returns the resource at which an operation was invoked: a stored one,
// else one of the specification or of a package.
func instance(ctx context.Context, known *terms.Terms, record Record, in *rest.Invocation) ([]byte, error) {
	r, err := record.Resource(ctx, in.Type, in.ID)
	if vigil.KindOf(err) == vigil.NotFound {
		if b := known.Defined(in.Type, in.ID); b != nil {
			return b, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if r.Deleted {
		return nil, vigil.Errorf(vigil.NotFound, "%s/%s was deleted", in.Type, in.ID)
	}
	return r.Body, nil
}
