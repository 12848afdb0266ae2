package path

// maxPlaces bounds the places that boundaries and rounding may ask for.
const maxPlaces = 31

// precision counts the places of a decimal, the digits of a date or time.
func precision(_ *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
	i, ok, err := single(n, in)
	if !ok || err != nil {
		return out, err
	}
	if t, ok := i.temporal(); ok {
		return append(out, Of(int64(digitsOf(t)))), nil
	}
	if d, ok := i.decimal(); ok {
		return append(out, Of(int64(d.Scale()))), nil
	}
	if i.kind() == None {
		return out, nil
	}
	return out, fail(n, "precision() takes a number, date or time, not %s", i.info().Name)
}

// digitsOf counts the digits of a date or time: 4 for a year, 17 for a date
// with milliseconds.
func digitsOf(t Temporal) int {
	k := [...]int{Year: 4, Month: 6, Day: 8, Hour: 10, Minute: 12, Second: 14}[t.prec]
	if t.kind == Time {
		k -= 8
	}
	if t.digits > 0 {
		k += 3
	}
	return k
}

// boundary makes lowBoundary and highBoundary: the least and the greatest value
// that a value of limited precision may stand for.
func boundary(high bool) plainFunc {
	return func(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
		i, ok, err := single(n, in)
		if !ok || err != nil || i.kind() == None {
			return out, err
		}
		places := -1
		if len(args) == 1 {
			if places, ok, err = singleInteger(n, args[0]); err != nil || !ok {
				return out, err
			}
			if places < 0 {
				return out, nil
			}
		}
		if t, ok := i.temporal(); ok {
			if t, ok = boundaryOfTime(t, places, high); ok {
				out = append(out, Of(t))
			}
			return out, nil
		}
		if places < 0 {
			places = 8
		}
		if places > maxPlaces {
			return out, nil
		}
		if d, ok := i.decimal(); ok {
			return append(out, Of(boundaryOf(d, places, high))), nil
		}
		q, ok := i.Quantity()
		if !ok {
			return out, fail(n, "%s() takes a number, quantity, date or time, not %s", n.text, i.info().Name)
		}
		q.Value = boundaryOf(q.Value, places, high)
		return append(out, Of(q)), nil
	}
}

// boundaryOf is half a unit of the last place away; away from zero it is
// rounded to the places asked for, towards zero the rest is cut off.
func boundaryOf(d Decimal, places int, high bool) Decimal {
	half := Decimal{n: 5, scale: d.scale + 1}
	if !high {
		half.n = -5
	}
	b := d.Add(half)
	if high == (d.Sign() >= 0) {
		return b.round(places, nearest)
	}
	return b.round(places, truncate)
}

// boundaryOfTime fills in what is not known with the least or the greatest, the
// zone with the one that is furthest away. An hour without minutes counts as
// the minute 00, as in the examples of the specification.
func boundaryOfTime(t Temporal, digits int, high bool) (Temporal, bool) {
	most := map[Kind]int{Date: 8, DateTime: 17, Time: 9}[t.kind]
	if digits < 0 {
		digits = most
	}
	if t.kind == Time {
		digits, most = digits+8, most+8
	}
	prec, fraction := Precision(0), false
	switch digits {
	case 4, 6, 8, 10, 12, 14:
		prec = Precision(digits/2 - 1)
	case 17:
		prec, fraction = Second, true
	}
	if prec == 0 || digits > most || t.kind == Time && prec < Hour {
		return Temporal{}, false
	}
	if t.hourAlone {
		t.prec, t.hourAlone = Minute, false
	}
	t = filled(t, high)
	if t.kind == DateTime && !t.zoned && prec > Day {
		t.zoned, t.offset = true, 14*60
		if high {
			t.offset = -12 * 60
		}
	}
	return cut(t, prec, fraction), true
}

// filled gives a value all its parts.
func filled(t Temporal, high bool) Temporal {
	pick := func(low, top int) uint8 {
		if high {
			return uint8(top)
		}
		return uint8(low)
	}
	if t.kind != Time {
		if t.prec < Month {
			t.month = pick(1, 12)
		}
		if t.prec < Day {
			t.day = pick(1, daysIn(int(t.year), int(t.month)))
		}
	}
	if t.prec < Hour {
		t.hour = pick(0, 23)
	}
	if t.prec < Minute {
		t.minute = pick(0, 59)
	}
	if t.prec < Second {
		t.second = pick(0, 59)
	}
	if t.digits < 3 && high {
		unit := [...]int32{1e9, 1e8, 1e7}[t.digits]
		t.nanos += unit - 1e6
	}
	t.prec, t.digits = Second, max(t.digits, 3)
	return t
}

// cut drops what is smaller than a precision.
func cut(t Temporal, prec Precision, fraction bool) Temporal {
	t.prec = prec
	if !fraction {
		t.digits, t.nanos = 0, 0
	}
	parts := [...]*uint8{Month: &t.month, Day: &t.day, Hour: &t.hour, Minute: &t.minute, Second: &t.second}
	for p := prec + 1; p <= Second; p++ {
		*parts[p] = 0
	}
	if prec <= Day {
		t.zoned, t.offset = false, 0
	}
	return t
}
