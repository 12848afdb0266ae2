package path

// clockFunction returns a function that asks for the time (N1 §5.9.2), or for
// a part of a date or time.
func clockFunction(name string) (f plainFunc, least, most int) {
	switch name {
	case "now":
		return now(DateTime), 0, 0
	case "today":
		return now(Date), 0, 0
	case "timeOfDay":
		return now(Time), 0, 0
	case "yearOf":
		return part(Year), 0, 0
	case "monthOf":
		return part(Month), 0, 0
	case "dayOf":
		return part(Day), 0, 0
	case "hourOf":
		return part(Hour), 0, 0
	case "minuteOf":
		return part(Minute), 0, 0
	case "secondOf":
		return part(Second), 0, 0
	}
	return nil, 0, 0
}

func now(kind Kind) plainFunc {
	return func(m *machine, n *node, _ []Item, _ [][]Item, out []Item) ([]Item, error) {
		if m.ctx.Now.IsZero() {
			return out, fail(n, "nobody said what time it is")
		}
		return append(out, Of(temporalOf(m.ctx.Now, kind))), nil
	}
}

func part(p Precision) plainFunc {
	return func(_ *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
		i, ok, err := single(n, in)
		if !ok || err != nil {
			return out, err
		}
		t, ok := i.temporal()
		if !ok || t.prec < p || t.kind == Time && p < Hour {
			return out, nil
		}
		v := t.field(p)
		if p == Second {
			v = int64(t.second)
		}
		return append(out, Of(v)), nil
	}
}
