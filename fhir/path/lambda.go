package path

import (
	"slices"
)

// lambda returns how the functions are compiled that evaluate an argument for
// each item of their input; nil for the others.
func (c *compiler) lambda(name string) func(n *node) (step, error) {
	switch name {
	case "where":
		return c.where
	case "select":
		return c.selects
	case "repeat", "repeatAll":
		return c.repeat
	case "aggregate":
		return c.aggregate
	case "iif":
		return c.iif
	case "sort":
		return c.sort
	case "trace":
		return c.trace
	case "defineVariable":
		return c.define
	case "coalesce":
		return c.coalesce
	case "ofType", "as":
		return func(n *node) (step, error) {
			spec, err := typeArgument(n)
			if err != nil {
				return nil, err
			}
			return c.as(n, n.left, spec)
		}
	}
	return nil
}

// where compiles where(criteria) (N1 §5.2.1).
func (c *compiler) where(n *node) (step, error) {
	if err := arity(n, 1, 1); err != nil {
		return nil, err
	}
	left, err := c.optional(n.left)
	if err != nil {
		return nil, err
	}
	criteria, err := c.pred(n.args[0])
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return out, err
		}
		index, vars := m.index, len(m.vars)
		for i := range in {
			m.index = i
			t, err := criteria(m, in[i:i+1])
			if err != nil {
				return out, err
			}
			m.vars = m.vars[:vars]
			if t == yes {
				out = append(out, in[i])
			}
		}
		m.index = index
		err = m.spend(len(in), n)
		if owned {
			m.release(in)
		}
		return out, err
	}, nil
}

// selects compiles select(projection) (N1 §5.2.2).
func (c *compiler) selects(n *node) (step, error) {
	if err := arity(n, 1, 1); err != nil {
		return nil, err
	}
	left, err := c.optional(n.left)
	if err != nil {
		return nil, err
	}
	projection, err := c.step(n.args[0])
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return out, err
		}
		index, vars := m.index, len(m.vars)
		for i := range in {
			m.index = i
			before := len(out)
			if out, err = projection(m, in[i:i+1], out); err != nil {
				return out, err
			}
			if err := m.grown(out, before, n); err != nil {
				return out, err
			}
			m.vars = m.vars[:vars]
		}
		m.index = index
		err = m.spend(len(in), n)
		if owned {
			m.release(in)
		}
		return out, err
	}, nil
}

// repeat compiles repeat(projection): the projection of the input, of what it
// gives, and so on, each item once (N1 §5.2.3). repeatAll keeps equal ones.
func (c *compiler) repeat(n *node) (step, error) {
	if err := arity(n, 1, 1); err != nil {
		return nil, err
	}
	left, err := c.optional(n.left)
	if err != nil {
		return nil, err
	}
	projection, err := c.step(n.args[0])
	if err != nil {
		return nil, err
	}
	all := n.text == "repeatAll"
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return out, err
		}
		var g group
		todo := slices.Clone(in)
		if owned {
			m.release(in)
		}
		vars := len(m.vars)
		for len(todo) > 0 {
			found := m.buffer()
			for i := range todo {
				if found, err = projection(m, todo[i:i+1], found); err != nil {
					return out, err
				}
				m.vars = m.vars[:vars]
			}
			todo = todo[:0]
			for i := range found {
				g.cost = 0
				if all || !g.has(&found[i]) {
					g.add(found[i])
					out, todo = append(out, found[i]), append(todo, found[i])
				}
				if err := m.spend(g.cost, n); err != nil {
					return out, err
				}
			}
			m.release(found)
		}
		return out, nil
	}, nil
}

// aggregate compiles aggregate(aggregator, init) (N1 §7.1).
func (c *compiler) aggregate(n *node) (step, error) {
	if err := arity(n, 1, 2); err != nil {
		return nil, err
	}
	left, err := c.optional(n.left)
	if err != nil {
		return nil, err
	}
	steps, err := c.arguments(n)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return out, err
		}
		sum := m.buffer()
		if len(steps) == 2 {
			if sum, err = steps[1](m, this, sum); err != nil {
				return out, err
			}
		}
		index, total, vars := m.index, m.total, len(m.vars)
		for i := range in {
			m.index, m.total = i, sum
			next, err := steps[0](m, in[i:i+1], m.buffer())
			if err != nil {
				return out, err
			}
			m.vars = m.vars[:vars]
			m.release(sum)
			sum = next
		}
		m.index, m.total = index, total
		out = append(out, sum...)
		err = m.spend(len(in)+len(sum), n)
		m.release(sum)
		if owned {
			m.release(in)
		}
		return out, err
	}, nil
}

// iif compiles iif(criterion, true-result, otherwise), of which only one result
// is evaluated (N1 §5.5.1).
func (c *compiler) iif(n *node) (step, error) {
	if err := arity(n, 2, 3); err != nil {
		return nil, err
	}
	left, err := c.optional(n.left)
	if err != nil {
		return nil, err
	}
	steps, err := c.arguments(n)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return out, err
		}
		if owned && len(in) > 1 {
			return out, fail(n, "iif() stands behind one value, there are %d", len(in))
		}
		if !owned {
			in = this
		}
		criterion, err := steps[0](m, in, m.buffer())
		if err != nil {
			return out, err
		}
		t, err := truth(n, criterion)
		if err != nil {
			return out, err
		}
		if len(criterion) == 1 && criterion[0].kind() != Boolean {
			return out, fail(n, "the criterion of iif() is a boolean")
		}
		m.release(criterion)
		vars := len(m.vars)
		if t == yes {
			out, err = steps[1](m, in, out)
		} else if len(steps) == 3 {
			out, err = steps[2](m, in, out)
		}
		m.vars = m.vars[:vars]
		if owned {
			m.release(in)
		}
		return out, err
	}, nil
}

