package path

import "strings"

// both compiles the two sides of an operator.
func (c *compiler) both(n *node) (left, right step, err error) {
	if left, err = c.step(n.left); err != nil {
		return nil, nil, err
	}
	right, err = c.step(n.right)
	return left, right, err
}

// sides evaluates both sides; the caller releases both.
func (m *machine) sides(left, right step, this []Item) (a, b []Item, err error) {
	vars := len(m.vars) // what one side defines, the other does not see
	if a, err = left(m, this, m.buffer()); err != nil {
		return nil, nil, err
	}
	m.vars = m.vars[:vars]
	b, err = right(m, this, m.buffer())
	m.vars = m.vars[:vars]
	return a, b, err
}

// logic compiles and, or, xor and implies, of three values (N1 §6.5).
func (c *compiler) logic(n *node) (pred, error) {
	left, err := c.pred(n.left)
	if err != nil {
		return nil, err
	}
	right, err := c.pred(n.right)
	if err != nil {
		return nil, err
	}
	// settled is what the left side may be to decide alone, and what is then.
	var settled, result tri
	switch n.text {
	case "and":
		settled, result = no, no
	case "or":
		settled, result = yes, yes
	case "implies":
		settled, result = no, yes
	}
	return func(m *machine, this []Item) (tri, error) {
		a, err := left(m, this)
		if err != nil {
			return none, err
		}
		if settled != none && a == settled {
			return result, nil
		}
		b, err := right(m, this)
		if err != nil {
			return none, err
		}
		return combine(n.text, a, b), nil
	}, nil
}

func combine(operator string, a, b tri) tri {
	switch operator {
	case "and":
		switch {
		case a == no || b == no:
			return no
		case a == yes && b == yes:
			return yes
		}
	case "or":
		switch {
		case a == yes || b == yes:
			return yes
		case a == no && b == no:
			return no
		}
	case "xor":
		if a != none && b != none {
			return triOf(a != b)
		}
	default:
		switch {
		case a == no || b == yes:
			return yes
		case a == yes:
			return b
		}
	}
	return none
}

// equality compiles = != ~ !~.
func (c *compiler) equality(n *node) (pred, error) {
	if p, ok, err := c.equalText(n); ok || err != nil {
		return p, err
	}
	left, right, err := c.both(n)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this []Item) (tri, error) {
		a, b, err := m.sides(left, right, this)
		if err != nil {
			return none, err
		}
		if err := m.spend(len(a)+len(b), n); err != nil {
			return none, err
		}
		t := none
		switch n.text {
		case "=", "!=":
			if t = equalAll(a, b); n.text == "!=" {
				t = t.not()
			}
		default:
			is, err := equivalentAll(m, n, a, b)
			if err != nil {
				return none, err
			}
			t = triOf(is == (n.text == "~"))
		}
		m.release(a)
		m.release(b)
		return t, nil
	}, nil
}

// equalText compiles the most frequent comparison, with a text in quotes.
func (c *compiler) equalText(n *node) (pred, bool, error) {
	want, ok := n.right.value.(string)
	if !ok || n.text != "=" && n.text != "!=" {
		return nil, false, nil
	}
	left, err := c.step(n.left)
	if err != nil {
		return nil, true, err
	}
	return func(m *machine, this []Item) (tri, error) {
		a, err := left(m, this, m.buffer())
		if err != nil {
			return none, err
		}
		t := none
		if len(a) == 1 {
			s, ok := a[0].text()
			t = triOf(ok && s == want && a[0].kind() == Text)
		} else if len(a) > 1 {
			t = no
		}
		if n.text == "!=" {
			t = t.not()
		}
		m.release(a)
		return t, nil
	}, true, nil
}

// order compiles < > <= >=.
func (c *compiler) order(n *node) (pred, error) {
	left, right, err := c.both(n)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this []Item) (tri, error) {
		a, b, err := m.sides(left, right, this)
		if err != nil {
			return none, err
		}
		t := none
		if len(a) > 1 || len(b) > 1 {
			return none, fail(n, "%s compares one value with one", n.text)
		}
		if len(a) == 1 && len(b) == 1 {
			order, decided, ok := compare(&a[0], &b[0])
			if !ok {
				return none, fail(n, "%s cannot compare %s with %s", n.text, a[0].info().Name, b[0].info().Name)
			}
			if decided {
				t = triOf(ordered(n.text, order))
			}
		}
		m.release(a)
		m.release(b)
		return t, m.spend(1, n)
	}, nil
}

func ordered(operator string, order int) bool {
	switch operator {
	case "<":
		return order < 0
	case ">":
		return order > 0
	case "<=":
		return order <= 0
	default:
		return order >= 0
	}
}

