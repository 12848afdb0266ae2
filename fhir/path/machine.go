package path

import (
	"fmt"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A tri is a truth value of FHIRPath: empty, false or true.
type tri uint8

const (
	none tri = iota
	no
	yes
)

func triOf(b bool) tri {
	if b {
		return yes
	}
	return no
}

func (t tri) not() tri {
	switch t {
	case yes:
		return no
	case no:
		return yes
	default:
		return none
	}
}

// A step appends what a part of an expression gives for what is looked at.
type step func(m *machine, this, out []Item) ([]Item, error)

// A pred gives the truth value of a part of an expression.
type pred func(m *machine, this []Item) (tri, error)

// A machine is one run: its cost, its buffers and what is in scope.
type machine struct {
	ctx     *Context
	set     *schema.Set
	context []Item // %context
	left    int    // steps
	given   int    // at the start, out of a budget
	free    [][]Item
	argv    [][]Item
	index   int
	total   []Item
	vars    []variable
	in      [1]Item
	none    Context
}

// A variable was defined by defineVariable.
type variable struct {
	name  string
	items []Item
}

func (m *machine) start(in []Item) {
	m.context, m.set = in, m.ctx.Set
	if m.set == nil && len(in) > 0 {
		m.set = in[0].set
	}
}

// buffer returns an empty buffer; release gives it back.
func (m *machine) buffer() []Item {
	if n := len(m.free); n > 0 {
		b := m.free[n-1]
		m.free = m.free[:n-1]
		return b
	}
	return make([]Item, 0, 8)
}

// maxFree bounds what a machine keeps for the next run.
const maxFree = 1024

func (m *machine) release(b []Item) {
	if cap(b) == 0 || cap(b) > maxFree {
		return
	}
	clear(b) // documents must not be kept
	m.free = append(m.free, b[:0])
}

// spend counts steps.
func (m *machine) spend(n int, at *node) error {
	if m.left -= n + 1; m.left < 0 {
		return &EvalError{at.pos, ErrCost.Error(), ErrCost}
	}
	return nil
}

// input evaluates what stands before a point; nothing means what is looked at.
// The caller releases what is owned.
func (m *machine) input(left step, this []Item) (in []Item, owned bool, err error) {
	if left == nil {
		return this, false, nil
	}
	in, err = left(m, this, m.buffer())
	return in, true, err
}

// maxItems bounds collections, and with them the memory that a run takes.
const maxItems = 500_000

// grown counts a step that appended to a collection.
func (m *machine) grown(out []Item, before int, at *node) error {
	if len(out) > maxItems {
		return &EvalError{at.pos, "a collection has too many items", ErrCost}
	}
	return m.spend(len(out)-before, at)
}

func fail(at *node, format string, args ...any) error {
	return &EvalError{Pos: at.pos, Msg: fmt.Sprintf(format, args...)}
}

// truth is the truth value of a collection (N1 §4.5).
func truth(at *node, items []Item) (tri, error) {
	switch len(items) {
	case 0:
		return none, nil
	case 1:
		return items[0].boolean(), nil
	}
	return none, fail(at, "one value was expected, there are %d", len(items))
}

// root is %rootResource.
func (m *machine) root() Item {
	switch {
	case m.ctx.Root.Ok():
		return m.ctx.Root
	case m.ctx.Resource.Ok():
		return m.ctx.Resource
	case len(m.context) > 0:
		return m.context[0]
	}
	return Item{}
}
