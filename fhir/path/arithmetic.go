package path

import "math"

// arithmetic does + - * / div mod for two items; nil is empty (N1 §6.6).
func arithmetic(n *node, a, b *Item) (any, error) {
	ka, kb := a.kind(), b.kind()
	switch {
	case ka == None || kb == None:
		return nil, nil
	case ka == Text && kb == Text && n.text == "+":
		s, _ := a.text()
		t, _ := b.text()
		return s + t, nil
	case isTemporal(ka):
		return moveTime(n, a, b)
	case isNumeric(ka) && isNumeric(kb):
		x, okA := a.decimal()
		y, okB := b.decimal()
		if !okA || !okB {
			return nil, nil
		}
		return reckon(n.text, x, y, ka == Integer && kb == Integer), nil
	}
	q, okA := quantityOf(a)
	r, okB := quantityOf(b)
	if !okA || !okB {
		return nil, fail(n, "%s cannot stand between %s and %s", n.text, a.info().Name, b.info().Name)
	}
	return reckonQuantities(n, q, r)
}

// quantityOf returns a quantity; a number is one without a unit.
func quantityOf(i *Item) (Quantity, bool) {
	if d, ok := i.decimal(); ok {
		return Quantity{Value: d, Unit: "1"}, true
	}
	return i.Quantity()
}

// reckon returns nil where the result is none or too large.
func reckon(operator string, x, y Decimal, whole bool) any {
	var v Decimal
	ok := true
	switch operator {
	case "+":
		v, ok = x.Add(y).bounded()
	case "-":
		v, ok = x.Sub(y).bounded()
	case "*":
		v, ok = x.Mul(y)
	case "/":
		v, ok = x.Quo(y)
		whole = false
	case "div":
		v, ok = x.Div(y)
		whole = true
	case "mod":
		v, ok = x.Mod(y)
	}
	if !ok {
		return nil
	}
	if whole {
		return integerOf(v)
	}
	return v
}

// integerOf returns an integer of the 32 bits that they have, nil for what is
// larger.
func integerOf(d Decimal) any {
	n, ok := d.Int64()
	if !ok || n > math.MaxInt32 || n < math.MinInt32 {
		return nil
	}
	return n
}

func reckonQuantities(n *node, q, r Quantity) (any, error) {
	ok := false
	switch n.text {
	case "+":
		q, ok = q.add(r)
	case "-":
		r.Value = r.Value.Neg()
		q, ok = q.add(r)
	case "*":
		q, ok = q.times(r, false)
	case "/":
		q, ok = q.times(r, true)
	default:
		return nil, fail(n, "%s cannot stand between quantities", n.text)
	}
	if _, fits := q.Value.bounded(); !ok || !fits {
		return nil, nil
	}
	return q, nil
}

// moveTime adds a duration to a date or time, or takes it away (N1 §6.6.1).
func moveTime(n *node, a, b *Item) (any, error) {
	t, okA := a.temporal()
	q, okB := b.Quantity()
	if n.text != "+" && n.text != "-" || !okB {
		return nil, fail(n, "%s cannot stand between %s and %s", n.text, a.info().Name, b.info().Name)
	}
	if !okA {
		return nil, nil
	}
	unit := q.Unit
	if !q.Calendar {
		if unit = calendarOf(q.Unit); unit == "" {
			return nil, fail(n, "%q is not a duration of the calendar", q.Unit)
		}
	}
	v := q.Value.round(0, truncate)
	if n.text == "-" {
		v = v.Neg()
	}
	count, ok := v.Int64()
	if !ok {
		return nil, nil
	}
	if t, ok = t.add(count, unit); !ok {
		return nil, nil
	}
	return t, nil
}
