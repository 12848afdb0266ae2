package path

import (
	"slices"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A shape is what is known of a part of an expression before it runs.
type shape struct {
	open      bool // anything may be in it
	types     []*schema.Type
	kinds     uint16 // of System, one bit each
	unordered bool
}

func anything() shape { return shape{open: true} }

func kinds(all ...Kind) shape {
	s := shape{}
	for _, k := range all {
		s.kinds |= 1 << k
	}
	return s
}

func (s shape) or(o shape) shape {
	s.open, s.kinds = s.open || o.open, s.kinds|o.kinds
	s.types = slices.Clone(s.types)
	for _, t := range o.types {
		if !slices.Contains(s.types, t) {
			s.types = append(s.types, t)
		}
	}
	return s
}

// can tells whether an item may be of the kind.
func (s shape) can(k Kind) bool {
	if s.open || s.kinds&(1<<k) != 0 || len(s.types) == 0 && s.kinds == 0 {
		return true
	}
	return slices.ContainsFunc(s.types, func(t *schema.Type) bool {
		switch {
		case t.Kind != schema.Primitive:
			return t.Abstract
		case k == Boolean:
			return t.Name == "boolean"
		}
		return true
	})
}

// A typist infers shapes.
type typist struct{ set *schema.Set }

// Check looks for names that no resource or element of a type can have, and for
// other mistakes that can be seen before the expression runs. typ is the type
// that the expression is for, "" when nothing is known.
func (e *Expr) Check(set *schema.Set, typ string) error {
	in := anything()
	if t := set.Type(typ); t != nil {
		in = shape{types: []*schema.Type{t}}
	}
	_, err := typist{set}.infer(e.root, in)
	return err
}

// infer returns the shape of a part; this is that of what is looked at.
func (t typist) infer(n *node, this shape) (shape, error) {
	switch n.op {
	case opLiteral:
		if n.value == nil {
			return shape{}, nil
		}
		return kinds(kindOf(n.value)), nil
	case opThis:
		return t.left(n, this, n.text == "$this")
	case opConst:
		return anything(), nil
	case opName:
		return t.name(n, this)
	case opIndex:
		s, err := t.infer(n.left, this)
		if err == nil && s.unordered {
			err = fail(n, "the order of what is on the left is not defined")
		}
		if err != nil {
			return shape{}, err
		}
		_, err = t.infer(n.right, this)
		return s, err
	case opSign:
		return t.infer(n.left, this)
	case opType:
		s, err := t.infer(n.left, this)
		if err != nil {
			return shape{}, err
		}
		return t.typed(n, s, n.spec)
	case opCall:
		return t.call(n, this)
	default:
		return t.binary(n, this)
	}
}

// left is what stands before a point, or what is looked at.
func (t typist) left(n *node, this shape, known bool) (shape, error) {
	switch {
	case n.left != nil:
		return t.infer(n.left, this)
	case known:
		return this, nil
	}
	return anything(), nil
}

func (t typist) binary(n *node, this shape) (shape, error) {
	a, err := t.infer(n.left, this)
	if err != nil {
		return shape{}, err
	}
	b, err := t.infer(n.right, this)
	if err != nil {
		return shape{}, err
	}
	switch n.text {
	case "|":
		s := a.or(b)
		s.unordered = a.unordered || b.unordered
		return s, nil
	case "&":
		return kinds(Text), nil
	case "+", "-", "*", "/", "div", "mod":
		date := kinds(Date, DateTime, Time)
		if !a.open && len(a.types) == 0 && a.kinds&date.kinds == a.kinds && a.kinds != 0 && !b.can(Amount) {
			return shape{}, fail(n, "only durations can be added to dates and times")
		}
		return anything(), nil
	}
	return kinds(Boolean), nil
}

// name looks a member up in all types that there may be.
func (t typist) name(n *node, this shape) (shape, error) {
	s, err := t.left(n, this, true)
	if err != nil {
		return shape{}, err
	}
	if of := t.set.Type(n.text); of != nil && s.open && n.left == nil && of.Kind == schema.Resource {
		return shape{types: []*schema.Type{of}}, nil
	}
	out := shape{open: s.open || s.kinds != 0, unordered: s.unordered}
	for _, of := range s.types {
		if n.left == nil && of.Is(n.text) {
			out.types = append(out.types, of)
			continue
		}
		if of.Kind == schema.Resource && of.Abstract {
			return anything(), nil
		}
		out = out.or(membersOf(of, n.text))
	}
	if !out.open && len(out.types) == 0 {
		if s.open || len(s.types) == 0 {
			return anything(), nil
		}
		return shape{}, fail(n, "%s has no element %q", s.types[0].Name, n.text)
	}
	return out, nil
}

func membersOf(of *schema.Type, name string) shape {
	if f := of.Choice(name); f != nil {
		return shape{types: f.Types}
	}
	f, _ := of.Field(name)
	if f == nil || f.Choice {
		return shape{}
	}
	return shape{types: f.Types, open: len(f.Types) == 0}
}

// typed is what is left of a shape after `is` or `as`.
func (t typist) typed(n *node, s shape, spec typeSpec) (shape, error) {
	of := t.set.Type(spec.name)
	system := spec.space != "FHIR" && slices.Contains([]string{"Boolean", "Integer", "String", "Decimal", "Date", "DateTime", "Time", "Quantity", "Any"}, spec.name)
	switch {
	case of == nil && !system:
		return shape{}, fail(n, "there is no type %q", spec.name)
	case n.text == "is":
		return kinds(Boolean), nil
	case of == nil || system && s.kinds != 0:
		return anything(), nil
	}
	return shape{types: []*schema.Type{of}, unordered: s.unordered}, nil
}

// call infers what a function returns.
func (t typist) call(n *node, this shape) (shape, error) {
	in, err := t.left(n, this, true)
	if err != nil {
		return shape{}, err
	}
	if in.unordered && slices.Contains([]string{"first", "last", "tail", "skip", "take", "single"}, n.text) {
		return shape{}, fail(n, "%s() needs an order, and what is on the left has none", n.text)
	}
	switch n.text {
	case "is", "as", "ofType":
		spec, err := typeArgument(n)
		if err != nil {
			return shape{}, err
		}
		return t.typed(n, in, spec)
	case "aggregate", "sort", "defineVariable", "trace", "iif":
		return t.scoped(n, in)
	}
	args := make([]shape, len(n.args))
	for i, a := range n.args {
		around := this
		switch n.text {
		case "where", "select", "exists", "all", "repeat", "repeatAll":
			around = in
			around.unordered = false
		}
		if args[i], err = t.infer(a, around); err != nil {
			return shape{}, err
		}
	}
	return t.result(n, in, args)
}

// scoped checks functions whose arguments see more than the input.
func (t typist) scoped(n *node, in shape) (shape, error) {
	around := in
	around.unordered = false
	out := anything()
	for i, a := range n.args {
		s, err := t.infer(a, around)
		if err != nil {
			return shape{}, err
		}
		if n.text == "iif" && i == 0 && !s.can(Boolean) {
			return shape{}, fail(n, "the criterion of iif() is a boolean")
		}
	}
	switch n.text {
	case "sort":
		return around, nil
	case "trace", "defineVariable":
		return in, nil
	}
	return out, nil
}

// result is the shape that a plain function returns.
func (t typist) result(n *node, in shape, args []shape) (shape, error) {
	switch n.text {
	case "where", "first", "last", "tail", "skip", "take", "single", "distinct", "exclude", "intersect", "checkModifiers":
		return in, nil
	case "select":
		return args[0], nil
	case "repeat", "repeatAll":
		again, err := t.infer(n.args[0], args[0])
		if err != nil {
			again = shape{}
		}
		return args[0].or(again), nil
	case "union", "combine":
		return in.or(args[0]), nil
	case "children", "descendants":
		s := anything()
		s.unordered = true
		return s, nil
	case "extension":
		if e := t.set.Type("Extension"); e != nil {
			return shape{types: []*schema.Type{e}}, nil
		}
	case "startsWith", "endsWith", "contains", "matches", "matchesFull", "upper", "lower", "length", "substring", "indexOf", "replace":
		if !in.can(Text) {
			return shape{}, fail(n, "%s() looks at texts only", n.text)
		}
	case "count":
		return kinds(Integer), nil
	}
	if f, _, _ := boolFunction(n.text); f != nil || n.text == "not" {
		return kinds(Boolean), nil
	}
	return anything(), nil
}