// compare returns the order of two items; not decided when precision or units
// leave it open, not ok when they are nothing to compare (N1 §6.2).
func compare(a, b *Item) (order int, decided, ok bool) {
	ka, kb := a.kind(), b.kind()
	switch {
	case ka == Text && kb == Text:
		s, _ := a.text()
		t, _ := b.text()
		return strings.Compare(s, t), true, true
	case isNumeric(ka) && isNumeric(kb):
		x, okA := a.decimal()
		y, okB := b.decimal()
		return x.Cmp(y), okA && okB, true
	case ka == Time && kb == Time, isTemporal(ka) && isTemporal(kb) && ka != Time && kb != Time:
		x, okA := a.temporal()
		y, okB := b.temporal()
		if !okA || !okB {
			return 0, false, true
		}
		order, decided = x.compare(y)
		return order, decided, true
	case ka == None || kb == None:
		return 0, false, true
	}
	x, okA := a.Quantity()
	y, okB := b.Quantity()
	if !okA || !okB { // a quantity without a value can still not be ordered
		return 0, false, ka == Complex && kb == Complex && a.typ.Is("Quantity") && b.typ.Is("Quantity")
	}
	order, decided = x.compare(y)
	return order, decided && !x.calendarVague(y), true
}

// membership compiles in and contains (N1 §6.4).
func (c *compiler) membership(n *node) (pred, error) {
	left, right, err := c.both(n)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this []Item) (tri, error) {
		a, b, err := m.sides(left, right, this)
		if err != nil {
			return none, err
		}
		one, all := a, b
		if n.text == "contains" {
			one, all = b, a
		}
		if len(one) > 1 {
			return none, fail(n, "%s looks for one value, there are %d", n.text, len(one))
		}
		t := none
		if len(one) == 1 {
			t = no
			for i := range all {
				if equal(&one[0], &all[i]) == yes {
					t = yes
					break
				}
			}
		}
		err = m.spend(len(all), n)
		m.release(a)
		m.release(b)
		return t, err
	}, nil
}

// operator compiles | & and arithmetic.
func (c *compiler) operator(n *node) (step, error) {
	left, right, err := c.both(n)
	if err != nil {
		return nil, err
	}
	if n.text == "|" {
		return union(n, left, right), nil
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		a, b, err := m.sides(left, right, this)
		if err != nil {
			return out, err
		}
		if len(a) > 1 || len(b) > 1 {
			return out, fail(n, "%s stands between single values", n.text)
		}
		if n.text == "&" {
			out = append(out, Of(stringOf(a)+stringOf(b)))
		} else if len(a) == 1 && len(b) == 1 {
			v, err := arithmetic(n, &a[0], &b[0])
			if err != nil {
				return out, err
			}
			if v != nil {
				out = append(out, Of(v))
			}
		}
		m.release(a)
		m.release(b)
		if err := m.short(n, out); err != nil {
			return out, err
		}
		return out, m.spend(1, n)
	}, nil
}

// short refuses texts that grow beyond all bounds.
func (m *machine) short(n *node, out []Item) error {
	if len(out) == 0 {
		return nil
	}
	if s, ok := out[len(out)-1].sys.(string); ok {
		if len(s) > maxString {
			return &EvalError{n.pos, "a text has more than 4 MiB", ErrCost}
		}
		return m.spend(len(s)/64, n)
	}
	return nil
}

func stringOf(items []Item) string {
	if len(items) == 0 {
		return ""
	}
	s, _ := textOf(items[0])
	return s
}

func union(n *node, left, right step) step {
	return func(m *machine, this, out []Item) ([]Item, error) {
		a, b, err := m.sides(left, right, this)
		if err != nil {
			return out, err
		}
		out, err = m.distinct(n, out, a, b)
		m.release(a)
		m.release(b)
		return out, err
	}
}

// distinct appends items once each.
func (m *machine) distinct(n *node, out []Item, lists ...[]Item) ([]Item, error) {
	total := 0
	for _, list := range lists {
		total += len(list)
	}
	if total <= fewItems {
		before := len(out)
		for _, list := range lists {
			for i := range list {
				if !has(out[before:], &list[i]) {
					out = append(out, list[i])
				}
			}
		}
		return out, m.spend(total*total, n)
	}
	var g group
	for _, list := range lists {
		for i := range list {
			g.cost = 0
			if !g.has(&list[i]) {
				g.add(list[i])
				out = append(out, list[i])
			}
			if err := m.spend(g.cost, n); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// has tells whether an equal item is among a few.
func has(items []Item, i *Item) bool {
	for j := range items {
		if equal(&items[j], i) == yes {
			return true
		}
	}
	return false
}
