package path

import "strings"

// A convert gives an item another type (N1 §5.5); false when that is not
// possible.
type convert func(i *Item) (any, bool)

// converter returns the conversion to a type of System.
func converter(kind string) convert {
	switch kind {
	case "Boolean":
		return toBoolean
	case "Integer":
		return toInteger
	case "Long":
		return toInteger
	case "Decimal":
		return toDecimal
	case "String":
		return func(i *Item) (any, bool) {
			s, ok := textOf(*i)
			return s, ok
		}
	case "Date", "DateTime", "Time":
		return toTemporal(kind)
	case "Quantity":
		return toQuantity
	}
	return nil
}

func toBoolean(i *Item) (any, bool) {
	if s, ok := i.text(); ok {
		switch strings.ToLower(s) {
		case "true", "t", "yes", "y", "1", "1.0":
			return true, true
		case "false", "f", "no", "n", "0", "0.0":
			return false, true
		}
		return nil, false
	}
	if i.kind() == Boolean {
		return i.boolean() == yes, true
	}
	d, ok := i.decimal()
	if !ok {
		return nil, false
	}
	n, ok := d.Int64()
	return n == 1, ok && (n == 0 || n == 1)
}

func toInteger(i *Item) (any, bool) {
	if s, ok := i.text(); ok {
		d, ok := ParseDecimal(strings.TrimPrefix(s, "+"))
		if !ok || strings.ContainsAny(s, ".eE") {
			return nil, false
		}
		n := integerOf(d)
		return n, n != nil
	}
	if i.kind() == Boolean {
		if i.boolean() == yes {
			return int64(1), true
		}
		return int64(0), true
	}
	n, ok := i.integer()
	return n, ok
}

func toDecimal(i *Item) (any, bool) {
	if s, ok := i.text(); ok {
		d, ok := ParseDecimal(strings.TrimPrefix(s, "+"))
		return d, ok && !strings.ContainsAny(s, "eE")
	}
	if i.kind() == Boolean {
		if i.boolean() == yes {
			return Decimal{n: 10, scale: 1}, true
		}
		return Decimal{scale: 1}, true
	}
	d, ok := i.decimal()
	return d, ok
}

// textOf writes an item as toString() does.
func textOf(i Item) (string, bool) {
	switch i.kind() {
	case Text:
		return i.text()
	case None, Info:
		return "", false
	case Boolean:
		if i.boolean() == yes {
			return "true", true
		}
		return "false", true
	case Complex, Amount:
		q, ok := i.Quantity()
		return q.String(), ok
	default:
	}
	switch v := i.Value().(type) {
	case int64:
		return DecimalOf(v).String(), true
	case Decimal:
		return v.String(), true
	case Temporal:
		return v.String(), true
	case string:
		return v, true
	}
	return "", false
}

func toTemporal(kind string) convert {
	parse, want := ParseDate, Date
	switch kind {
	case "DateTime":
		parse, want = ParseDateTime, DateTime
	case "Time":
		parse, want = ParseTime, Time
	}
	return func(i *Item) (any, bool) {
		if s, ok := i.text(); ok {
			if want == Date && len(s) > 10 { // the date of a date with time
				t, ok := ParseDateTime(s)
				return dateOf(t), ok
			}
			t, ok := parse(s)
			return t, ok
		}
		t, ok := i.temporal()
		switch {
		case !ok || (t.kind == Time) != (want == Time):
			return nil, false
		case want == Date:
			return dateOf(t), true
		}
		t.kind = want
		return t, true
	}
}

// dateOf drops the time.
func dateOf(t Temporal) Temporal {
	return Temporal{kind: Date, prec: min(t.prec, Day), year: t.year, month: t.month, day: t.day}
}

func toQuantity(i *Item) (any, bool) {
	if s, ok := i.text(); ok {
		q, ok := parseQuantity(s)
		return q, ok
	}
	if i.kind() == Boolean {
		d, _ := toDecimal(i)
		return Quantity{Value: d.(Decimal), Unit: "1"}, true
	}
	q, ok := quantityOf(i)
	return q, ok
}

// unit takes the unit that toQuantity and convertsToQuantity may be given.
func inUnit(v any, n *node, args [][]Item) (any, bool, error) {
	q, ok := v.(Quantity)
	if !ok || len(args) == 0 {
		return v, true, nil
	}
	unit, ok, err := singleText(n, args[0])
	if err != nil || !ok {
		return nil, false, err
	}
	to := literalQuantity(DecimalOf(1), unit)
	if q.sameUnit(to) {
		return q, true, nil
	}
	a, okA := q.measure()
	b, okB := to.measure()
	if !okA || !okB || a.Unit != b.Unit || !a.Exact() || !b.Exact() {
		return nil, false, nil
	}
	r := a.Ratio(q.Value.Rat())
	r.Quo(r, b.Factor)
	if b.Shift != nil {
		r.Sub(r, b.Shift)
	}
	to.Value = decimalOfRat(r)
	return to, true, nil
}

// convertsTo makes a function of the convertsTo… family.
func convertsTo(f convert) boolFunc {
	return func(_ *machine, n *node, in []Item, args [][]Item) (tri, error) {
		i, ok, err := single(n, in)
		if err != nil || !ok {
			return none, err
		}
		v, ok := f(i)
		if !ok {
			return no, nil
		}
		_, ok, err = inUnit(v, n, args)
		return triOf(ok), err
	}
}

// to makes a function of the to… family.
func to(f convert) plainFunc {
	return func(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
		i, ok, err := single(n, in)
		if err != nil || !ok {
			return out, err
		}
		v, ok := f(i)
		if !ok {
			return out, nil
		}
		if v, ok, err = inUnit(v, n, args); !ok || err != nil {
			return out, err
		}
		return append(out, Of(v)), nil
	}
}
