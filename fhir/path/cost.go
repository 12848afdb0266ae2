package path

// Cost evaluates an invariant as Holds does, and says how many steps it took:
// who evaluates many expressions on one document bounds all of them together.
func (e *Expr) Cost(ctx *Context, in Item) (holds bool, steps int, err error) {
	m := e.machine(ctx, nil)
	had := m.left
	m.in[0] = in
	m.start(m.in[:])
	t, err := e.pred(m, m.in[:])
	steps = had - m.left
	e.done(m)
	return t != no, steps, err
}
