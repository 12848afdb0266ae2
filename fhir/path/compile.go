package path

import (
	"strings"
	"sync/atomic"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A compiler turns the syntax tree into functions.
type compiler struct {
	strict bool
	added  []Function
}

// optional compiles a part that may be missing.
func (c *compiler) optional(n *node) (step, error) {
	if n == nil {
		return nil, nil
	}
	return c.step(n)
}

// step compiles a part that gives a collection.
func (c *compiler) step(n *node) (step, error) {
	if p, ok, err := c.predicate(n); ok || err != nil {
		return func(m *machine, this, out []Item) ([]Item, error) {
			t, err := p(m, this)
			if t == none || err != nil {
				return out, err
			}
			return append(out, Item{sys: t == yes}), nil
		}, err
	}
	switch n.op {
	case opLiteral:
		return literal(n), nil
	case opThis:
		return c.this(n)
	case opConst:
		return constant(n), nil
	case opName:
		return c.name(n)
	case opCall:
		return c.call(n)
	case opIndex:
		return c.at(n)
	case opSign:
		return c.sign(n)
	case opType:
		return c.as(n, n.left, n.spec)
	default:
		return c.operator(n)
	}
}

// pred compiles a part that is asked for its truth value.
func (c *compiler) pred(n *node) (pred, error) {
	if p, ok, err := c.predicate(n); ok || err != nil {
		return p, err
	}
	s, err := c.step(n)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this []Item) (tri, error) {
		b, err := s(m, this, m.buffer())
		if err != nil {
			return none, err
		}
		t, err := truth(n, b)
		m.release(b)
		return t, err
	}, nil
}

// predicate compiles what is true or false by nature; ok is false for the rest.
func (c *compiler) predicate(n *node) (p pred, ok bool, err error) {
	switch n.op {
	case opBinary:
		switch n.text {
		case "and", "or", "xor", "implies":
			p, err = c.logic(n)
		case "=", "!=", "~", "!~":
			p, err = c.equality(n)
		case "<", ">", "<=", ">=":
			p, err = c.order(n)
		case "in", "contains":
			p, err = c.membership(n)
		default:
			return nil, false, nil
		}
		return p, true, err
	case opType:
		if n.text != "is" {
			return nil, false, nil
		}
		p, err = c.is(n, n.left, n.spec)
		return p, true, err
	case opCall:
		return c.callPredicate(n)
	default:
		return nil, false, nil
	}
}

func literal(n *node) step {
	if n.value == nil {
		return func(_ *machine, _, out []Item) ([]Item, error) { return out, nil }
	}
	i := Item{sys: n.value}
	return func(_ *machine, _, out []Item) ([]Item, error) { return append(out, i), nil }
}

func (c *compiler) this(n *node) (step, error) {
	if n.left != nil {
		left, err := c.step(n.left)
		if n.text == "$this" {
			return left, err
		}
		return nil, &SyntaxError{n.pos, n.text + " stands by itself"}
	}
	switch n.text {
	case "$this":
		return func(_ *machine, this, out []Item) ([]Item, error) { return append(out, this...), nil }, nil
	case "$index":
		return func(m *machine, _, out []Item) ([]Item, error) { return append(out, Of(int64(m.index))), nil }, nil
	default:
		return func(m *machine, _, out []Item) ([]Item, error) { return append(out, m.total...), nil }, nil
	}
}

// constant compiles %name (N1 §8, fhirpath.html#variables).
func constant(n *node) step {
	fixed := ""
	switch {
	case n.text == "ucum":
		fixed = ucumSystem
	case n.text == "sct":
		fixed = "http://snomed.info/sct"
	case n.text == "loinc":
		fixed = "http://loinc.org"
	case strings.HasPrefix(n.text, "vs-"):
		fixed = "http://hl7.org/fhir/ValueSet/" + n.text[3:]
	case strings.HasPrefix(n.text, "ext-"):
		fixed = "http://hl7.org/fhir/StructureDefinition/" + n.text[4:]
	}
	return func(m *machine, _, out []Item) ([]Item, error) {
		for i := len(m.vars) - 1; i >= 0; i-- {
			if m.vars[i].name == n.text {
				return append(out, m.vars[i].items...), nil
			}
		}
		if v, ok := m.ctx.Vars[n.text]; ok {
			return append(out, v...), nil
		}
		switch {
		case fixed != "":
			return append(out, Of(fixed)), nil
		case n.text == "context":
			return append(out, m.context...), nil
		case n.text == "resource" && m.ctx.Resource.Ok():
			return append(out, m.ctx.Resource), nil
		case n.text == "resource":
			return append(out, m.context...), nil
		case n.text == "rootResource":
			return append(out, m.root()), nil
		}
		return out, fail(n, "there is no %%%s", n.text)
	}
}

// A looker finds the members of one name. It remembers where it looked last,
// for a few types.
type looker struct {
	name string
	last [4]atomic.Pointer[access]
}

