package path

// A boolean function looks at its input and its arguments.
type boolFunc func(m *machine, n *node, in []Item, args [][]Item) (tri, error)

// A plain function appends what it makes of its input and its arguments.
type plainFunc func(m *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error)

// arity checks the number of arguments.
func arity(n *node, least, most int) error {
	switch k := len(n.args); {
	case k < least && least == most, k > most && least == most:
		return &SyntaxError{n.pos, n.text + "() has " + count(least, "argument")}
	case k < least:
		return &SyntaxError{n.pos, n.text + "() has at least " + count(least, "argument")}
	case k > most:
		return &SyntaxError{n.pos, n.text + "() has at most " + count(most, "argument")}
	}
	return nil
}

func count(n int, what string) string {
	switch n {
	case 0:
		return "no " + what + "s"
	case 1:
		return "one " + what
	}
	return string(rune('0'+n)) + " " + what + "s"
}

// arguments compiles the arguments.
func (c *compiler) arguments(n *node) ([]step, error) {
	steps := make([]step, len(n.args))
	for i, a := range n.args {
		var err error
		if steps[i], err = c.step(a); err != nil {
			return nil, err
		}
	}
	return steps, nil
}

// evaluate evaluates arguments. They are relative to what is looked at, not to
// the input of the function (N1 §5). drop gives them back.
func (m *machine) evaluate(steps []step, this []Item) ([][]Item, error) {
	base, vars := len(m.argv), len(m.vars)
	for _, s := range steps {
		a, err := s(m, this, m.buffer())
		if err != nil {
			return nil, err
		}
		m.argv = append(m.argv, a)
	}
	m.vars = m.vars[:vars]
	return m.argv[base:len(m.argv):len(m.argv)], nil
}

func (m *machine) drop(args [][]Item) {
	for _, a := range args {
		m.release(a)
	}
	m.argv = m.argv[:len(m.argv)-len(args)]
}

// callPredicate compiles the functions that are true or false by nature.
func (c *compiler) callPredicate(n *node) (pred, bool, error) {
	if s := c.special(n); s != nil {
		p, err := s(n)
		return p, true, err
	}
	f, least, most := boolFunction(n.text)
	if f == nil {
		return nil, false, nil
	}
	if err := arity(n, least, most); err != nil {
		return nil, true, err
	}
	left, err := c.optional(n.left)
	if err != nil {
		return nil, true, err
	}
	steps, err := c.arguments(n)
	if err != nil {
		return nil, true, err
	}
	return func(m *machine, this []Item) (tri, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return none, err
		}
		args, err := m.evaluate(steps, this)
		if err != nil {
			return none, err
		}
		t, err := f(m, n, in, args)
		m.drop(args)
		if owned {
			m.release(in)
		}
		if err != nil {
			return none, err
		}
		return t, m.spend(len(in), n)
	}, true, nil
}

// special compiles what looks at arguments as expressions; nil for the rest.
func (c *compiler) special(n *node) func(n *node) (pred, error) {
	switch {
	case n.text == "exists" && len(n.args) == 1:
		return func(n *node) (pred, error) { return c.each(n, no, yes) }
	case n.text == "all":
		return func(n *node) (pred, error) { return c.each(n, yes, no) }
	case n.text == "not":
		return c.not
	case n.text == "is":
		return func(n *node) (pred, error) {
			spec, err := typeArgument(n)
			if err != nil {
				return nil, err
			}
			return c.is(n, n.left, spec)
		}
	}
	return nil
}

func typeArgument(n *node) (typeSpec, error) {
	if err := arity(n, 1, 1); err != nil {
		return typeSpec{}, err
	}
	spec, ok := specOf(n.args[0])
	if !ok {
		return typeSpec{}, &SyntaxError{n.pos, n.text + "() has a type as its argument"}
	}
	return spec, nil
}

// each compiles exists(criteria) and all(criteria): the answer is otherwise
// unless an item decides it.
func (c *compiler) each(n *node, otherwise, decided tri) (pred, error) {
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
	return func(m *machine, this []Item) (tri, error) {
		in, owned, err := m.input(left, this)
		if err != nil {
			return none, err
		}
		index, vars, answer := m.index, len(m.vars), otherwise
		for i := range in {
			m.index = i
			t, err := criteria(m, in[i:i+1])
			if err != nil {
				return none, err
			}
			m.vars = m.vars[:vars]
			if (t == yes) == (decided == yes) {
				answer = decided
				break
			}
		}
		m.index = index
		err = m.spend(len(in), n)
		if owned {
			m.release(in)
		}
		return answer, err
	}, nil
}

// not compiles not() (N1 §6.5.3).
func (c *compiler) not(n *node) (pred, error) {
	if err := arity(n, 0, 0); err != nil {
		return nil, err
	}
	if n.left == nil {
		return func(_ *machine, this []Item) (tri, error) {
			t, err := truth(n, this)
			return t.not(), err
		}, nil
	}
	p, err := c.pred(n.left)
	if err != nil {
		return nil, err
	}
	return func(m *machine, this []Item) (tri, error) {
		t, err := p(m, this)
		return t.not(), err
	}, nil
}

// call compiles every other function.
func (c *compiler) call(n *node) (step, error) {
	for _, f := range c.added {
		if f.Name == n.text {
			return c.addedCall(n, f)
		}
	}
	if lambda := c.lambda(n.text); lambda != nil {
		return lambda(n)
	}
	f, least, most := plainFunction(n.text)
	if f == nil {
		return nil, &SyntaxError{n.pos, "there is no function " + n.text + "()"}
	}
	if err := arity(n, least, most); err != nil {
		return nil, err
	}
	return c.plainCall(n, f)
}

func (c *compiler) addedCall(n *node, f Function) (step, error) {
	if err := arity(n, f.Min, f.Max); err != nil {
		return nil, err
	}
	call := f.Call
	if f.OfType != nil {
		var spec typeSpec
		if len(n.args) == 1 {
			var ok bool
			if spec, ok = specOf(n.args[0]); !ok {
				return nil, &SyntaxError{n.pos, n.text + "() has a type as its argument"}
			}
		}
		call = func(in []Item, _ [][]Item) ([]Item, error) { return f.OfType(in, spec.name) }
		n = &node{op: n.op, pos: n.pos, text: n.text, left: n.left}
	}
	return c.plainCall(n, func(_ *machine, n *node, in []Item, args [][]Item, out []Item) ([]Item, error) {
		v, err := call(in, args)
		if err != nil {
			return out, &EvalError{n.pos, err.Error(), err}
		}
		return append(out, v...), nil
	})
}

func (c *compiler) plainCall(n *node, f plainFunc) (step, error) {
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
		args, err := m.evaluate(steps, this)
		if err != nil {
			return out, err
		}
		before := len(out)
		if out, err = f(m, n, in, args, out); err != nil {
			return out, err
		}
		m.drop(args)
		if err := m.grown(out, before-len(in), n); err != nil {
			return out, err
		}
		if owned {
			m.release(in)
		}
		return out, m.short(n, out)
	}, nil
}