// sort compiles sort(keys…); a key with - in front sorts downwards.
func (c *compiler) sort(n *node) (step, error) {
	left, err := c.optional(n.left)
	if err != nil {
		return nil, err
	}
	var keys []step
	var down []bool
	for _, a := range n.args {
		sign := a.op == opSign && a.text == "-"
		if sign {
			a = a.left
		}
		s, err := c.step(a)
		if err != nil {
			return nil, err
		}
		keys, down = append(keys, s), append(down, sign)
	}
	if len(keys) == 0 {
		keys = []step{func(_ *machine, this, out []Item) ([]Item, error) { return append(out, this...), nil }}
		down = []bool{false}
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, _, err := m.input(left, this)
		if err != nil {
			return out, err
		}
		rows, err := m.sortKeys(n, in, keys)
		if err != nil {
			return out, err
		}
		slices.SortStableFunc(rows, func(a, b sortRow) int { return orderRows(a, b, down) })
		for _, r := range rows {
			out = append(out, r.item)
		}
		return out, m.spend(len(in)*8, n)
	}, nil
}

// A sortRow is an item with what it is sorted by.
type sortRow struct {
	item Item
	keys []Item // the zero Item where there is none
}

func (m *machine) sortKeys(n *node, in []Item, keys []step) ([]sortRow, error) {
	rows := make([]sortRow, len(in))
	index := m.index
	for i := range in {
		rows[i] = sortRow{in[i], make([]Item, len(keys))}
		m.index = i
		for j, k := range keys {
			v, err := k(m, in[i:i+1], m.buffer())
			if err != nil {
				return nil, err
			}
			if len(v) > 1 {
				return nil, fail(n, "sort() sorts by single values")
			}
			if len(v) == 1 {
				rows[i].keys[j] = v[0]
			}
			m.release(v)
		}
	}
	m.index = index
	return rows, nil
}

// orderRows puts what has no key first, in both directions.
func orderRows(a, b sortRow, down []bool) int {
	for i := range a.keys {
		order := 0
		switch x, y := &a.keys[i], &b.keys[i]; {
		case !x.Ok() && !y.Ok():
		case !x.Ok():
			return -1
		case !y.Ok():
			return 1
		default:
			order, _, _ = compare(x, y)
		}
		if down[i] {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return 0
}

// trace compiles trace(name, projection) (N1 §5.9.1).
func (c *compiler) trace(n *node) (step, error) {
	if err := arity(n, 1, 2); err != nil {
		return nil, err
	}
	left, err := c.optional(n.left)
	if err != nil {
		return nil, err
	}
	steps, err := c.arguments(n)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return out, err
		}
		if m.ctx.Trace != nil {
			name, err := steps[0](m, this, nil)
			if err != nil {
				return out, err
			}
			seen := in
			if len(steps) == 2 {
				seen = nil
				for i := range in {
					if seen, err = steps[1](m, in[i:i+1], seen); err != nil {
						return out, err
					}
				}
			}
			m.ctx.Trace(stringOf(name), slices.Clone(seen))
		}
		out = append(out, in...)
		if owned {
			m.release(in)
		}
		return out, nil
	}, nil
}

// define compiles defineVariable(name, expression): %name holds it in what
// comes behind, until the expression around ends.
func (c *compiler) define(n *node) (step, error) {
	if err := arity(n, 1, 2); err != nil {
		return nil, err
	}
	left, err := c.optional(n.left)
	if err != nil {
		return nil, err
	}
	steps, err := c.arguments(n)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, _, err := m.input(left, this)
		if err != nil {
			return out, err
		}
		name, err := steps[0](m, this, nil)
		if err != nil {
			return out, err
		}
		v := slices.Clone(in)
		if len(steps) == 2 {
			if v, err = steps[1](m, in, nil); err != nil {
				return out, err
			}
		}
		key := stringOf(name)
		switch key {
		case "", "context", "resource", "rootResource", "ucum", "sct", "loinc":
			return out, fail(n, "%%%s cannot be defined", key)
		}
		for _, old := range m.vars {
			if old.name == key {
				return out, fail(n, "%%%s is defined already", key)
			}
		}
		m.vars = append(m.vars, variable{key, v})
		return append(out, in...), m.spend(len(in)+len(v), n)
	}, nil
}

// coalesce compiles coalesce(…): the first argument that is not empty.
func (c *compiler) coalesce(n *node) (step, error) {
	if err := arity(n, 1, 20); err != nil {
		return nil, err
	}
	steps, err := c.arguments(n)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		before := len(out)
		for _, s := range steps {
			if out, err := s(m, this, out); err != nil || len(out) > before {
				return out, err
			}
		}
		return out, nil
	}, nil
}
