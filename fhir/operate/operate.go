// Package operate has operations of the RESTful API that are built from its
// interactions: $validate, $meta, $convert, $stats, $graphql and the running of
// views (FHIR R4 operations.html). What they read and write they read and write
// for whoever invoked them, with what that one may do.
package operate

import (
	"context"
	"net/http"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Config says what the operations need.
type Config struct {
	// Checker returns what validates by the definitions of this moment.
	Checker func() *check.Checker
	// Readings summarises what is not stored; nil when there is nothing.
	Readings Figures
}

// Figures is where readings are summarised.
type Figures interface {
	Figures(ctx context.Context, q reading.FigureQuery) ([]*reading.Figures, error)
	// Named tells whether an Observation is one of readings.
	Named(id string) bool
	// PatientID is the patient that an id of FHIR names.
	PatientID(id string) vigil.PatientID
}

// Operations returns the operations.
func Operations(c Config) []rest.Operation {
	const definitions = "http://hl7.org/fhir/OperationDefinition/"
	out := []rest.Operation{
		{Name: "validate", Definition: definitions + "Resource-validate", Type: true, Instance: true, Handle: c.validate},
		{Name: "meta", Definition: definitions + "Resource-meta", System: true, Type: true, Instance: true, Handle: meta},
		{Name: "meta-add", Definition: definitions + "Resource-meta-add", Instance: true, Affects: true, Handle: metaAdd},
		{Name: "meta-delete", Definition: definitions + "Resource-meta-delete", Instance: true, Affects: true, Handle: metaDelete},
		{Name: "convert", Definition: definitions + "Resource-convert", System: true, Handle: c.convert},
		{Name: "stats", Definition: definitions + "Observation-stats", Type: true, Types: []string{"Observation"}, Handle: c.stats},
		{Name: "graphql", Definition: definitions + "Resource-graphql", System: true, Instance: true, Raw: true, Foreign: true, Handle: query},
	}
	return append(out, views()...)
}

func bad(at, format string, args ...any) error {
	p := rest.Refuse(http.StatusBadRequest, "invalid", format, args...)
	p.Issues[0].Expression = at
	return p
}

// convert is $convert (resource-operation-convert.html): a resource goes out in
// the form that Accept or _format asks for.
// What has no such element, or an element of another form, cannot be converted.
func (c Config) convert(_ context.Context, in *rest.Invocation) (*rest.Result, error) {
	if in.Body == nil {
		return nil, bad("input", "which resource is to be converted? it is the body")
	}
	doc := in.Body
	if p := in.Parameter("input").Get("resource"); p.Ok() {
		var err error
		if doc, err = tree.Parse(p.Raw()); err != nil {
			return nil, err
		}
	}
	wrong := &rest.Problem{Status: http.StatusUnprocessableEntity}
	for _, i := range c.Checker().Check(doc, check.Options{Level: check.Structure, Now: in.Now.Time()}) {
		if i.Severity == check.Error || i.Severity == check.Fatal {
			wrong.Issues = append(wrong.Issues, rest.Issue{Code: i.Code, Text: i.Message, Expression: i.Expression})
		}
	}
	if len(wrong.Issues) > 0 {
		return nil, wrong
	}
	return &rest.Result{Body: doc.Bytes()}, nil
}
