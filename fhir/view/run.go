package view

import (
	"fmt"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A selection is one select of a view with all within. Its columns stand side
// by side: its own, those of its selects, those of its union.
type selection struct {
	columns []column
	each    *path.Expr
	orNull  bool
	repeat  []*path.Expr
	selects []*selection
	unions  []*selection
	width   int
}

type column struct {
	Column
	path *path.Expr
}

// rowsOf gives the rows of a selection for what is looked at: one item, or none
// in the row of nulls of forEachOrNull.
func (r *run) rowsOf(s *selection, in []path.Item) ([]Row, error) {
	items, err := r.items(s, in)
	if err != nil {
		return nil, err
	}
	if s.each == nil && s.repeat == nil {
		return r.product(s, in)
	}
	if len(items) == 0 && s.orNull {
		items = []path.Item{{}}
	}
	before := r.index[0]
	var rows []Row
	for i := range items {
		r.index[0] = path.Of(int64(i))
		one := items[i : i+1]
		if !items[i].Ok() {
			one = nil
		}
		more, err := r.product(s, one)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	r.index[0] = before
	return rows, nil
}

// items are what a selection goes through.
func (r *run) items(s *selection, in []path.Item) ([]path.Item, error) {
	switch {
	case s.each != nil:
		got, err := s.each.Eval(&r.ctx, in...)
		if err != nil {
			return nil, fmt.Errorf("forEach %s: %w", s.each, err)
		}
		return got, nil
	case s.repeat != nil:
		return r.descend(s.repeat, in, nil, 0)
	}
	return in, nil
}

// descend follows the expressions of repeat as deep as they lead, each item
// before what is below it.
func (r *run) descend(exprs []*path.Expr, in, out []path.Item, depth int) ([]path.Item, error) {
	for _, e := range exprs {
		got, err := e.Eval(&r.ctx, in...)
		if err != nil {
			return nil, fmt.Errorf("repeat %s: %w", e, err)
		}
		for i := range got {
			if out = append(out, got[i]); len(out) > MaxRows {
				return nil, fmt.Errorf("repeat %s: more than %d items", e, MaxRows)
			}
			if got[i].Computed() {
				continue // a computed value leads nowhere but to itself
			}
			if depth > tree.MaxDepth { // no document is so deep
				return nil, fmt.Errorf("repeat %s: leads in a circle", e)
			}
			if out, err = r.descend(exprs, got[i:i+1], out, depth+1); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// product puts the columns and the rows of all parts side by side in all ways.
func (r *run) product(s *selection, in []path.Item) ([]Row, error) {
	first := make(Row, 0, s.width)
	for i := range s.columns {
		v, err := r.cell(&s.columns[i], in)
		if err != nil {
			return nil, err
		}
		first = append(first, v)
	}
	rows := []Row{first}
	for _, sub := range s.selects {
		more, err := r.rowsOf(sub, in)
		if err != nil {
			return nil, err
		}
		if rows, err = r.cross(rows, more); err != nil {
			return nil, err
		}
	}
	if len(s.unions) == 0 {
		return rows, nil
	}
	var all []Row
	for _, u := range s.unions {
		more, err := r.rowsOf(u, in)
		if err != nil {
			return nil, err
		}
		all = append(all, more...)
	}
	return r.cross(rows, all)
}

// cross puts each row of b behind each of a.
func (r *run) cross(a, b []Row) ([]Row, error) {
	if r.rows += len(a) * len(b); r.rows > MaxRows || len(a)*len(b) > MaxRows {
		return nil, fmt.Errorf("one resource gives more than %d rows", MaxRows)
	}
	if len(b) == 1 {
		for i := range a {
			a[i] = append(a[i], b[0]...)
		}
		return a, nil
	}
	rows := make([]Row, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			row := make(Row, 0, cap(x))
			rows = append(rows, append(append(row, x...), y...))
		}
	}
	return rows, nil
}

// cell evaluates a column.
func (r *run) cell(c *column, in []path.Item) (any, error) {
	var got []path.Item
	var err error
	if len(in) == 1 {
		r.buf, err = c.path.Append(&r.ctx, in[0], r.buf[:0])
		got = r.buf
	} else {
		got, err = c.path.Eval(&r.ctx, in...)
	}
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", c.Name, err)
	}
	if !c.Collection {
		switch len(got) {
		case 0:
			return nil, nil
		case 1:
			return value(c, got[0])
		}
		return nil, fmt.Errorf("column %s: %d values where one was expected", c.Name, len(got))
	}
	list := make([]any, 0, len(got))
	for _, i := range got {
		v, err := value(c, i)
		if err != nil {
			return nil, err
		}
		if v != nil {
			list = append(list, v)
		}
	}
	return list, nil
}

// value gives an item as a value of a row: texts and times as text.
func value(c *column, i path.Item) (any, error) {
	switch v := i.Value().(type) {
	case nil:
		if t := i.Type(); t != nil && t.Kind != schema.Primitive {
			return nil, fmt.Errorf("column %s: %s is not a primitive value", c.Name, t.Name)
		}
		return nil, nil
	case bool, int64, string, path.Decimal:
		return v, nil
	default:
		return i.String(), nil
	}
}