func (l *looker) access(of *schema.Type) *access {
	slot := 0
	if of != nil && of.Name != "" {
		slot = (len(of.Name) + int(of.Name[0])) & 3
	}
	if a := l.last[slot].Load(); a != nil && a.of == of {
		return a
	}
	a := accessOf(of, l.name)
	l.last[slot].Store(a)
	return a
}

// name compiles the step to the members of a name. The first name of an
// expression may be the type of what is looked at instead (N1 §5.1).
func (c *compiler) name(n *node) (step, error) {
	l := &looker{name: n.text}
	if n.left == nil {
		head := n.text != "" && n.text[0] >= 'A' && n.text[0] <= 'Z'
		return func(m *machine, this, out []Item) ([]Item, error) {
			before := len(out)
			for i := range this {
				if head && this[i].typ != nil && this[i].typ.Is(n.text) {
					out = append(out, this[i])
				} else {
					out = m.member(l.access(this[i].typ), &this[i], out)
				}
			}
			return out, m.grown(out, before, n)
		}, nil
	}
	left, err := c.step(n.left)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, err := left(m, this, m.buffer())
		if err != nil {
			return out, err
		}
		before := len(out)
		for i := range in {
			out = m.member(l.access(in[i].typ), &in[i], out)
		}
		m.release(in)
		return out, m.grown(out, before, n)
	}, nil
}

// at compiles left[index].
func (c *compiler) at(n *node) (step, error) {
	left, err := c.step(n.left)
	if err != nil {
		return nil, err
	}
	index, err := c.step(n.right)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, err := left(m, this, m.buffer())
		if err != nil {
			return out, err
		}
		at, err := index(m, this, m.buffer())
		if err != nil {
			return out, err
		}
		if len(at) > 1 {
			return out, fail(n, "an index is one integer")
		}
		if len(at) == 1 {
			i, ok := at[0].integer()
			if !ok {
				return out, fail(n, "an index is an integer")
			}
			if i >= 0 && i < int64(len(in)) {
				out = append(out, in[i])
			}
		}
		m.release(in)
		m.release(at)
		return out, nil
	}, nil
}

// sign compiles + and - in front of a number or quantity.
func (c *compiler) sign(n *node) (step, error) {
	left, err := c.step(n.left)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, err := left(m, this, m.buffer())
		if err != nil || len(in) == 0 {
			return out, err
		}
		if len(in) > 1 {
			return out, fail(n, "a sign stands before one value, there are %d", len(in))
		}
		i := in[0]
		m.release(in)
		v, ok := negated(&i, n.text == "-")
		if !ok {
			return out, fail(n, "a sign stands before numbers and quantities only")
		}
		return append(out, v), nil
	}, nil
}

func negated(i *Item, minus bool) (Item, bool) {
	if n, ok := i.integer(); ok {
		if minus {
			n = -n
		}
		return Of(n), true
	}
	if d, ok := i.decimal(); ok {
		if minus {
			d = d.Neg()
		}
		return Of(d), true
	}
	q, ok := i.Quantity()
	if minus {
		q.Value = q.Value.Neg()
	}
	return Of(q), ok
}

// knownType tells whether the type is one, so that a typing error does not
// pass for a type that nothing has.
func (m *machine) knownType(s typeSpec) bool {
	switch s.name {
	case "Boolean", "Integer", "String", "Decimal", "Date", "DateTime", "Time", "Quantity", "Any":
		if s.space != "FHIR" {
			return true
		}
	}
	return m.set == nil || s.space == "System" || m.set.Type(s.name) != nil
}

// is compiles the test for a type.
func (c *compiler) is(n, of *node, spec typeSpec) (pred, error) {
	left, err := c.optional(of)
	if err != nil {
		return nil, err
	}
	lenient := !c.strict && spec.space == ""
	return func(m *machine, this []Item) (tri, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return none, err
		}
		if !m.knownType(spec) {
			return none, fail(n, "there is no type %q", spec.name)
		}
		t := none
		if len(in) == 1 {
			t = triOf(in[0].is(spec, false) || lenient && in[0].primitive(spec))
		} else if len(in) > 1 {
			return none, fail(n, "is tests one value, there are %d", len(in))
		}
		if owned {
			m.release(in)
		}
		return t, nil
	}, nil
}

// as compiles the choice of what has a type.
func (c *compiler) as(n, of *node, spec typeSpec) (step, error) {
	left, err := c.optional(of)
	if err != nil {
		return nil, err
	}
	one := c.strict && n.text == "as"
	return func(m *machine, this, out []Item) ([]Item, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return out, err
		}
		if one && len(in) > 1 {
			return out, fail(n, "as stands behind one value, there are %d", len(in))
		}
		if !m.knownType(spec) {
			return out, fail(n, "there is no type %q", spec.name)
		}
		for i := range in {
			if in[i].is(spec, true) {
				out = append(out, in[i])
			}
		}
		if owned {
			m.release(in)
		}
		return out, m.spend(len(in), n)
	}, nil
}
