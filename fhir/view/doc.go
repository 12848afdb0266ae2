// Package view is SQL on FHIR (version 2): a ViewDefinition says which columns
// to take out of resources, and Rows takes them out. The rows are written as
// NDJSON, JSON, CSV or Parquet.
//
// A view is compiled once and then runs over any number of resources, by many
// at once. What one resource may cost is bounded in rows and in steps of its
// FHIRPath expressions.
package view

import (
	"fmt"
	"iter"
	"time"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

const (
	// MaxRows bounds the rows that one resource gives.
	MaxRows = 100_000
	// MaxColumns bounds the columns of a view.
	MaxColumns = 1000
	maxText    = 1 << 22 // of what join() makes
	// maxSteps bounds what all expressions together take for one resource.
	maxSteps = 5_000_000
)

// An Error says where a ViewDefinition is none.
type Error struct {
	Path string // select[0].column[1].path
	Msg  string
}

// Error returns the message with its place.
func (e *Error) Error() string {
	if e.Path == "" {
		return e.Msg
	}
	return e.Path + ": " + e.Msg
}

// A Column is one column of the result.
type Column struct {
	Name        string
	Description string
	// Type is the FHIR type of the values; "" where the view does not say.
	Type string
	// Collection says that values are lists.
	Collection bool
}

// A View is a compiled ViewDefinition.
type View struct {
	Name     string
	Resource string // the type of the resources that it is about
	Columns  []Column
	// Doubts are mistakes that are no errors by the specification: names that
	// no resource of the type can have.
	Doubts []string

	set    *schema.Set
	where  []*path.Expr
	root   *selection
	consts map[string][]path.Item
}

// A Row is one row: nil, bool, int64, path.Decimal, string or, in a Collection,
// []any of these, for each of the view's columns.
type Row []any

// A run is the state of one run over a resource.
type run struct {
	v     *View
	ctx   path.Context
	index []path.Item // what %rowIndex is
	rows  int
	steps int
	buf   []path.Item // of the cell that is being made
}

// Rows gives the rows of a resource: none for those of other types, and for
// those that the view's conditions leave out. It ends at the first error. now
// is what now() says.
func (v *View) Rows(n tree.Node, now time.Time) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		rows, err := v.run(n, now)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, r := range rows {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (v *View) run(n tree.Node, now time.Time) ([]Row, error) {
	i := path.ItemOf(v.set, n)
	if i.Type() == nil || i.Type().Name != v.Resource {
		return nil, nil
	}
	r := run{v: v, steps: maxSteps, index: []path.Item{path.Of(int64(0))}}
	r.ctx = path.Context{Resource: i, Root: i, Now: now, Steps: maxSteps, Budget: &r.steps, Set: v.set, Vars: map[string][]path.Item{"rowIndex": r.index}}
	for name, c := range v.consts {
		r.ctx.Vars[name] = c
	}
	for _, w := range v.where {
		ok, err := r.condition(w, i)
		if err != nil || !ok {
			return nil, err
		}
	}
	return r.rowsOf(v.root, []path.Item{i})
}

// condition evaluates one of the view's conditions, which are booleans.
func (r *run) condition(e *path.Expr, i path.Item) (bool, error) {
	got, err := e.Eval(&r.ctx, i)
	if err != nil {
		return false, fmt.Errorf("where %s: %w", e, err)
	}
	if len(got) == 0 {
		return false, nil
	}
	is, ok := got[0].Value().(bool)
	if len(got) > 1 || !ok {
		return false, fmt.Errorf("where %s: the condition is not a boolean", e)
	}
	return is, nil
}
