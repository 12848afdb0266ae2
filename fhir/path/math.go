package path

import "math"

// mathFunction returns a function on numbers (N1 §5.7).
func mathFunction(name string) (f plainFunc, least, most int) {
	switch name {
	case "abs":
		return absolute, 0, 0
	case "ceiling":
		return whole(ceiling), 0, 0
	case "floor":
		return whole(floor), 0, 0
	case "truncate":
		return whole(truncate), 0, 0
	case "round":
		return round, 0, 1
	case "sqrt":
		return real(func(x float64, _ []float64) float64 { return math.Sqrt(x) }), 0, 0
	case "exp":
		return real(func(x float64, _ []float64) float64 { return math.Exp(x) }), 0, 0
	case "ln":
		return real(func(x float64, _ []float64) float64 { return math.Log(x) }), 0, 0
	case "log":
		return real(func(x float64, base []float64) float64 {
			switch base[0] {
			case 2:
				return math.Log2(x)
			case 10:
				return math.Log10(x)
			}
			return math.Log(x) / math.Log(base[0])
		}), 1, 1
	case "power":
		return power, 1, 1
	case "precision":
		return precision, 0, 0
	case "lowBoundary":
		return boundary(false), 0, 1
	case "highBoundary":
		return boundary(true), 0, 1
	}
	return nil, 0, 0
}

// singleNumber returns the only item as a number.
func singleNumber(n *node, in []Item) (d Decimal, isWhole, ok bool, err error) {
	i, ok, err := single(n, in)
	if !ok || err != nil || i.kind() == None {
		return Decimal{}, false, false, err
	}
	d, ok = i.decimal()
	if !ok {
		return Decimal{}, false, false, fail(n, "%s() takes a number, not %s", n.text, i.info().Name)
	}
	return d, i.kind() == Integer, true, nil
}

func absolute(_ *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
	i, ok, err := single(n, in)
	if !ok || err != nil {
		return out, err
	}
	if q, ok := i.Quantity(); ok {
		q.Value = q.Value.Abs()
		return append(out, Of(q)), nil
	}
	d, isWhole, ok, err := singleNumber(n, in)
	if !ok || err != nil {
		return out, err
	}
	return appendNumber(out, d.Abs(), isWhole), nil
}

func appendNumber(out []Item, d Decimal, isWhole bool) []Item {
	if !isWhole {
		return append(out, Of(d))
	}
	if v := integerOf(d); v != nil {
		return append(out, Of(v))
	}
	return out
}

func whole(how rounding) plainFunc {
	return func(_ *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
		d, _, ok, err := singleNumber(n, in)
		if !ok || err != nil {
			return out, err
		}
		return appendNumber(out, d.round(0, how), true), nil
	}
}

func round(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	d, _, ok, err := singleNumber(n, in)
	if !ok || err != nil {
		return out, err
	}
	places := 0
	if len(args) == 1 {
		if places, ok, err = singleInteger(n, args[0]); err != nil || !ok {
			return out, err
		}
	}
	if places < 0 || places > maxPlaces {
		return out, fail(n, "round() takes 0 to %d places", maxPlaces)
	}
	return append(out, Of(d.Round(places))), nil
}

// real makes a function that cannot be exact; it has 15 digits. What has no
// result is empty.
func real(f func(x float64, args []float64) float64) plainFunc {
	return func(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
		d, _, ok, err := singleNumber(n, in)
		if !ok || err != nil {
			return out, err
		}
		var more []float64
		for _, a := range args {
			v, _, ok, err := singleNumber(n, a)
			if !ok || err != nil {
				return out, err
			}
			more = append(more, v.Float())
		}
		if v, ok := DecimalOfFloat(f(d.Float(), more)); ok {
			out = append(out, Of(v))
		}
		return out, nil
	}
}

// power is exact for whole exponents that are not too large.
func power(m *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
	d, isWhole, ok, err := singleNumber(n, in)
	if !ok || err != nil {
		return out, err
	}
	e, wholeExp, ok, err := singleNumber(n, args[0])
	if !ok || err != nil {
		return out, err
	}
	if k, fits := e.Int64(); fits && k >= 0 && k <= 1000 {
		v := DecimalOf(1)
		for range k {
			if v, ok = v.Mul(d); !ok {
				return out, nil
			}
		}
		return appendNumber(out, v, isWhole && wholeExp), nil
	}
	return real(func(x float64, y []float64) float64 { return math.Pow(x, y[0]) })(m, n, in, args, out)
}
